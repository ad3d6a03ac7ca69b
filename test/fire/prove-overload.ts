/** `npm run proof:overload`: ten times the capacity for SECONDS (60), and what became of it. */
import process from "node:process";
import { temporary } from "./crash-points.ts";
import { overload } from "./overload.ts";

const seconds = Number(process.env["SECONDS"] ?? 60);
const plan = { capacity: 1_000, offered: 10_000, seconds, events: 50, bytes: 400 };
const result = await temporary((directory) => overload({ directory, ...plan }));
const { others, faults, ...figures } = result;
console.log(JSON.stringify({ ...plan, ...figures, others: others.length, faults: faults.length }, null, 2));
for (const fault of faults.slice(0, 10)) console.log(fault);
const isKept =
  faults.length === 0 &&
  others.every((status) => status === 0) &&
  result.served >= 0.9 &&
  result.refusedMs.p99 <= 50;
process.exitCode = isKept ? 0 : 1;
