/** What is told of single cases, and of all together, in plain DuckDB, against a model that goes event by event. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { beforeAll, expect, test } from "vitest";
import { seededRandomness } from "../../../core/clock.ts";
import { caseEvents, completionStates, deadlineStates } from "../../../lake/process/case-text.ts";
import { funnel } from "../../../lake/process/funnel-text.ts";
import { openEngine } from "../job/job-engine.ts";
import { HOUR_MS, landed, makeShop, SHOP, type ShopEvent, shopTables, START_MS, stepsOf } from "./shop.ts";

const ORDERS = 120;
const LATENESS_MS = HOUR_MS;

let engine: DuckDBConnection;
let events: readonly ShopEvent[];
let cases: readonly string[];
beforeAll(async () => {
  engine = await openEngine();
  events = landed(seededRandomness(5), makeShop(seededRandomness(4), ORDERS));
  for (const statement of shopTables(events)) await engine.run(statement);
  cases = [
    ...new Set([...stepsOf(events, "ordered"), ...stepsOf(events, "shipped")].map(({ caseId }) => caseId)),
  ];
});

async function rowsOf(sql: string): Promise<readonly (readonly unknown[])[]> {
  return (await engine.runAndReadAll(sql)).getRowsJson();
}
const ms = (value: unknown): number | null =>
  value === null ? null : Date.parse((value as string).replace(" ", "T").replace(/\+00$/, "Z"));
const least = (times: readonly number[]): number | null => (times.length > 0 ? Math.min(...times) : null);

test("the events of a case, each once per activity, with its other cases", async () => {
  let shared = 0;
  for (const caseId of cases) {
    const expected = events
      .filter(({ orders }) => orders.some((order) => String(order) === caseId))
      .filter(({ kind, isShipped }) => kind === "order" || isShipped)
      .map(({ id, orders, timeMs, watermarkMs }) => {
        const all = [...new Set(orders)].filter((order) => order !== null).map(String);
        shared += all.length > 1 ? 1 : 0;
        return JSON.stringify([id, all.toSorted(), watermarkMs !== null && timeMs < watermarkMs]);
      });
    const rows = await rowsOf(caseEvents(SHOP, caseId));
    const found = rows.map((row) => [row[2], (JSON.parse(String(row[9])) as string[]).toSorted(), row[6]]);
    expect(found.map((row) => JSON.stringify(row)).toSorted()).toEqual(expected.toSorted());
    const times = rows.map((row) => ms(row[3])!);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  }
  expect(shared).toBeGreaterThan(20);
});

test("how the deadlines of a case stand", async () => {
  const { in_time: rule } = SHOP.deadlines;
  const seen = { met: 0, missed: 0, late: 0, uncounted: 0 };
  for (const caseId of cases) {
    const expected = stepsOf(events, "ordered")
      .filter((step) => step.caseId === caseId)
      .map(({ id, timeMs, watermarkMs }) => {
        const dueMs = timeMs + 48 * HOUR_MS;
        const finalMs = dueMs + LATENESS_MS;
        const after = stepsOf(events, "shipped").filter(
          (step) => step.caseId === caseId && step.timeMs >= timeMs,
        );
        const counts = (step: ShopEvent): boolean =>
          step.timeMs <= dueMs && (step.watermarkMs ?? -Infinity) < finalMs;
        const at = least(after.filter(counts).map((step) => step.timeMs));
        const other = least(after.filter((step) => !counts(step)).map((step) => step.timeMs));
        const isCounted = (watermarkMs ?? -Infinity) < finalMs;
        seen.met += at === null ? 0 : 1;
        seen.missed += at === null && other === null ? 1 : 0;
        seen.late += at === null && other !== null && other <= dueMs ? 1 : 0;
        seen.uncounted += isCounted ? 0 : 1;
        return JSON.stringify([id, timeMs, dueMs, finalMs, isCounted, at, other]);
      });
    const rows = await rowsOf(deadlineStates(SHOP, rule!, caseId));
    const found = rows.map((row) => [
      row[0],
      ms(row[1]),
      ms(row[2]),
      Number(row[3]),
      row[4],
      ms(row[5]),
      ms(row[6]),
    ]);
    expect(found.map((row) => JSON.stringify(row)).toSorted()).toEqual(expected.toSorted());
  }
  for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(2);
});

const number = (value: unknown): number | null => (value === null ? null : Number(value));

test("how the completions of a case stand", async () => {
  const { all_shipped: rule } = SHOP.completions;
  const seen = { complete: 0, not: 0, late: 0 };
  for (const caseId of cases) {
    const expected = stepsOf(events, "ordered")
      .filter((step) => step.caseId === caseId)
      .map(({ id, timeMs, parcels: needed }) => {
        const dueMs = timeMs + 168 * HOUR_MS;
        const [inTime, ever] = [new Map<string, number>(), new Map<string, number>()];
        for (const step of stepsOf(events, "shipped")) {
          if (step.caseId !== caseId || step.timeMs < timeMs || step.parcel === null) continue;
          ever.set(step.parcel, Math.min(ever.get(step.parcel) ?? Infinity, step.timeMs));
          if (step.timeMs > dueMs || (step.watermarkMs ?? -Infinity) >= dueMs + LATENESS_MS) continue;
          inTime.set(step.parcel, Math.min(inTime.get(step.parcel) ?? Infinity, step.timeMs));
        }
        const nth = (times: ReadonlyMap<string, number>): number | null =>
          needed === null ? null : ([...times.values()].toSorted((a, b) => a - b)[needed - 1] ?? null);
        const at = needed === 0 ? timeMs : nth(inTime);
        seen.complete += at === null ? 0 : 1;
        seen.not += at === null ? 1 : 0;
        seen.late += at === null && nth(ever) !== null ? 1 : 0;
        return JSON.stringify([id, at, nth(ever), inTime.size, ever.size - inTime.size, needed]);
      });
    const rows = await rowsOf(completionStates(SHOP, rule!, caseId));
    const found = rows.map((row) => [
      row[0],
      ms(row[5]),
      ms(row[6]),
      Number(row[7]),
      Number(row[8]),
      number(row[9]),
    ]);
    expect(found.map((row) => JSON.stringify(row)).toSorted()).toEqual(expected.toSorted());
  }
  for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(2);
});

const quantile = (values: readonly number[], q: number): number | null => {
  if (values.length === 0) return null;
  const ordered = values.toSorted((a, b) => a - b);
  const at = q * (ordered.length - 1);
  const [low, high] = [ordered[Math.floor(at)]!, ordered[Math.ceil(at)]!];
  return Math.round(low + (high - low) * (at - Math.floor(at)));
};

const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString();

test.each([
  [undefined, undefined],
  [START_MS + 60 * HOUR_MS, START_MS + 120 * HOUR_MS],
])("the funnel of cases that began from %s to %s", async (since, until) => {
  const firsts = (["ordered", "shipped"] as const).map((name) => {
    const all = new Map<string, number[]>();
    for (const { caseId, timeMs } of stepsOf(events, name))
      all.set(caseId, [...(all.get(caseId) ?? []), timeMs]);
    return all;
  });
  const isChosen = (caseId: string): boolean => {
    const begun = Math.min(...firsts.flatMap((all) => all.get(caseId) ?? []));
    return begun >= (since ?? -Infinity) && begun < (until ?? Infinity);
  };
  const expected = firsts.map((all, step) => {
    const chosen = [...all].filter(([caseId]) => isChosen(caseId));
    const took = chosen.flatMap(([caseId, times]) => {
      const before = step === 0 ? undefined : firsts[step - 1]!.get(caseId);
      const tookMs = before ? Math.min(...times) - Math.min(...before) : -1;
      return tookMs >= 0 ? [tookMs] : [];
    });
    const count = chosen.reduce((sum, [, times]) => sum + times.length, 0);
    return [step, chosen.length, count, took.length, quantile(took, 0.5), quantile(took, 0.9)];
  });
  const rows = await rowsOf(funnel(SHOP, iso(since), iso(until)));
  expect(rows.map((row) => row.map((value) => (value === null ? null : Number(value))))).toEqual(expected);
});
