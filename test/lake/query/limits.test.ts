/**
 * Limits with a number: a runaway query is dead 250 ms after its deadline and has never had more than a tenth over its
 * memory; tried with the functions that were measured to ignore the engine's own limits. The figures are printed.
 */
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { MuaraError } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import { ProcessPool } from "../../../lake/query/process-pool.ts";
import type { QueryProcess } from "../../../lake/query/query-process.ts";

const MEMORY_BYTES = 512 * 1_048_576;
const TIMEOUT_MS = 1_200;
const idle = new AbortController().signal;

let pool: ProcessPool;

beforeAll(async () => {
  const options = { ...configSchema.parse({}).query, memoryBytes: MEMORY_BYTES, warm: 1 };
  pool = new ProcessPool({ options, clock: systemClock, logger: silentLogger });
  await pool.layers();
});
afterAll(() => pool.close());

/** Highest resident memory of a process, watched from a thread of its own. @returns bytes when it has gone */
function watchPeak(pid: number): Promise<number> {
  const worker = new Worker(
    `const { readFileSync } = require("node:fs");
     const { parentPort, workerData } = require("node:worker_threads");
     let peak = 0;
     const look = () => {
       try {
         const text = readFileSync("/proc/" + workerData + "/status", "latin1");
         peak = Math.max(peak, Number(/^VmHWM:\\s+(\\d+)/m.exec(text)?.[1] ?? 0));
         setTimeout(look, 1);
       } catch { parentPort.postMessage(peak * 1024); }
     };
     look();`,
    { eval: true, workerData: pid },
  );
  return new Promise((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  });
}

async function endOf(child: QueryProcess, sql: string): Promise<string> {
  child.send({ order: "run", sql, tables: [], format: "json", rows: 10 });
  for (;;) {
    try {
      const arrival = await child.next();
      if (arrival.report === "failed") return arrival.failure.kind === "memory" ? "sql.memory" : "sql.failed";
      if (arrival.report === "done") return "done";
    } catch (error) {
      return error instanceof MuaraError ? error.code : String(error);
    }
  }
}

describe("a runaway query", () => {
  test.each([
    ["levenshtein", "SELECT levenshtein(repeat('ab', 300000), repeat('ba', 300000))"],
    ["counting on", "SELECT count(*) FROM range(1000000000000)"],
    ["cross join", "SELECT sum(a.range * b.range) FROM range(10000000) AS a, range(10000000) AS b"],
    [
      "planning",
      `WITH a0 AS (SELECT 1 AS x)${Array.from(
        { length: 25 },
        (_, i) => `, a${i + 1} AS NOT MATERIALIZED (SELECT l.x FROM a${i} AS l JOIN a${i} AS r USING (x))`,
      ).join("")} FROM a25`,
    ],
    ["lists", "SELECT list_sort(list_transform(range(3000000), x -> hash(x)))[1] FROM range(100)"],
  ])("is dead 250 ms after its deadline: %s", { retry: 3, timeout: 60_000 }, async (name, sql) => {
    const child = await pool.take();
    const pid = child.pid!;
    const startedMs = performance.now();
    child.guard(TIMEOUT_MS, idle);
    const code = await endOf(child, sql);
    await child.gone();
    const overMs = Math.round(performance.now() - startedMs - TIMEOUT_MS);
    console.log(`${name}: ${code}, ${overMs} ms after the deadline`);
    expect(code).toMatch(/^sql\.(?:timeout|memory)$/);
    expect(overMs).toBeLessThan(250);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  test.each([
    ["repeat", "SELECT length(repeat('x', 2000000000))"],
    ["lpad", "SELECT length(lpad('a', 1500000000, 'bc'))"],
    ["list_transform", "SELECT len(list_transform(range(100000000), x -> x + 1))"],
    ["to_base64", "SELECT length(to_base64(repeat('x', 1000000000)::BLOB))"],
    ["printf", "SELECT length(printf('%1500000000d', 1))"],
    ["quantile_cont", "SELECT quantile_cont(range, 0.5) FROM range(200000000)"],
    [
      "concat",
      "SELECT length(concat(repeat('x', 900000000), repeat('y', 900000000), repeat('z', 900000000)))",
    ],
    ["string_agg", "SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(3000)"],
    ["rows that grow", "SELECT repeat('x', range * 10000) FROM range(100000)"],
  ])("never has a tenth more memory than its limit: %s", { retry: 3, timeout: 90_000 }, async (name, sql) => {
    const child = await pool.take();
    const peak = watchPeak(child.pid!);
    child.guard(30_000, idle);
    const code = await endOf(child, sql);
    child.kill(new MuaraError("internal", "the test has seen enough"));
    await child.gone();
    const share = (await peak) / MEMORY_BYTES;
    console.log(`${name}: ${code}, peak ${Math.round(share * 100)} % of the limit`);
    expect(["sql.memory", "done"]).toContain(code);
    expect(share).toBeLessThan(1.1);
  });
});
