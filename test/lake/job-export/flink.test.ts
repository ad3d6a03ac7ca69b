/** What is exported to Flink gives there, over the same lines, the rows that it gives here. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NEXMARK_KINDS, nexmarkType } from "../../../bench/nexmark/events.ts";
import { nexmarkJob } from "../../../bench/nexmark/job-file.ts";
import { writeNexmark } from "../../../bench/nexmark/lines.ts";
import { NEXMARK_REFERENCES } from "../../../bench/nexmark/reference.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { exportJob } from "../../../lake/job-export/export-job.ts";
import { quoteName } from "../../../lake/query/quote.ts";
import { loadNexmark, NEXMARK_TABLES } from "../../nexmark/tables.ts";
import { runFlink } from "../../services/flink.ts";
import { temporaryFolder } from "../../services/muara.ts";
import { openEngine } from "../job/job-engine.ts";
import { EXPRESSIONS, FIGURES } from "./job-texts.ts";

/** No row is late: watermarks are made otherwise there, so that late rows would not be the same. */
const OPTIONS = { events: 20_000, eventsPerSecond: 200, disorderMs: 1_500 };
const DISORDER_MS = 2_000;
/** Of ten; the others add nothing that these have not. */
const QUERIES = ["q1", "q5", "q7", "q8", "q11", "q18", "q20"] as const;
const JOBS = [
  ...QUERIES.map((query) => ({
    name: query,
    text: nexmarkJob(query),
    reference: NEXMARK_REFERENCES[query],
  })),
  { name: "expressions", text: EXPRESSIONS, reference: null },
  { name: "figures", text: FIGURES, reference: null },
] as const;

let engine: DuckDBConnection;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const plans = new Map<string, JobPlan>();

beforeAll(async () => {
  engine = await openEngine();
  folder = await temporaryFolder("flink");
  await loadNexmark(engine, folder.path, OPTIONS, { disorderMs: DISORDER_MS, commitEvents: 1_000 });
  writeNexmark(folder.path, OPTIONS);
  const scripts: string[] = [];
  for (const { name, text } of JOBS) {
    const planned = await planJob(text, NEXMARK_TABLES, engine);
    if (planned.kind === "refused") throw new Error(`${name}: ${JSON.stringify(planned.refusal)}`);
    plans.set(name, planned.plan);
    const sink = `file://${folder.path}/out`;
    const options = { to: "flink", disorderMs: DISORDER_MS, source: `file://${folder.path}`, sink } as const;
    const exported = await exportJob(text, NEXMARK_TABLES, engine, options);
    if (exported.kind === "refused") throw new Error(`${name}: ${JSON.stringify(exported.refusal)}`);
    const file = join(folder.path, `${name}.sql`);
    await writeFile(file, exported.text);
    scripts.push(file);
  }
  await runFlink(scripts);
}, 600_000);
afterAll(() => folder.remove());

async function count(sql: string): Promise<number> {
  return Number((await engine.runAndReadAll(`SELECT count(*) FROM (${sql})`)).getRows()[0]![0]);
}

test.each(JOBS)("$name", async ({ name, reference }) => {
  const { columns, batch, name: job } = plans.get(name)!;
  const types = columns.map((column) => `'${column.name}': '${column.type}'`).join(", ");
  const files = join(folder.path, "out", job, "*");
  const read = `read_json('${files}', format = 'newline_delimited', columns = {${types}})`;
  await engine.run(`CREATE OR REPLACE TEMP TABLE found AS FROM ${read}`);
  // Planning has left empty ones of these names.
  for (const kind of NEXMARK_KINDS)
    for (const table of [`nexmark_${kind}`, quoteName(nexmarkType(kind))])
      await engine.run(`CREATE OR REPLACE TEMP VIEW ${table} AS FROM ${kind}`);
  for (const statement of batch.prepare) await engine.run(statement);
  const wanted = reference ?? batch.select;
  expect(await count("FROM found")).toBeGreaterThan(0);
  expect(await count(`(${wanted}) EXCEPT ALL FROM found`)).toBe(0);
  expect(await count(`(FROM found) EXCEPT ALL (${wanted})`)).toBe(0);
});
