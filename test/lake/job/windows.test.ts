/** The macros against a model that shares no line with them. */
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { DuckDBConnection } from "@duckdb/node-api";
import { windowMacros } from "../../../lake/job/kind/macros.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import { JobEngine, loadLake, openEngine, rowsOf } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { land, TABLES, worlds, type World } from "./job-world.ts";
import { dedupModel, hopModel, sessionModel, type InWindow } from "./window-model.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await openEngine();
});

const latenessMs = fc.constantFrom(0, 10_000, 95_000);
const runs = { numRuns: 25, seed: 7 };

async function inWindows(world: World, lateMs: number, call: string): Promise<readonly string[]> {
  await loadLake(world, connection);
  for (const macro of windowMacros(lateMs, "batch")) await connection.run(macro);
  const times = "epoch_ms(window_start)::VARCHAR, epoch_ms(window_end)::VARCHAR";
  return rowsOf(connection, `SELECT event_id, ${times} FROM ${call}`);
}

const shown = (rows: readonly InWindow[]): readonly string[] =>
  rows.map(({ row, startMs, endMs }) => JSON.stringify([row.id, String(startMs), String(endMs)])).toSorted();

const orders = (world: World): ReturnType<typeof land>["rows"] =>
  land(world).rows.filter(({ table }) => table === 0);

describe("windows of a batch are the model's", () => {
  it("of TUMBLE", async () => {
    const size = fc.constantFrom(1_000, 10_000, 60_000, 420_000, 3_600_000, 7 * 86_400_000);
    await fc.assert(
      fc.asyncProperty(worlds, latenessMs, size, async (world, lateMs, sizeMs) => {
        const call = `tumble(shop_order, event_time, INTERVAL '${sizeMs} milliseconds')`;
        const { admitted } = hopModel(orders(world), sizeMs, sizeMs, lateMs);
        expect(await inWindows(world, lateMs, call)).toEqual(shown(admitted));
      }),
      runs,
    );
  });

  it("of HOP, also where the size is no multiple of the step", async () => {
    const step = fc.constantFrom(10_000, 20_000, 60_000);
    await fc.assert(
      fc.asyncProperty(
        worlds,
        latenessMs,
        step,
        fc.integer({ min: 0, max: 20 }),
        async (world, lateMs, stepMs, more) => {
          const sizeMs = stepMs + more * 7_000;
          const spans = [stepMs, sizeMs].map((ms) => `INTERVAL '${ms} milliseconds'`).join(", ");
          const call = `hop(shop_order, event_time, ${spans})`;
          const { admitted } = hopModel(orders(world), stepMs, sizeMs, lateMs);
          expect(await inWindows(world, lateMs, call)).toEqual(shown(admitted));
        },
      ),
      runs,
    );
  });

  it("of SESSION, by a key and without one", async () => {
    const gap = fc.constantFrom(10_000, 30_000, 120_000);
    await fc.assert(
      fc.asyncProperty(worlds, latenessMs, gap, fc.boolean(), async (world, lateMs, gapMs, hasKey) => {
        const call = `session(shop_order, event_time, INTERVAL '${gapMs} milliseconds'${hasKey ? ", k" : ""})`;
        const model = sessionModel(orders(world), gapMs, lateMs, ({ k }) => (hasKey ? String(k) : ""));
        expect(await inWindows(world, lateMs, call)).toEqual(shown(model));
      }),
      runs,
    );
  });
});

it("DEDUP gives the first row of a key within the horizon", async () => {
  const horizon = fc.constantFrom(10_000, 30_000, 120_000, 1_200_000);
  let all = 0;
  await fc.assert(
    fc.asyncProperty(worlds, latenessMs, horizon, fc.boolean(), async (world, lateMs, horizonMs, isByTwo) => {
      await loadLake(world, connection);
      for (const macro of windowMacros(lateMs, "batch")) await connection.run(macro);
      const keys = isByTwo ? "k, n" : "k";
      const call = `dedup(shop_order, event_time, INTERVAL '${horizonMs} milliseconds', ${keys})`;
      const keyOf = ({ k, n }: { k: string | null; n: number | null }): string =>
        JSON.stringify(isByTwo ? [k, n] : [k]);
      const model = dedupModel(orders(world), horizonMs, lateMs, keyOf);
      const found = await rowsOf(connection, `SELECT event_id FROM ${call}`);
      expect(found).toEqual(model.map(({ id }) => JSON.stringify([id])).toSorted());
      all += found.length;
    }),
    runs,
  );
  expect(all).toBeGreaterThan(75);
});

it("tells of every row that was not admitted, by window, once", async () => {
  const text = jobText(
    `SELECT event_id, window_end FROM HOP("shop.order", event_time, INTERVAL '1 minute', INTERVAL '3 minutes')`,
  );
  const planned = await planJob(text, TABLES, connection);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  const own = await openEngine();
  let told = 0;
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      const steady = { ...world, history: 0 };
      const { corrections } = await new JobEngine(planned.plan, steady, own).live();
      const { late } = hopModel(orders(world), 60_000, 180_000, 0);
      const seen = corrections.map((row) => {
        const [source, start, end, lateRow] = JSON.parse(row) as [string, string, string, string];
        const { event_id: id } = JSON.parse(lateRow) as { event_id: string };
        return JSON.stringify([source, id, Date.parse(start), Date.parse(end)]);
      });
      const model = late.map(({ row, startMs, endMs }) =>
        JSON.stringify(["shop.order", row.id, startMs, endMs]),
      );
      expect(seen.toSorted()).toEqual(model.toSorted());
      told += corrections.length;
    }),
    runs,
  );
  expect(told).toBeGreaterThan(50);
});

it("releases nothing before there is a watermark, and all of it at the end", async () => {
  const own = await openEngine();
  const calls = [
    "TUMBLE(shop_order, event_time, INTERVAL '1 hour')",
    "HOP(shop_order, event_time, INTERVAL '1 hour', INTERVAL '1 hour')",
    "SESSION(shop_order, event_time, INTERVAL '1 hour')",
  ];
  for (const call of calls) {
    const planned = await planJob(jobText(`SELECT event_id, window_end FROM ${call}`), TABLES, own);
    if (planned.kind === "refused") throw new Error(planned.refusal.reason);
    const { absorb, release } = planned.plan;
    await own.run("INSERT INTO new_0 (event_id, event_time) VALUES ('a', '2026-01-01 00:30:00Z')");
    for (const statement of absorb) await own.run(statement);
    await own.run("SET VARIABLE release_to = TIMESTAMPTZ '-infinity'");
    expect(await rowsOf(own, release)).toEqual([]);
    await own.run("SET VARIABLE release_to = TIMESTAMPTZ 'infinity'");
    expect(await rowsOf(own, release)).toHaveLength(1);
  }
});

it("gives windows that are not final as a preview, and then as they are", async () => {
  const own = await openEngine();
  const text = jobText(
    "SELECT k, window_end, count(*) AS c FROM TUMBLE(shop_order, event_time, INTERVAL '1 hour') GROUP BY ALL",
  );
  const planned = await planJob(text, TABLES, own);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  const { plan } = planned;
  for (const { name, like } of plan.state) await own.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  await own.run(
    `INSERT INTO new_0 (event_time, k) VALUES ('2026-01-01 00:30:00Z', 'a'), ('2026-01-01 01:30:00Z', 'a')`,
  );
  await own.run("SET VARIABLE release_to = TIMESTAMPTZ '2026-01-01 01:00:00Z'");
  for (const statement of plan.absorb) await own.run(statement);
  expect(await rowsOf(own, plan.release)).toEqual(['["a","2026-01-01 01:00:00+00","1"]']);
  for (const statement of plan.forget) await own.run(statement);
  expect(await rowsOf(own, plan.preview!)).toEqual(['["a","2026-01-01 02:00:00+00","1"]']);
});
