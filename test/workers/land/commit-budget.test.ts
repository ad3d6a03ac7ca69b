import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { seededRandomness } from "../../../core/clock.ts";
import type { TableLog } from "../../../core/ports/table-log.ts";
import { packRecords } from "../../../core/record.ts";
import { Registry } from "../../../core/registry.ts";
import { createCommitBudget, paceOf } from "../../../workers/land/commit-budget.ts";
import { createProjector } from "../../../workers/land/projector.ts";
import { createLandWorker, type LandWorker } from "../../../workers/land/worker.ts";
import { counter, DAY_MS, event, eventType, install, OPTIONS } from "./setup.ts";
import { VirtualClock } from "./virtual-clock.ts";

const MIB = 1_048_576;
const LIMITS = { commitMs: 500, commitMsMax: 10_000, commitsPerSecond: 100 };

test("the interval is the shortest at which what the tables want fits", () => {
  const gaps = fc.array(
    fc.oneof(fc.constant(0), fc.nat(60_000), fc.constant(Infinity), fc.integer({ min: 0, max: 900 })),
    { maxLength: 400 },
  );
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 200 }), (gapsMs, allowed) => {
      const { intervalMs, wantedPerSecond } = paceOf(gapsMs, allowed, LIMITS);
      // Each table commits at most once an interval, and at most once a gap.
      const rateAt = (ms: number): number =>
        gapsMs.map((gapMs) => 1_000 / Math.max(ms, gapMs)).reduce((sum, rate) => sum + rate, 0);
      expect(wantedPerSecond).toBeCloseTo(rateAt(500));
      expect(intervalMs).toBeGreaterThanOrEqual(500);
      expect(intervalMs).toBeLessThanOrEqual(10_000);
      expect(intervalMs === 10_000 || rateAt(intervalMs) <= allowed * 1.000_001).toBe(true);
      expect(intervalMs === 500 || rateAt(intervalMs - 2) > allowed).toBe(true);
    }),
  );
});

test("never more commits in any span than the budget and one interval's worth, and none is wasted", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 300 }), fc.integer({ min: 1, max: 300 }), (waits, rate) => {
      const clock = new VirtualClock();
      const budget = createCommitBudget(clock, { ...LIMITS, commitsPerSecond: rate });
      const capacity = Math.max(1, rate / 2);
      const times: number[] = [];
      for (const wait of waits) {
        clock.ms += wait;
        while (budget.waitMs() === 0) {
          budget.spend(1);
          times.push(clock.ms);
        }
        const waitMs = budget.waitMs();
        clock.ms += waitMs + 1e-6;
        expect(budget.waitMs()).toBe(0); // it says exactly how long
        clock.ms -= waitMs + 1e-6;
      }
      for (let from = 0; from < times.length; from++)
        for (const to of [from, Math.min(times.length - 1, from + 7), times.length - 1]) {
          const spanS = (times[to]! - times[from]!) / 1_000;
          expect(to - from + 1).toBeLessThanOrEqual(capacity + spanS * rate + 1e-3);
        }
    }),
  );
});

interface Load {
  readonly count: number;
  readonly everyMs: number;
}

interface Outcome {
  /** [commit] virtual ms, of all tables and projections, made after everything was opened. */
  readonly commitsMs: readonly number[];
  /** [load] the longest that an event waited, ms. */
  readonly waitedMs: readonly number[];
  /** [load] the longest between two commits of a table, ms. */
  readonly apartMs: readonly number[];
  readonly worker: LandWorker;
  readonly landed: number;
}

/** Some tables for each load, for a while of virtual time, landing and projecting; then until all is landed. */
async function run(loads: readonly Load[], seconds: number): Promise<Outcome> {
  const at = await install();
  const clock = new VirtualClock();
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const registry = await Registry.open(log, "test", clock);
  const tables = loads.flatMap(({ count, everyMs }, load) =>
    Array.from({ length: count }, (_, i) => ({
      name: `t${load}.n${i}`,
      load,
      everyMs,
      sent: [] as number[],
      landed: 0,
      lastMs: Number.NaN,
    })),
  );
  const byName = new Map(tables.map((table) => [table.name, table]));
  const commitsMs: number[] = [];
  const waitedMs = loads.map(() => 0);
  const apartMs = loads.map(() => 0);
  const created = new Set<string>();
  let isMeasured = false;
  const openTable = (name: string): TableLog => {
    const opened = at.openTable(name);
    return {
      ...opened,
      read: (version) => opened.read(version),
      snapshot: (wanted) => opened.snapshot(wanted),
      commit: async (attempt) => {
        const outcome = await opened.commit(attempt);
        if (isMeasured) commitsMs.push(clock.ms);
        const table = byName.get(name);
        const cursor = attempt.change.txns.find(({ appId }) => /^muara:land:[^:]+:[^:]+:0$/.test(appId));
        if (!table) return outcome;
        created.add(name);
        if (!cursor) return outcome;
        const oldest = table.sent[table.landed];
        table.landed = Number(cursor.version);
        if (oldest !== undefined) waitedMs[table.load] = Math.max(waitedMs[table.load]!, clock.ms - oldest);
        if (table.lastMs >= 0) apartMs[table.load] = Math.max(apartMs[table.load]!, clock.ms - table.lastMs);
        table.lastMs = clock.ms;
        return outcome;
      },
    };
  };
  for (const { name } of tables) {
    const type = eventType({ name });
    await registry.put("event-type", name, 0, type);
    await log.createStream(name, { partitions: 1, cleanup: "delete", retentionMs: DAY_MS });
  }
  const budget = createCommitBudget(clock, LIMITS);
  const ports = { ...at.ports, clock, log, registry, openTable, budget };
  const worker = createLandWorker(ports, { ...OPTIONS, ...LIMITS });
  const projector = createProjector(ports);
  const stop = new AbortController();
  const background = [worker.run(stop.signal), projector.run(1_000, stop.signal)];
  while (created.size < tables.length) await clock.runUntil(clock.ms + 1_000);
  await clock.runUntil(clock.ms + 3_000);
  isMeasured = true;
  const startMs = clock.ms;
  const random = seededRandomness(7);
  const nextMs = tables.map(({ everyMs }) => startMs + random.fraction() * everyMs);
  for (let ms = startMs; ms < startMs + seconds * 1_000; ms += 10) {
    await clock.runUntil(ms);
    for (const [i, table] of tables.entries()) {
      if (nextMs[i]! > ms) continue;
      nextMs[i]! += table.everyMs;
      const payload = new TextEncoder().encode(event(table.sent.length));
      table.sent.push(ms);
      await log.append(table.name, 0, packRecords([{ payload }]));
    }
  }
  await clock.runUntil(clock.ms + 11_000);
  stop.abort();
  await Promise.all(background);
  for (const { name, sent, landed } of tables) expect([name, landed]).toEqual([name, sent.length]);
  await worker.drain();
  return {
    commitsMs,
    waitedMs,
    apartMs,
    worker,
    landed: tables.reduce((sum, { landed }) => sum + landed, 0),
  };
}

/** The most commits in any second. */
function most(times: readonly number[]): number {
  let first = 0;
  return times.reduce((max, ms, i) => {
    while (times[first]! <= ms - 1_000) first++;
    return Math.max(max, i - first + 1);
  }, 0);
}

test("a trickle in a thousand types costs no thousand commits a second, and waits 10 s at most", async () => {
  const { commitsMs, waitedMs, worker } = await run([{ count: 1_000, everyMs: 1_000 }], 15);
  const spanS = (commitsMs.at(-1)! - commitsMs[0]!) / 1_000;
  const perSecond = commitsMs.length / spanS;
  expect(perSecond).toBeGreaterThan(60);
  expect(perSecond).toBeLessThan(110);
  expect(most(commitsMs)).toBeLessThan(160);
  expect(waitedMs[0]).toBeLessThan(10_700);
  const [status] = worker.status();
  expect(status).toMatchObject({ state: "landing" });
});

test("within the budget everything lands within the usual interval", async () => {
  const { waitedMs, apartMs } = await run(
    [
      { count: 20, everyMs: 20 },
      { count: 40, everyMs: 1_500 },
    ],
    15,
  );
  expect(Math.max(...waitedMs)).toBeLessThanOrEqual(520);
  expect(apartMs[0]).toBeLessThanOrEqual(520);
});

test("many that want little do not starve one that wants much, nor the other way round", async () => {
  // 50 commits/s are wanted by the many, 2 by the one: all fits.
  const few = await run(
    [
      { count: 1, everyMs: 10 },
      { count: 1_000, everyMs: 20_000 },
    ],
    12,
  );
  expect(few.apartMs[0]).toBeLessThanOrEqual(620);
  expect(few.waitedMs[1]).toBeLessThanOrEqual(700);
  // 400 commits/s are wanted by the busy ones: they get about one in 2.1 s each, the others what they want.
  const many = await run(
    [
      { count: 200, everyMs: 100 },
      { count: 20, everyMs: 5_000 },
    ],
    12,
  );
  expect(many.commitsMs.length / 23).toBeLessThan(105);
  expect(many.apartMs[0]).toBeGreaterThan(1_900);
  expect(many.apartMs[0]).toBeLessThan(3_000);
  expect(many.waitedMs[1]).toBeLessThan(2_000);
});

test("a backlog lands without a pause, and says so; a commit takes 64 MB of payload and not more", async () => {
  const at = await install();
  const clock = new VirtualClock();
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const registry = await Registry.open(log, "test", clock);
  const type = eventType();
  await registry.put("event-type", type.name, 0, type);
  await log.createStream(type.name, { partitions: 2, cleanup: "delete", retentionMs: DAY_MS });
  const ports = { ...at.ports, clock, log, registry };
  const options = { ...OPTIONS, ...LIMITS, commitRows: 25_000, commitBytes: 64 * MIB };
  const worker = createLandWorker(ports, options);
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  await clock.runUntil(5_000);
  const note = "x".repeat(900_000);
  for (let i = 0; i < 80; i++) await send(i, [event(i, { note })]);
  for (let i = 0; i < 3; i++) {
    const many = Array.from({ length: 20_000 }, (_, k) => event(1_000 + i * 20_000 + k));
    await send(i, many);
  }
  async function send(i: number, events: readonly string[]): Promise<void> {
    const encoder = new TextEncoder();
    await log.append(
      type.name,
      i % 2,
      packRecords(events.map((text) => ({ payload: encoder.encode(text) }))),
    );
  }
  const startMs = clock.ms;
  const seen: number[] = [];
  const sampler = setInterval(() => seen.push(worker.status()[0]!.intervalMs), 1);
  await clock.runUntil(startMs + 500);
  clearInterval(sampler);
  // However many commits it took: the clock stood still from the first to the last.
  expect(await counter(at, "landed")).toBe(60_080);
  expect(seen).toContain(0);
  stop.abort();
  await running;
  await worker.drain();
  const table = at.openTable(type.name);
  const { version } = await table.snapshot();
  const rows: number[] = [];
  for (let v = 0; v <= version; v++) {
    const ledger = ((await table.read(v))?.info["ledger"] ?? []) as { landed: number }[];
    rows.push(ledger.reduce((sum, line) => sum + line.landed, 0));
  }
  const commits = rows.filter((count) => count > 0);
  expect(commits.reduce((sum, count) => sum + count, 0)).toBe(60_080);
  expect(Math.max(...commits)).toBeLessThanOrEqual(25_001);
  // 64 MB hold 74 of the large ones.
  expect(commits[0]).toBeGreaterThanOrEqual(70);
  expect(commits[0]).toBeLessThanOrEqual(77);
}, 30_000);
