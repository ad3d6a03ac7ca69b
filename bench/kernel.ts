/**
 * The kernel against what the same work costs without it, in CPU time: `node bench/kernel.ts` (`--json` for one object,
 * `--svg FILE` to draw the operators and print their table). The parts are in bench/kernel/; a comparison to add, such
 * as the scanner with a native one or the encoder with other writers of Parquet, is a function there and a line here.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createKernel } from "../core/kernel.ts";
import { drawOperators, tableOfOperators } from "./kernel/chart.ts";
import { measureOperators, operatorMetrics } from "./kernel/operators.ts";
import { benchScan } from "./kernel/scan.ts";
import { benchTimers } from "./kernel/timers.ts";
import { printResult } from "./result.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
const kernel = createKernel(module, new Uint8Array(16).fill(7));
const operators = measureOperators(kernel);
printResult("kernel", [...benchScan(kernel), ...operatorMetrics(operators), benchTimers(kernel)]);
const picture = process.argv.indexOf("--svg") + 1;
if (picture > 0) {
  writeFileSync(process.argv[picture]!, drawOperators(operators));
  console.log(`\n${tableOfOperators(operators)}`);
}
