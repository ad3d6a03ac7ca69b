/** Interval joins against their model in plain TypeScript: what is joined, what is absent, what was too late. */
import type { DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { planJob } from "../../../lake/job/plan-job.ts";
import { intervalModel, type IntervalSpan, type LateRow } from "./interval-model.ts";
import { JobEngine, openEngine, rowsOf, type JobOutcome } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { land, TABLES, worlds, type LandedRow, type World } from "./job-world.ts";

const runs = { numRuns: 40, seed: 11 };

let planning: DuckDBConnection;
let running: DuckDBConnection;
beforeAll(async () => {
  planning = await openEngine();
  running = await openEngine();
});

async function live(select: string, latenessMs: number, world: World): Promise<JobOutcome> {
  const planned = await planJob(jobText(select, `${latenessMs} milliseconds`), TABLES, planning);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  return new JobEngine(planned.plan, world, running).live();
}

const spans = fc.record<IntervalSpan>({
  lowMs: fc.constantFrom(-120_000, -10_000, 0, 10_000),
  highMs: fc.constantFrom(-10_000, 0, 10_000, 300_000),
  latenessMs: fc.constantFrom(0, 60_000),
});
const possible = spans.filter(({ lowMs, highMs }) => lowMs <= highMs);

const bounds = ({ lowMs, highMs }: IntervalSpan): string =>
  `s.event_time BETWEEN o.event_time + INTERVAL '${lowMs} milliseconds'
    AND o.event_time + INTERVAL '${highMs} milliseconds'`;

function tablesOf(world: World): readonly (readonly LandedRow[])[] {
  const { rows } = land(world);
  return [0, 1].map((table) => rows.filter((row) => row.table === table));
}

it("gives each left row once, with all that counts for it", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, possible, async (world, span) => {
      const { released } = await live(
        `SELECT o.event_id, array_agg(s.event_id ORDER BY s.event_id) FILTER (s.event_id IS NOT NULL) AS parts,
          count(s.event_id) AS c FROM shop_order o LEFT JOIN shop_shipment s ON o.k = s.k AND ${bounds(span)}
        GROUP BY o.event_id`,
        span.latenessMs,
        world,
      );
      const { joined } = intervalModel(tablesOf(world)[0]!, tablesOf(world)[1]!, span);
      const model = joined.map(({ row, parts }) =>
        JSON.stringify([
          row.id,
          parts.length === 0 ? null : parts.map(({ id }) => id).toSorted(),
          String(parts.length),
        ]),
      );
      expect(released).toEqual(model.toSorted());
    }),
    runs,
  );
});

it("gives absence alone by LEFT JOIN … IS NULL, ANTI JOIN, and the rest by SEMI JOIN", async () => {
  let absent = 0;
  await fc.assert(
    fc.asyncProperty(worlds, possible, async (world, span) => {
      const { joined } = intervalModel(tablesOf(world)[0]!, tablesOf(world)[1]!, span);
      const [without, having] = [true, false].map((isAbsent) =>
        joined
          .filter(({ parts }) => (parts.length === 0) === isAbsent)
          .map(({ row }) => JSON.stringify([row.id]))
          .toSorted(),
      );
      const run = async (join: string, where = ""): Promise<readonly string[]> => {
        const select = `SELECT o.event_id FROM shop_order AS o ${join} JOIN shop_shipment s
          ON o.k = s.k AND ${bounds(span)}${where}`;
        return (await live(select, span.latenessMs, world)).released;
      };
      expect(await run("LEFT", " WHERE s.event_id IS NULL")).toEqual(without);
      expect(await run("ANTI")).toEqual(without);
      expect(await run("SEMI")).toEqual(having);
      absent += without!.length;
    }),
    { ...runs, numRuns: 15 },
  );
  expect(absent).toBeGreaterThan(20);
});

it("tells of left rows that came too late, and of right rows with the left times they missed", async () => {
  const told = { left: 0, right: 0 };
  await fc.assert(
    fc.asyncProperty(worlds, possible, async (generated, span) => {
      const world = { ...generated, history: 0 };
      const select = `SELECT o.event_id FROM shop_order o ANTI JOIN shop_shipment s ON o.k = s.k AND ${bounds(span)}
        AND s.event_id IS NOT NULL`;
      const { corrections } = await live(select, span.latenessMs, world);
      const { late } = intervalModel(tablesOf(world)[0]!, tablesOf(world)[1]!, span);
      const seen = corrections.map((row) => {
        const [source, start, end, lateRow] = JSON.parse(row) as [string, string, string, string];
        const { event_id: id } = JSON.parse(lateRow) as { event_id: string };
        return JSON.stringify([source, id, Date.parse(start), Date.parse(end)]);
      });
      const source = { left: "shop_order", right: "shop_shipment" };
      const model = late.map(({ side, row, startMs, endMs }: LateRow) => {
        told[side] += 1;
        return JSON.stringify([source[side], row.id, startMs, endMs]);
      });
      expect(seen.toSorted()).toEqual(model.toSorted());
    }),
    runs,
  );
  expect(told.left).toBeGreaterThan(50);
  expect(told.right).toBeGreaterThan(50);
});

it("waits for the upper bound and the lateness to the microsecond, and keeps no more than is needed", async () => {
  const own = await openEngine();
  const text = jobText(
    `SELECT o.event_id, s.event_id AS part FROM shop_order o LEFT JOIN shop_shipment s
      ON o.k = s.k AND s.event_time BETWEEN o.event_time - INTERVAL '1 hour' AND o.event_time + INTERVAL '2 hours'`,
    "5 minutes",
  );
  const planned = await planJob(text, TABLES, own);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  const { plan } = planned;
  expect(plan).toMatchObject({
    kind: "interval",
    inputs: [{ table: "shop.order" }, { table: "shop.shipment" }],
  });
  for (const { name, like } of plan.state) await own.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  const step = async (from: string, to: string): Promise<readonly string[]> => {
    await own.run(`SET VARIABLE released_to = TIMESTAMPTZ '${from}'`);
    await own.run(`SET VARIABLE release_to = TIMESTAMPTZ '${to}'`);
    for (const statement of plan.absorb) await own.run(statement);
    const rows = await rowsOf(own, plan.release);
    for (const statement of plan.forget) await own.run(statement);
    for (const table of ["new_0", "new_1"]) await own.run(`DELETE FROM ${table}`);
    return rows;
  };
  const kept = async (): Promise<readonly number[]> =>
    Promise.all(plan.state.map(async ({ name }) => (await rowsOf(own, `FROM ${name}`)).length));
  await own.run("INSERT INTO new_0 (event_id, event_time, k) VALUES ('a', '2026-01-01 10:00:00Z', 'x')");
  await own.run("INSERT INTO new_1 (event_id, event_time, k) VALUES ('s', '2026-01-01 12:00:00Z', 'x')");
  expect(await step("-infinity", "2026-01-01 12:04:59.999999Z")).toEqual([]);
  expect(await rowsOf(own, plan.preview!)).toEqual(['["a","s"]']);
  expect(await step("2026-01-01 12:04:59.999999Z", "2026-01-01 12:05:00Z")).toEqual(['["a","s"]']);
  // The right row counts for left rows of up to 13:00, which are released at 15:05.
  expect(await kept()).toEqual([0, 1]);
  await step("2026-01-01 12:05:00Z", "2026-01-01 15:04:59.999999Z");
  expect(await kept()).toEqual([0, 1]);
  await step("2026-01-01 15:04:59.999999Z", "2026-01-01 15:05:00Z");
  expect(await kept()).toEqual([0, 0]);
});
