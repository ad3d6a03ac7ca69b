/** Each job of Nexmark, in whatever steps, gives the rows of its reference, which is another text for a batch. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nexmarkJob } from "../../bench/nexmark/job-file.ts";
import { NEXMARK_QUERIES, NEXMARK_REFERENCES, type NexmarkQuery } from "../../bench/nexmark/reference.ts";
import { seededRandomness } from "../../core/clock.ts";
import { planJob } from "../../lake/job/plan-job.ts";
import type { JobPlan } from "../../lake/job/plan.ts";
import { quoteName } from "../../lake/query/quote.ts";
import { openEngine } from "../lake/job/job-engine.ts";
import { temporaryFolder } from "../services/muara.ts";
import { loadNexmark, NEXMARK_TABLES, type NexmarkCommit } from "./tables.ts";

const EVENTS = 20_000;
/** Beyond what landing allows, so that some rows come too late. */
const OPTIONS = { events: EVENTS, eventsPerSecond: 200, disorderMs: 4_000 };
const LANDING = { disorderMs: 2_500, commitEvents: 1_500 };

let engine: DuckDBConnection;
let remove: () => Promise<void>;
const worlds: { readonly seed: number; readonly commits: readonly NexmarkCommit[] }[] = [];

beforeAll(async () => {
  engine = await openEngine();
  const folder = await temporaryFolder("nexmark");
  remove = folder.remove;
  for (const seed of [1, 2]) {
    await engine.run(`CREATE SCHEMA world_${seed}`);
    await engine.run(`USE world_${seed}`);
    const commits = await loadNexmark(engine, folder.path, { ...OPTIONS, seed }, LANDING);
    worlds.push({ seed, commits });
  }
});
afterAll(() => remove());

const bound = (ms: number): string =>
  Number.isFinite(ms) ? `make_timestamptz(${ms * 1_000})` : "TIMESTAMPTZ '-infinity'";

async function count(sql: string): Promise<number> {
  return Number((await engine.runAndReadAll(`SELECT count(*) FROM (${sql})`)).getRows()[0]![0]);
}

/** Leaves what is released in `found`. */
async function stream(plan: JobPlan, commits: readonly NexmarkCommit[], seed: number): Promise<void> {
  const chance = seededRandomness(seed);
  const kinds = plan.inputs.map(({ table }) => table.slice("nexmark.".length) as "bid");
  const load = async (from: number, until: number): Promise<void> => {
    for (const [i, { columns }] of plan.inputs.entries())
      await engine.run(`CREATE OR REPLACE TEMP TABLE new_${i} AS SELECT ${columns.map(quoteName).join(", ")}
        FROM ${kinds[i]!} WHERE commit >= ${from} AND commit < ${until}`);
  };
  await load(0, 0);
  await engine.run(`SET VARIABLE release_to = ${bound(-Infinity)}`);
  for (const { name, like } of plan.state)
    await engine.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  for (const statement of plan.prepare) await engine.run(statement);
  let from = 0;
  let releasedTo = -Infinity;
  for (let until = 1; until <= commits.length + 1; until++) {
    const isLast = until > commits.length;
    if (!isLast && chance.fraction() < 0.4) continue;
    const watermark = Math.min(...kinds.map((kind) => commits[until - 1]?.watermarksMs[kind] ?? Infinity));
    const releaseTo = Math.max(releasedTo, isLast ? Date.UTC(2099, 0, 1) : watermark);
    await load(from, until);
    await engine.run(`SET VARIABLE released_to = ${bound(releasedTo)}`);
    await engine.run(`SET VARIABLE release_to = ${bound(releaseTo)}`);
    for (const statement of plan.absorb) await engine.run(statement);
    await engine.run(
      from === 0
        ? `CREATE OR REPLACE TEMP TABLE found AS ${plan.release}`
        : `INSERT INTO found ${plan.release}`,
    );
    for (const statement of plan.forget) await engine.run(statement);
    [from, releasedTo] = [until, releaseTo];
  }
  for (const { name } of plan.state) expect(await count(`FROM ${name}`)).toBe(0);
}

/** Rows that only one has, by query: with so many rows an error would show. */
const LEAST: Readonly<Record<NexmarkQuery, number>> = {
  q0: 18_000,
  q1: 18_000,
  q2: 50,
  q5: 40,
  q7: 8,
  q8: 20,
  q11: 100,
  q15: 1,
  q18: 1_000,
  q20: 500,
};

test.each(NEXMARK_QUERIES)("%s", async (query) => {
  for (const { seed, commits } of worlds) {
    await engine.run(`USE world_${seed}`);
    const planned = await planJob(nexmarkJob(query), NEXMARK_TABLES, engine);
    if (planned.kind === "refused") throw new Error(JSON.stringify(planned.refusal));
    await stream(planned.plan, commits, seed);
    const reference = NEXMARK_REFERENCES[query];
    expect(await count(reference)).toBeGreaterThanOrEqual(LEAST[query]);
    expect(await count(`(${reference}) EXCEPT ALL FROM found`)).toBe(0);
    expect(await count(`(FROM found) EXCEPT ALL (${reference})`)).toBe(0);
  }
});

test("some rows are too late for a window", async () => {
  expect(await count("FROM bid WHERE seen > event_time")).toBeGreaterThan(100);
});
