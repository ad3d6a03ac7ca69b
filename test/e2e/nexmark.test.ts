/**
 * Nexmark through a whole node, from the door to the tables of results: they have the rows that a batch of other SQL
 * gives over the same lines. The same jobs are exported by the command.
 */
import { isDeepStrictEqual } from "node:util";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NEXMARK_KINDS, nexmarkEvents } from "../../bench/nexmark/events.ts";
import { nexmarkJob, nexmarkJobPath } from "../../bench/nexmark/job-file.ts";
import {
  bodiesOf,
  declareNexmark,
  deployNexmark,
  endNexmark,
  publishNexmark,
  waitForJob,
} from "../../bench/nexmark/node.ts";
import { NEXMARK_REFERENCES } from "../../bench/nexmark/reference.ts";
import { planJob } from "../../lake/job/plan-job.ts";
import { runCommand } from "../api/run-command.ts";
import { openEngine } from "../lake/job/job-engine.ts";
import { loadNexmark, NEXMARK_TABLES } from "../nexmark/tables.ts";
import { type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";

/** No row is late, whatever commits landing makes. */
const OPTIONS = { seed: 3, events: 20_000, eventsPerSecond: 200, disorderMs: 1_500 };
const DISORDER_MS = 2_000;
const QUERIES = ["q1", "q5", "q8", "q11", "q20"] as const;
const EACH = 700;

let muara: MuaraProcess;
let engine: DuckDBConnection;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let newestMs = -Infinity;

beforeAll(async () => {
  folder = await temporaryFolder("nexmark-node");
  engine = await openEngine();
  await loadNexmark(engine, folder.path, OPTIONS, { disorderMs: DISORDER_MS, commitEvents: 1_000 });
  muara = await startMuara(`${folder.path}/node`, {
    MUARA_LAND_COMMIT_MS: "100",
    MUARA_LAND_DISORDER_MS: String(DISORDER_MS),
    MUARA_JOBS_EVERY_MS: "100",
  });
  await declareNexmark(muara, NEXMARK_KINDS);
  for (const query of QUERIES) await deployNexmark(muara, nexmarkJob(query));
  const lines = { person: [] as string[], auction: [] as string[], bid: [] as string[] };
  for (const { kind, line, timeMs } of nexmarkEvents(OPTIONS)) {
    newestMs = Math.max(newestMs, timeMs);
    lines[kind].push(line);
  }
  await Promise.all(NEXMARK_KINDS.map((kind) => publishNexmark(muara, kind, bodiesOf(lines[kind], EACH))));
  await endNexmark(muara, NEXMARK_KINDS, newestMs);
}, 300_000);
afterAll(async () => {
  await muara?.kill();
  await folder.remove();
});

test.each(QUERIES)("%s", { timeout: 300_000 }, async (query) => {
  const table = `nexmark_${query}`;
  await waitForJob(muara, table, newestMs);
  const planned = await planJob(nexmarkJob(query), NEXMARK_TABLES, engine);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  const names = planned.plan.columns.map(({ name }) => name);
  const texts = names.map((name) => `CAST(${name} AS VARCHAR)`).join(", ");
  const isPlain = planned.plan.kind === "rows";
  // The event that has ended the windows is a row of its own.
  const found = await muara.sql(`SELECT ${texts} FROM ${table}${isPlain ? " WHERE auction <> 0" : ""}`);
  const wanted = await engine.runAndReadAll(
    `SELECT ${texts} FROM (${NEXMARK_REFERENCES[query]}) AS wanted(${names.join(", ")})`,
  );
  const [released, reference] = [found, wanted.getRowsJson()].map((rows) =>
    rows.map((row) => JSON.stringify(row)).toSorted(),
  );
  const known = new Set(reference);
  expect(released!.filter((row) => !known.has(row)).slice(0, 3)).toEqual([]);
  expect(released!.length).toBe(reference!.length);
  expect(isDeepStrictEqual(released, reference)).toBe(true);
  expect(found.length).toBeGreaterThan(20);
});

function run(...args: readonly string[]): ReturnType<typeof runCommand> {
  return runCommand(["job", "export", ...args], { MUARA_URL: muara.url, MUARA_TOKEN: muara.token });
}

test("the command exports a job that runs, and one of a file", { timeout: 120_000 }, async () => {
  const places = ["--source", "kafka://broker:9092", "--sink", "s3://lake/results"];
  const named = await run("nexmark_q5", "--to", "flink", ...places);
  expect(named.code).toBe(0);
  expect(named.out).toContain("FROM TABLE(HOP(TABLE `nexmark.bid`");
  expect(named.out).toContain("WATERMARK FOR `event_time` AS `event_time` - INTERVAL '2' SECOND");
  const fromFile = await run(nexmarkJobPath("q11"), "--to", "spark", ...places);
  expect(fromFile.out).toContain("session_window(`event_time`, '10000 milliseconds')");
  const refused = await run(nexmarkJobPath("q5"), "--to", "spark", ...places);
  expect(refused.code).not.toBe(0);
  expect(refused.err).toMatch(/Line \d+, column \d+: Not exported to Spark/);
  expect((await run("nobody", "--to", "flink", ...places)).err).toContain('There is no job "nobody"');
  expect((await run("nexmark_q5", "--to", "trino", ...places)).err).toContain("flink, spark");
  const wrong = await run(
    "nexmark_q5",
    "--to",
    "flink",
    "--source",
    "kafka://a'b",
    "--sink",
    "s3://lake/out",
  );
  expect(wrong.err).toContain("source");
  await checkRights();
});

/** Who may not administer the output does not know of the job; who may not read the input does not plan one. */
async function checkRights(): Promise<void> {
  const grants = [{ action: "read", kind: "table", name: "other" }];
  const made = await muara.fetch("/v1/tokens", {
    method: "POST",
    body: JSON.stringify({ description: "other", grants }),
  });
  const headers = { authorization: `Bearer ${((await made.json()) as { token: string }).token}` };
  const places = "to=flink&source=kafka://broker:9092&sink=s3://lake/results";
  const named = await muara.fetch(`/v1/jobs/nexmark_q5/export?${places}`, { headers });
  expect(named.status).toBe(404);
  const request = { text: nexmarkJob("q5"), to: "flink", source: "kafka://b:1", sink: "s3://lake/results" };
  const body = JSON.stringify(request);
  const written = await muara.fetch("/v1/jobs/export", { method: "POST", body, headers });
  expect(written.status).toBe(422);
}
