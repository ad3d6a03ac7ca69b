/** Planned jobs that keep rows of two inputs, in the runtime: live, from history, and with their state lost. */
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, test } from "vitest";
import { jobLimitsSchema } from "../../../core/job.ts";
import { sqlAlias } from "../../../core/event-type.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { sqlColumns } from "../../../lake/query/view.ts";
import { difference, drain, LATENESS_MS, startWorld, TABLE, type World } from "./world.ts";

let world: World;
beforeEach(async () => (world = await startWorld()));
afterEach(() => world.close());

const LATENESS = `INTERVAL '${LATENESS_MS} milliseconds'`;
/** Every row of which the answer, a row of another number, is not there in time. */
const ABSENT = `WITH answers AS (SELECT event_id, event_time, watermark, n - 9 AS n FROM "${TABLE}" WHERE n % 3 <> 0)
  SELECT o.event_id, o.n, o.event_time + INTERVAL '12 seconds' AS due FROM "${TABLE}" o LEFT JOIN answers a
    ON o.n = a.n AND a.event_time BETWEEN o.event_time - INTERVAL '1 second' AND o.event_time + INTERVAL '12 seconds'
  WHERE a.event_id IS NULL`;

async function planned(select: string): Promise<JobPlan> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run("SET TimeZone = 'UTC'");
  const { metadata } = await world.at.openTable(TABLE).snapshot();
  const tables = [{ names: [TABLE, sqlAlias(TABLE)], columns: sqlColumns(metadata!.schemaString) }];
  const text = `CREATE JOB planned WITH (lateness = '${LATENESS_MS} milliseconds') AS ${select}
    EMIT ON WINDOW CLOSE INTO lake "out.planned"`;
  const answer = await planJob(text, tables, connection);
  if (answer.kind === "refused") throw new Error(answer.refusal.reason);
  return answer.plan;
}

/** Of the batch what is released by now. @returns how many rows */
async function expectReleased(plan: JobPlan): Promise<number> {
  const output = `out.${plan.name}`;
  const final = `SELECT * FROM (${plan.batch.select}) WHERE due + ${LATENESS} <= getvariable('released')`;
  const { rows, wrong } = await difference(world, output, final, undefined, plan.batch.prepare);
  expect(wrong).toEqual([]);
  return rows;
}

test("an absence comes out when it is certain, and what came too late beside", async () => {
  await world.land(20);
  const plan = await planned(ABSENT);
  expect(plan.kind).toBe("interval");
  const run = await world.open(plan);
  for (let i = 0; i < 10; i++) {
    await drain(run);
    await world.land(30);
  }
  await drain(run);
  expect(await expectReleased(plan)).toBeGreaterThan(100);
  const late = `SELECT event_id FROM "${TABLE}" WHERE watermark >= event_time + INTERVAL '12 seconds' + ${LATENESS}`;
  const told = `(SELECT late_row->>'event_id' AS event_id FROM "out.planned.corrections" WHERE source = '${TABLE}')`;
  const { rows, wrong } = await difference(world, "out.planned.corrections", late, told);
  expect(wrong).toEqual([]);
  expect(rows).toBeGreaterThan(0);
  await run.close();
});

test("history comes out slice by slice, with the state lost between slices, and then live", async () => {
  await world.land(40, 10);
  const plan = await planned(ABSENT);
  const limits = jobLimitsSchema.parse({ step_rows: 150 });
  for (let attempt = 0; attempt < 3; attempt++) {
    const run = await world.open(plan, { limits }, `${world.folder}/${attempt}`);
    await run.step(new AbortController().signal);
    await run.close();
  }
  const run = await world.open(plan, { limits }, `${world.folder}/last`);
  await drain(run);
  await expectReleased(plan);
  await world.land(40, 3);
  await drain(run);
  expect(await expectReleased(plan)).toBeGreaterThan(100);
  await run.close();
});

test("as-of joins and patterns come out as their batch, from history, slice by slice, and then live", async () => {
  await world.land(40, 4);
  const looked = `WITH prices AS (SELECT * FROM "${TABLE}" WHERE n % 7 = 0),
    o AS (SELECT *, n // 50 AS k FROM "${TABLE}"),
    p AS (SELECT *, n // 50 AS k FROM prices)
    SELECT o.event_id, o.event_time AS due, p.n AS price FROM o ASOF LEFT JOIN p
      ON o.k = p.k AND o.event_time >= p.event_time`;
  const inOrder = `WITH e AS (SELECT event_id, event_time, watermark, n // 20 AS k,
      CASE n % 3 WHEN 0 THEN 'placed' WHEN 1 THEN 'paid' ELSE 'sent' END AS kind FROM "${TABLE}")
    SELECT event_id, complete, completed_at, steps, deadline AS due
    FROM SEQUENCE(e, event_time, k, kind, ['placed', 'paid', 'sent'], INTERVAL '10 seconds')`;
  const limits = jobLimitsSchema.parse({ step_rows: 100 });
  for (const [select, kind] of [
    [looked, "asof"],
    [inOrder, "pattern"],
  ] as const) {
    const plan = { ...(await planned(select)), name: kind };
    expect(plan.kind).toBe(kind);
    const run = await world.open(plan, { limits });
    await drain(run);
    await world.land(30, 2);
    await drain(run);
    expect(await expectReleased(plan)).toBeGreaterThan(50);
    await run.close();
  }
});

/** By a time that history cannot be cut by: of rows of one hour some lie far ahead of their event time, some behind. */
const SHIFTED = `to_timestamp(epoch(event_time) + (n % 5 - 2) * 20)`;

for (const [what, source, call] of [
  ["another column", `SELECT *, ${SHIFTED} AS sold_at`, "TUMBLE(s, sold_at, INTERVAL '10 seconds')"],
  [
    "what is called event_time and is another",
    `SELECT event_id, n, watermark, ${SHIFTED} AS event_time`,
    "TUMBLE(s, event_time, INTERVAL '10 seconds')",
  ],
] as const)
  test(`windows by ${what}, over history`, async () => {
    await world.land(40, 10);
    const plan = await planned(`WITH s AS (${source} FROM "${TABLE}")
      SELECT window_start, window_end AS due, count(*) AS sold, min(n) AS least FROM ${call}
      GROUP BY window_start, window_end`);
    expect(plan.goesByEventTime).toBe(false);
    const run = await world.open(plan, { limits: jobLimitsSchema.parse({ step_rows: 50 }) });
    await drain(run);
    await world.land(40, 3);
    await drain(run);
    expect(await expectReleased(plan)).toBeGreaterThan(10);
    await run.close();
  });
