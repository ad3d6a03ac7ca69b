/** When a capture needs a person, at each edge; and that it is told once. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import type { Capture, CaptureState } from "../../core/capture.ts";
import { alertsOf, CaptureWatch } from "../../core/capture-watch.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { silentLogger, type Logger } from "../../core/logger.ts";
import type { SourceDatabase, SourceSlot, SourceTransaction } from "../../core/ports/source-database.ts";
import { Registry } from "../../core/registry.ts";

const NOW_MS = 1_000_000;
const options = { lagBytes: 1_000, silentMs: 60_000, heldMs: 30_000 };
const capture = { name: "shop", id: "1", database: "shop1", isPaused: false, createdMs: NOW_MS } as Capture;
const state = {
  captureId: "1",
  slot: "s",
  publication: "p",
  phase: "streaming",
  tables: {},
  problem: null,
  atMs: NOW_MS,
} as unknown as CaptureState;
const slot: SourceSlot = {
  name: "s",
  plugin: "pgoutput",
  database: "shop",
  isActive: true,
  restartLsn: 5_000n,
  confirmedLsn: 5_500n,
  walStatus: "reserved",
  safeWalBytes: 10_000,
  serverLsn: 6_000n,
};
const seen = {
  capture,
  state,
  slot,
  limitBytes: null,
  retainedBytes: 0,
  hurt: [],
  open: [],
  problem: undefined,
  nowMs: NOW_MS,
};
const reasons = (more: Partial<typeof seen> | object): string[] =>
  alertsOf({ ...seen, ...more }, options).map(({ reason }) => reason);

test("nothing where all is well, up to each bound", () => {
  expect(reasons({})).toEqual([]);
  expect(reasons({ nowMs: NOW_MS + 60_000, retainedBytes: 1_000, limitBytes: 2_000 })).toEqual([]);
  expect(reasons({ state: undefined, nowMs: NOW_MS + 60_000 })).toEqual([]);
});

test("one beyond", () => {
  expect(reasons({ nowMs: NOW_MS + 60_001 })).toEqual(["silent"]);
  expect(reasons({ state: undefined, nowMs: NOW_MS + 60_001 })).toEqual(["silent"]);
  expect(reasons({ retainedBytes: 1_001 })).toEqual(["lag"]);
  expect(reasons({ retainedBytes: 501, limitBytes: 1_000 })).toEqual(["half"]);
});

test("a paused one may be silent, but not let the source keep too much", () => {
  const paused = { ...capture, isPaused: true };
  expect(reasons({ capture: paused, nowMs: NOW_MS + 1e9 })).toEqual([]);
  expect(reasons({ capture: paused, nowMs: NOW_MS + 1e9, retainedBytes: 1_001 })).toEqual(["lag"]);
});

test("one that has stopped, one that is lost, a source that does not answer", () => {
  expect(reasons({ state: { ...state, phase: "stopped", problem: "why" }, nowMs: NOW_MS + 1e9 })).toEqual([
    "stopped",
  ]);
  expect(reasons({ slot: { ...slot, walStatus: "lost" } })).toEqual(["lost"]);
  expect(reasons({ slot: undefined, retainedBytes: null, problem: "no route" })).toEqual(["unreachable"]);
});

test("updates that the source refuses, changes that are missing", () => {
  const table = { eventType: "e", copy: "done" };
  const of = { ...state, tables: { "public.t": table }, missed: { "public.t": "it was not published" } };
  const alerts = alertsOf({ ...seen, state: of as unknown as CaptureState, hurt: ["public.t"] }, options);
  expect(alerts.map(({ reason }) => reason)).toEqual(["identity", "missed"]);
  expect(alerts[0]!.problem).toContain("ALTER PUBLICATION p DROP TABLE");
  expect(alerts[1]!.problem).toContain("`muara capture recopy shop --table public.t`");
});

const transaction = (openMs: number) => ({
  id: "7",
  openMs,
  kind: "prepared" as const,
  what: "the prepared transaction 'x'",
  remedy: "ROLLBACK PREPARED 'x'",
});

test("a transaction that a copy waits for, named, beyond the bound; not where nothing waits", () => {
  const copying = { ...state, tables: { "public.t": { copy: "copying" } } } as unknown as CaptureState;
  const preparing = { ...state, phase: "preparing" } as CaptureState;
  const late = { open: [transaction(30_001)] };
  expect(reasons({ state: copying, open: [transaction(30_000)] })).toEqual([]);
  expect(reasons({ state: copying, ...late })).toEqual(["held"]);
  expect(reasons({ state: preparing, ...late })).toEqual(["held"]);
  expect(reasons(late)).toEqual([]);
  expect(reasons({ capture: { ...capture, isPaused: true }, state: copying, ...late })).toEqual([]);
  const [held] = alertsOf({ ...seen, state: copying, ...late }, options);
  expect(held!.problem).toBe(
    "the copy waits for the prepared transaction 'x' (open for 30 s): ROLLBACK PREPARED 'x'",
  );
  const [lag] = alertsOf({ ...seen, ...late, retainedBytes: 1_001 }, options);
  expect(lag!.problem).toContain("prepared transaction 'x'");
});

test("is told once, and that it is over; figures and a forecast", async () => {
  const clock = new ManualClock(NOW_MS);
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const registry = await Registry.open(log, "w", clock);
  await registry.put("capture", "shop", 0, capture);
  await registry.put("capture-state", "shop", 0, state);
  let now: SourceSlot | undefined = slot;
  const open: readonly SourceTransaction[] = [];
  const source = {
    slot: async () => now,
    server: async () => ({ maxSlotWalKeepBytes: null }),
    published: async () => undefined,
    transactions: async () => open,
  } as unknown as SourceDatabase;
  const told: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (_message, fields) => void told.push(`+${String(fields!["reason"])}`),
    info: (_message, fields) => void told.push(`-${String(fields!["reason"])}`),
  };
  const watch = new CaptureWatch({ registry, clock, logger, openSource: async () => source }, options);
  await watch.look();
  expect(watch.isAlerting).toBe(false);
  clock.advance(10_000);
  now = { ...slot, serverLsn: 8_000n, safeWalBytes: 8_000 };
  await watch.look();
  await watch.look();
  expect(watch.isAlerting).toBe(true);
  expect(watch.view("shop")).toMatchObject({ retainedBytes: 3_000, confirmedLagBytes: 2_500 });
  expect(watch.samples()).toContainEqual({
    name: "muara_capture_alert",
    labels: { capture: "shop", reason: "lag" },
    value: 1,
  });
  clock.advance(10_000);
  now = { ...now, serverLsn: 10_000n, restartLsn: 9_500n };
  await watch.look();
  // 2,000 bytes in 10 s: 8,000 more last for 40 s.
  expect(watch.view("shop")!.safeSeconds).toBe(40);
  expect(told).toEqual(["+lag", "-lag"]);
  await registry.put("capture", "shop", 1, null);
  await watch.look();
  expect(watch.samples()).toEqual([]);
});
