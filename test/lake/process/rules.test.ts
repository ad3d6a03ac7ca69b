/** The SELECTs of a process's rules, as batches in plain DuckDB, against a model that goes event by event. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { beforeAll, describe, expect, test } from "vitest";
import { seededRandomness } from "../../../core/clock.ts";
import { windowMacros } from "../../../lake/job/kind/macros.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import { ruleTexts } from "../../../lake/process/rule-text.ts";
import { openEngine } from "../job/job-engine.ts";
import {
  completionModel,
  deadlineModel,
  HOUR_MS,
  makeShop,
  type Outcome,
  SHOP,
  type ShopEvent,
  shopTables,
  stepsOf,
} from "./shop.ts";

const ORDERS = 150;

let engine: DuckDBConnection;
let events: readonly ShopEvent[];
beforeAll(async () => {
  engine = await openEngine();
  events = makeShop(seededRandomness(11), ORDERS);
  for (const statement of shopTables(events)) await engine.run(statement);
  for (const macro of windowMacros(0, "batch")) await engine.run(macro);
});

function selectOf(rule: string): string {
  const { text } = ruleTexts(SHOP).find((one) => one.rule === rule)!;
  return /\nAS\n([\s\S]+)\nEMIT ON WINDOW CLOSE\nINTO lake "process\.shop\.\w+";\n$/.exec(text)![1]!;
}

async function rowsOf(sql: string): Promise<readonly (readonly unknown[])[]> {
  return (await engine.runAndReadAll(sql)).getRowsJson();
}

const inOrder = (rows: readonly (readonly unknown[])[]): readonly string[] =>
  rows.map((row) => JSON.stringify(row)).toSorted();
const shownOutcome = ({ caseId, id, atMs }: Outcome, outcome: string): readonly unknown[] => [
  caseId,
  id,
  outcome,
  String(atMs),
];

const outcomes = (rule: string): Promise<readonly (readonly unknown[])[]> =>
  rowsOf(`SELECT case_id, event_id, outcome, epoch_ms(event_time) FROM (${selectOf(rule)})`);

const ordered = () => stepsOf(events, "ordered");

const shipped = () => stepsOf(events, "shipped");

const parcel = ({ parcel: part }: ShopEvent): string | null => part;

const nameOf = ({ isGood }: Outcome): string => (isGood ? "ALL_SHIPPED" : "THRESHOLD_EXCEEDED");

describe("rules give what the model gives", () => {
  test("a deadline, its breaches alone, and one of an activity by itself", async () => {
    const model = deadlineModel(ordered(), shipped(), 48 * HOUR_MS);
    const [met, breached] = [model.filter(({ isGood }) => isGood), model.filter(({ isGood }) => !isGood)];
    expect(Math.min(met.length, breached.length)).toBeGreaterThan(20);
    const expected = model.map((one) => shownOutcome(one, one.isGood ? "met" : "breached"));
    expect(inOrder(await outcomes("in_time"))).toEqual(inOrder(expected));
    expect(inOrder(await outcomes("never"))).toEqual(
      inOrder(breached.map((one) => shownOutcome(one, "breached"))),
    );
    const again = deadlineModel(ordered(), ordered(), 24 * HOUR_MS, true).filter(({ isGood }) => isGood);
    expect(again.length).toBeGreaterThan(1);
    expect(inOrder(await outcomes("again"))).toEqual(inOrder(again.map((one) => shownOutcome(one, "met"))));
  });

  test("all parts, a list of parts, and so many of one kind", async () => {
    const all = completionModel(ordered(), shipped(), 168 * HOUR_MS, parcel, ({ parcels }) => parcels);
    expect(new Set(all.map(nameOf)).size).toBe(2);
    // More parts than needed: the time is that of the last one that was.
    expect(all.some(({ isGood, got }, i) => isGood && got > (ordered()[i]!.parcels ?? 0))).toBe(true);
    expect(inOrder(await outcomes("all_shipped"))).toEqual(
      inOrder(all.map((one) => shownOutcome(one, nameOf(one)))),
    );
    const listed = completionModel(
      ordered(),
      shipped(),
      72 * HOUR_MS,
      parcel,
      ({ list }) => list!.length,
      ({ list }, part) => list!.includes(part),
    ).filter(({ isGood }) => !isGood);
    expect(inOrder(await outcomes("listed"))).toEqual(
      inOrder(listed.map((one) => shownOutcome(one, "THRESHOLD_EXCEEDED"))),
    );
    const burst = completionModel(
      ordered(),
      ordered(),
      72 * HOUR_MS,
      ({ id }) => id,
      () => 3,
    ).filter(({ isGood }) => isGood);
    expect(inOrder(await outcomes("burst"))).toEqual(inOrder(burst.map((one) => shownOutcome(one, "BURST"))));
  });

  test("velocities count events once, by what a lookup makes of a field", async () => {
    const counts = new Map<string, [number, number]>();
    const regions: Readonly<Record<string, string>> = { DE: "Europe's", AT: "Europe's", US: "America" };
    for (const { timeMs, country, total } of ordered()) {
      const key = JSON.stringify([
        String(timeMs - (timeMs % (2 * HOUR_MS))),
        regions[country ?? ""] ?? "elsewhere",
      ]);
      const [n, sum] = counts.get(key) ?? [0, 0];
      counts.set(key, [n + 1, sum + total]);
    }
    const expected = [...counts].map(([key, [n, sum]]) => [
      ...(JSON.parse(key) as string[]),
      String(n),
      String(sum),
    ]);
    const sql = `SELECT epoch_ms(window_start), region, events, revenue FROM (${selectOf("orders")})`;
    expect(inOrder(await rowsOf(sql))).toEqual(inOrder(expected));
    const windows = new Map<number, number>();
    for (const { timeMs, kind, isShipped, orders } of events) {
      if (kind !== "parcel" || !isShipped || orders.every((order) => order === null)) continue;
      const last = timeMs - (timeMs % (3 * HOUR_MS));
      for (const start of [last, last - 3 * HOUR_MS]) windows.set(start, (windows.get(start) ?? 0) + 1);
    }
    const some = [...windows].filter(([, n]) => n >= 2).map(([start, n]) => [String(start), String(n)]);
    expect(
      inOrder(await rowsOf(`SELECT epoch_ms(window_start), events FROM (${selectOf("parcels")})`)),
    ).toEqual(inOrder(some));
  });
});

const columns = async (table: string): Promise<{ name: string; type: string }[]> =>
  (await rowsOf(`SELECT column_name, column_type FROM (DESCRIBE "${table}")`)).map(([name, type]) => ({
    name: String(name),
    type: String(type),
  }));

test("the planner takes every rule", async () => {
  const tables = await Promise.all(
    ["shop.order", "shop.parcel"].map(async (name) => ({
      names: [name, name.replace(".", "_")],
      columns: await columns(name),
    })),
  );
  const planner = await openEngine();
  for (const { text, kind } of ruleTexts(SHOP)) {
    const planned = await planJob(text, tables, planner);
    expect(planned.kind === "refused" ? planned.refusal : planned.plan.kind).toBe(
      kind === "velocity" ? "windows" : "interval",
    );
  }
});
