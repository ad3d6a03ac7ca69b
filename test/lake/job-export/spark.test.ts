/**
 * What is exported to Spark gives there, over the same lines, the rows that it gives here, but for windows that its
 * watermark has not passed: an input that ends ends no window there.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nexmarkJob } from "../../../bench/nexmark/job-file.ts";
import { writeNexmark } from "../../../bench/nexmark/lines.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import { exportJob } from "../../../lake/job-export/export-job.ts";
import { loadNexmark, NEXMARK_TABLES } from "../../nexmark/tables.ts";
import { temporaryFolder } from "../../services/muara.ts";
import { runSpark } from "../../services/spark.ts";
import { openEngine } from "../job/job-engine.ts";
import { EXPRESSIONS, HOPS } from "./job-texts.ts";

const OPTIONS = { events: 20_000, eventsPerSecond: 200, disorderMs: 1_500 };
const DISORDER_MS = 2_000;
const JOBS = [
  { name: "nexmark_q1", text: nexmarkJob("q1") },
  { name: "nexmark_q2", text: nexmarkJob("q2") },
  { name: "nexmark_q11", text: nexmarkJob("q11") },
  { name: "expressions", text: EXPRESSIONS },
  { name: "hops", text: HOPS },
] as const;

/** Each program as its author would run it, but that all share one Spark. */
const RUN = `
import sys
sys.argv.append("--once")
for file in sys.argv[1:-1]:
    exec(compile(open(file).read(), file, "exec"), {"__name__": "__main__"})
print("true")
`;

let engine: DuckDBConnection;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let watermark: string;
const plans = new Map<string, { readonly types: string; readonly batch: string }>();

beforeAll(async () => {
  engine = await openEngine();
  folder = await temporaryFolder("spark");
  await loadNexmark(engine, folder.path, OPTIONS, { disorderMs: DISORDER_MS, commitEvents: 1_000 });
  const newestMs = writeNexmark(folder.path, OPTIONS);
  watermark = `make_timestamptz(${(newestMs - DISORDER_MS) * 1_000})`;
  for (const kind of ["person", "auction", "bid"]) await rm(join(folder.path, `${kind}.ndjson`));
  const files: string[] = [];
  for (const { name, text } of JOBS) {
    const [source, sink] = [`file://${folder.path}`, `file://${folder.path}/out`];
    const options = { to: "spark", disorderMs: DISORDER_MS, source, sink } as const;
    const exported = await exportJob(text, NEXMARK_TABLES, engine, options);
    const planned = await planJob(text, NEXMARK_TABLES, engine);
    if (exported.kind === "refused" || planned.kind === "refused")
      throw new Error(`${name}: ${JSON.stringify([exported, planned])}`);
    const { columns, batch } = planned.plan;
    const types = columns.map((column) => `'${column.name}': '${column.type}'`).join(", ");
    plans.set(name, { types, batch: [...batch.prepare, batch.select].join(";\n") });
    files.push(join(folder.path, `${name}.py`));
    await writeFile(files.at(-1)!, exported.text);
  }
  await runSpark(RUN, files, { scratch: join(folder.path, "spark"), timeoutMs: 600_000 });
}, 600_000);
afterAll(() => folder.remove());

async function count(sql: string): Promise<number> {
  return Number((await engine.runAndReadAll(`SELECT count(*) FROM (${sql})`)).getRows()[0]![0]);
}

test.each(JOBS)("$name", async ({ name }) => {
  const { types, batch } = plans.get(name)!;
  const files = join(folder.path, "out", name, "*", "*.json");
  const read = `read_json('${files}', format = 'newline_delimited', columns = {${types}}, hive_partitioning = false)`;
  await engine.run(`CREATE OR REPLACE TEMP TABLE found AS FROM ${read}`);
  // Planning has left empty ones of these names.
  for (const kind of ["person", "auction", "bid"])
    for (const table of [`nexmark_${kind}`, `"nexmark.${kind}"`])
      await engine.run(`CREATE OR REPLACE TEMP VIEW ${table} AS FROM ${kind}`);
  const statements = batch.split(";\n");
  for (const statement of statements.slice(0, -1)) await engine.run(statement);
  const isWindowed = types.includes("'window_end'");
  const wanted = `SELECT * FROM (${statements.at(-1)!})${isWindowed ? ` WHERE window_end <= ${watermark}` : ""}`;
  expect(await count("FROM found")).toBeGreaterThan(0);
  expect(await count(`(${wanted}) EXCEPT ALL FROM found`)).toBe(0);
  expect(await count(`(FROM found) EXCEPT ALL (${wanted})`)).toBe(0);
});
