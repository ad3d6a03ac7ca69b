/** The registry against a plain model, with several writers, conflicts, failures, replay and compaction. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryLog, type MemoryLogFaults } from "../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import { payloadOf } from "../../core/record.ts";
import { META_STREAM, Registry } from "../../core/registry.ts";

function setUp(faults: MemoryLogFaults = {}): { log: Log; clock: ManualClock } {
  const clock = new ManualClock(1_000);
  return { clock, log: createMemoryLog({ clock, randomness: seededRandomness(3), faults, tombstoneMs: 0 }) };
}

/** Records in the registry's stream that are no tombstones. */
async function recordsLeft(log: Log): Promise<number> {
  const { startOffset } = await log.bounds(META_STREAM, 0);
  const batch = await log.read(META_STREAM, 0, startOffset, 1e9);
  return Array.from({ length: batch.count }, (_, i) => payloadOf(batch, i)).filter(Boolean).length;
}

const codeOf = (error: unknown): string => (error instanceof MuaraError ? error.code : String(error));

test("revisions grow by one; a stale one is refused", async () => {
  const { log, clock } = setUp();
  const registry = await Registry.open(log, "w", clock);
  expect(await registry.put("token", "a", 0, { n: 1 })).toMatchObject({
    revision: 1,
    value: { n: 1 },
    writer: "w.1",
  });
  await expect(registry.put("token", "a", 0, { n: 2 })).rejects.toMatchObject({
    code: "declaration.conflict",
  });
  expect(await registry.put("token", "a", 1, { n: 2 })).toMatchObject({ revision: 2 });
  await expect(registry.put("token", "a", 1, { n: 3 })).rejects.toMatchObject({
    code: "declaration.conflict",
  });
  await registry.put("token", "a", 2, null);
  expect(registry.get("token", "a")).toBeUndefined();
  expect(registry.list("token")).toEqual([]);
  expect(await registry.put("token", "a", 0, { n: 4 })).toMatchObject({ revision: 4 });
  expect(registry.get("event-type", "a")).toBeUndefined();
});

test("of puts at the same moment by one writer the first wins, for ever", async () => {
  const { log, clock } = setUp();
  const registry = await Registry.open(log, "w", clock);
  const puts = Array.from({ length: 5 }, (_, n) => registry.put("event-type", "a", 0, { n }));
  const outcomes = await Promise.allSettled(puts);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", ...Array(4).fill("rejected")]);
  await log.retain();
  expect((await Registry.open(log, "x", clock)).get("event-type", "a")?.value).toEqual({ n: 0 });
});

test("a change of unknown outcome, made again, survives compaction", async () => {
  const faults: MemoryLogFaults = {};
  const { log, clock } = setUp(faults);
  const registry = await Registry.open(log, "w", clock);
  const writer = await Registry.open(log, "v", clock);
  faults.onAppend = () => "stored_unknown";
  await expect(writer.put("token", "a", 0, 1)).rejects.toMatchObject({ code: "log.append_unknown" });
  delete faults.onAppend;
  await expect(writer.put("token", "a", 0, 2)).rejects.toMatchObject({ code: "declaration.conflict" });
  clock.advance(1);
  await log.retain();
  await registry.refresh();
  expect(registry.get("token", "a")?.value).toBe(1);
  expect((await Registry.open(log, "x", clock)).get("token", "a")?.value).toBe(1);
});

test("a failed change or read does not stop the next", async () => {
  const faults: MemoryLogFaults = {};
  const { log, clock } = setUp(faults);
  const registry = await Registry.open(log, "w", clock);
  faults.onAppend = () => "overloaded";
  await expect(registry.put("token", "a", 0, 1)).rejects.toMatchObject({ code: "log.overloaded" });
  delete faults.onAppend;
  expect(registry.get("token", "a")).toBeUndefined();
  expect(await registry.put("token", "a", 0, 2)).toMatchObject({ revision: 1, value: 2 });
  const bounds = log.bounds.bind(log);
  log.bounds = () => Promise.reject(new MuaraError("log.closed", "not now"));
  await expect(registry.refresh()).rejects.toMatchObject({ code: "log.closed" });
  log.bounds = bounds;
  await registry.refresh();
});

interface Step {
  readonly writer: number;
  readonly name: string;
  readonly isRemoval: boolean;
  readonly isStale: boolean;
}

const step = fc.record({
  writer: fc.nat({ max: 2 }),
  name: fc.constantFrom("a", "b", "c"),
  isRemoval: fc.boolean(),
  isStale: fc.boolean(),
});

test("several writers, at once in groups, replayed and compacted: one history", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
      async (groups) => {
        const { log, clock } = setUp();
        const writers = await Promise.all([0, 1, 2].map((n) => Registry.open(log, `w${n}`, clock)));
        const model = new Map<string, { revision: number; value: unknown }>();
        let serial = 0;
        const attempt = async ({ writer, name, isRemoval, isStale }: Step): Promise<void> => {
          const registry = writers[writer]!;
          const seen = registry.get("token", name)?.revision ?? 0;
          const value = isRemoval ? null : { serial: serial++ };
          const put = registry.put("token", name, isStale ? seen + 1 : seen, value);
          const done = await put.catch(codeOf);
          // Each revision is won once; whoever loses is told so.
          const before = model.get(name)?.revision ?? 0;
          const outcome = typeof done === "string" ? done : done.revision;
          expect(["declaration.conflict", before + 1]).toContain(outcome);
          if (typeof done !== "string") model.set(name, { revision: done.revision, value });
        };
        for (const group of groups) {
          await Promise.all(group.map(attempt));
          clock.advance(10);
          await Promise.all(writers.map((registry) => registry.refresh()));
        }
        await log.retain();
        // Of each name only the newest record is left: no loser, no former revision.
        expect(await recordsLeft(log)).toBe(model.size);
        for (const registry of [...writers, await Registry.open(log, "late", clock)]) {
          for (const name of ["a", "b", "c"]) {
            const expected = model.get(name);
            const found = registry.get("token", name);
            expect(found?.value).toEqual(expected?.value === null ? undefined : expected?.value);
            expect(found?.revision).toBe(expected?.value == null ? undefined : expected.revision);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("changes of several names are appended together, those of one name one after the other", async () => {
  const { log, clock } = setUp();
  const registry = await Registry.open(log, "w", clock);
  const append = log.append.bind(log);
  const { promise: isFull, resolve: open } = Promise.withResolvers<void>();
  let waiting = 0;
  log.append = async (...args) => {
    if (++waiting === 3) open();
    await isFull;
    return append(...args);
  };
  const puts = ["a", "b", "c"].map((name) => registry.put("token", name, 0, name));
  const second = registry.put("token", "a", 1, "again");
  expect((await Promise.all(puts)).map(({ revision }) => revision)).toEqual([1, 1, 1]);
  expect(await second).toMatchObject({ revision: 2, value: "again" });
});

test("a change that somebody else built on was made", async () => {
  const { log, clock } = setUp();
  const [one, other] = await Promise.all([Registry.open(log, "w", clock), Registry.open(log, "v", clock)]);
  const refresh = one.refresh.bind(one);
  one.refresh = async () => {
    one.refresh = refresh;
    await other.refresh();
    await other.put("token", "a", 1, "theirs");
    return refresh();
  };
  expect(await one.put("token", "a", 0, "ours")).toMatchObject({ revision: 1, value: "ours" });
  expect(one.get("token", "a")).toMatchObject({ revision: 2, value: "theirs" });
  await log.retain();
  expect(await recordsLeft(log)).toBe(1);
});
