/**
 * JSON lines to a Parquet file: the kernel's encoder against DuckDB's `read_json` → `COPY`, on one thread, the same
 * lines, zstd 3 and 122,880 rows a row group on both sides, and against two writers in JavaScript: `npx node
 * bench/encoder.ts [SET…]` (`--json` for one object).
 */
import process from "node:process";
import { SETS } from "./encoder-lines.ts";
import { measureEncoder } from "./encoder-measure.ts";
import { printResult } from "./result.ts";

const named = SETS.filter((set) => process.argv.includes(set));
printResult("encoder", measureEncoder(named.length > 0 ? named : SETS));
