/** As-of joins against their model in plain TypeScript, and what they keep. */
import type { DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { planJob } from "../../../lake/job/plan-job.ts";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { JobEngine, openEngine, rowsOf } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { land, TABLES, worlds, type LandedRow } from "./job-world.ts";

const runs = { numRuns: 40, seed: 5 };

let planning: DuckDBConnection;
let running: DuckDBConnection;
beforeAll(async () => {
  planning = await openEngine();
  running = await openEngine();
});

async function planned(select: string, lateness: string): Promise<JobPlan> {
  const answer = await planJob(jobText(select, lateness), TABLES, planning);
  if (answer.kind === "refused") throw new Error(answer.refusal.reason);
  return answer.plan;
}

const comesBefore = (row: LandedRow, ms: number): boolean => row.watermarkMs === null || row.watermarkMs < ms;

/** From docs/JOBS.md alone. */
function newestOf(
  row: LandedRow,
  right: readonly LandedRow[],
  isStrict: boolean,
  latenessMs: number,
): LandedRow | null {
  const found = right
    .filter(({ k }) => k !== null && k === row.k)
    .filter(({ timeMs }) => (isStrict ? timeMs < row.timeMs : timeMs <= row.timeMs))
    .filter((one) => comesBefore(one, row.timeMs + latenessMs));
  return found.toSorted((a, b) => b.timeMs - a.timeMs || b.offset - a.offset)[0] ?? null;
}

it("gives each left row the newest right row as of its time that had come, and tells of late ones", async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      worlds,
      fc.boolean(),
      fc.constantFrom(0, 60_000),
      async (world, isStrict, latenessMs) => {
        const plan = await planned(
          `SELECT o.event_id, s.event_id AS newest FROM shop_order o
        ASOF LEFT JOIN shop_shipment s ON o.k = s.k AND o.event_time ${isStrict ? ">" : ">="} s.event_time`,
          `${latenessMs} milliseconds`,
        );
        const { released, corrections } = await new JobEngine(plan, { ...world, history: 0 }, running).live();
        const { rows } = land(world);
        const [left, right] = [0, 1].map((table) => rows.filter((row) => row.table === table));
        const model = left!
          .filter((row) => comesBefore(row, row.timeMs + latenessMs))
          .map((row) => JSON.stringify([row.id, newestOf(row, right!, isStrict, latenessMs)?.id ?? null]));
        expect(released).toEqual(model.toSorted());
        const late = [...left!, ...right!].filter((row) => !comesBefore(row, row.timeMs + latenessMs));
        const told = corrections.map((row) => {
          const [source, start, end, lateRow] = JSON.parse(row) as [string, string, string, string];
          const { event_id: id } = JSON.parse(lateRow) as { event_id: string };
          return JSON.stringify([source, id, Date.parse(start), Date.parse(end)]);
        });
        const modelTold = late.map(({ id, table, timeMs, watermarkMs }) => {
          const end = table === 0 ? timeMs : watermarkMs! - latenessMs;
          return JSON.stringify([table === 0 ? "shop_order" : "shop_shipment", id, timeMs, end]);
        });
        expect(told.toSorted()).toEqual(modelTold.toSorted());
        found += model.filter((row) => !row.endsWith("null]")).length;
      },
    ),
    runs,
  );
  expect(found).toBeGreaterThan(60);
});

it("keeps of each key the newest row for good, and what is newer than the watermark", async () => {
  const own = await openEngine();
  const answer = await planJob(
    jobText(
      `SELECT o.event_id, s.event_id AS newest FROM shop_order o
        ASOF JOIN shop_shipment s ON o.k = s.k AND o.event_time >= s.event_time`,
      "1 minute",
    ),
    TABLES,
    own,
  );
  if (answer.kind === "refused") throw new Error(answer.refusal.reason);
  const { plan } = answer;
  expect(plan.kind).toBe("asof");
  for (const { name, like } of plan.state) await own.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  const step = async (to: string): Promise<readonly string[]> => {
    await own.run(`SET VARIABLE release_to = TIMESTAMPTZ '2026-01-01 ${to}Z'`);
    for (const statement of plan.absorb) await own.run(statement);
    const rows = await rowsOf(own, plan.release);
    for (const statement of plan.forget) await own.run(statement);
    for (const table of ["new_0", "new_1"]) await own.run(`DELETE FROM ${table}`);
    await own.run("SET VARIABLE released_to = getvariable('release_to')");
    return rows;
  };
  const kept = (): Promise<readonly string[]> => rowsOf(own, "SELECT event_id FROM kept_1");
  const right = (id: string, time: string, offset: number): Promise<unknown> =>
    own.run(
      `INSERT INTO new_1 (event_id, event_time, k, log_partition, log_offset)
      VALUES ('${id}', '2026-01-01 ${time}Z', 'x', 0, ${offset})`,
    );
  await right("a", "09:00:00", 1);
  await right("c", "10:00:00", 3);
  await right("b", "10:00:00", 2);
  await right("d", "11:00:00", 4);
  await own.run("INSERT INTO new_0 (event_id, event_time, k) VALUES ('o', '2026-01-01 10:30:00Z', 'x')");
  expect(await step("10:00:59")).toEqual([]);
  expect(await kept()).toEqual(['["a"]', '["c"]', '["d"]']);
  expect(await rowsOf(own, plan.preview!)).toEqual(['["o","c"]']);
  // The next left row can be of 10:00:00 and a microsecond: a is never the newest again.
  await step("10:01:00");
  expect(await kept()).toEqual(['["c"]', '["d"]']);
  expect(await step("10:31:00")).toEqual(['["o","c"]']);
  await step("23:00:00");
  expect(await kept()).toEqual(['["d"]']);
});
