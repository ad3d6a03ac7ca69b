/**
 * The kernel against what the same work costs without it, in CPU time: `node bench/kernel.ts [PART…]` (`--json` for one
 * object, `--svg FILE` to draw the operators and print their table), on Node and on Deno. The parts are in
 * bench/kernel/; without a name all of them run.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createKernel } from "../core/kernel.ts";
import { measureEncoder } from "./encoder-measure.ts";
import { drawOperators, tableOfOperators } from "./kernel/chart.ts";
import { measureOperators, operatorMetrics } from "./kernel/operators.ts";
import { benchScan } from "./kernel/scan.ts";
import { benchTimers } from "./kernel/timers.ts";
import { type Metric, printResult } from "./result.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
const kernel = createKernel(module, new Uint8Array(16).fill(7));
const picture = process.argv.indexOf("--svg") + 1;

const PARTS: Record<string, () => readonly Metric[]> = {
  scan: () => benchScan(kernel),
  operators: () => {
    const operators = measureOperators(kernel);
    if (picture > 0) {
      writeFileSync(process.argv[picture]!, drawOperators(operators));
      process.stderr.write(`${tableOfOperators(operators)}\n`);
    }
    return operatorMetrics(operators);
  },
  timers: () => [benchTimers(kernel)],
  encode: () => measureEncoder(),
};

const asked = process.argv.slice(2).filter((word, i, words) => words[i - 1] !== "--svg" && word !== "--svg");
const unknown = asked.find((word) => !(word in PARTS) && word !== "--json");
if (unknown !== undefined) {
  const parts = Object.keys(PARTS).join("|");
  process.stderr.write(
    `usage: node bench/kernel.ts [${parts}]… [--json] [--svg FILE]; no part: all of them\n`,
  );
  process.exit(unknown === "--help" ? 0 : 2);
}
const named = Object.keys(PARTS).filter((name) => asked.includes(name));
const wanted = named.length > 0 ? named : Object.keys(PARTS);
printResult(
  "kernel",
  wanted.flatMap((name) => PARTS[name]!()),
);
