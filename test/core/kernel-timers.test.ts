import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { KeyedTimers, TimerOptions } from "../../core/kernel-timers.ts";
import { Dice } from "../core-as/documents.ts";
import { testKernel } from "../core-as/support.ts";
import { TimerLife, eventColumns, leaveRoom, noTimerCounts, rowsOf } from "../core-as/timer-histories.ts";
import type { EventKind, ModelEvent } from "../core-as/timer-model.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_306);
/** The proof runs 10,000 and more of each kind. */
const HISTORIES = Number(process.env["HISTORIES"] ?? 300);
const HOUR_US = 3_600_000_000;

function event(kind: EventKind, key: number, timeUs: number, more: Partial<ModelEvent> = {}): ModelEvent {
  return {
    kind,
    rule: 1,
    key: [BigInt(key), 0n],
    timeUs: BigInt(timeUs),
    deadlineUs: 0n,
    parts: kind === "part" ? 1n : 0n,
    need: 0,
    ...more,
  };
}

function open(key: number, timeUs: number, deadlineUs: number, parts = 1n, need = 1): ModelEvent {
  return event("open", key, timeUs, { deadlineUs: BigInt(deadlineUs), parts, need });
}

/** So many different parts of one timer. */
function partsOf(key: number, count: number): ModelEvent {
  return event("part", key, 1, { parts: (1n << BigInt(count)) - 1n });
}

function make(options: TimerOptions = {}): KeyedTimers {
  return testKernel().createKeyedTimers({ retentionUs: 1000n, tickUs: 1, ...options });
}

/** Rows of one watermark as `kind key@time`. */
function advance(timers: KeyedTimers, watermarkUs: bigint | number, most = 100): readonly string[] {
  timers.advance(BigInt(watermarkUs));
  const rows: string[] = [];
  while (timers.isDraining)
    rows.push(...rowsOf(timers.take(most)).map(({ kind, key, timeUs }) => `${kind} ${key[0]}@${timeUs}`));
  return rows;
}

describe("histories", () => {
  test("equal a model's that keeps all events, in any order and batches", { timeout: 3_600_000 }, () => {
    const kernel = testKernel();
    const before = kernel.usedBytes;
    const counts = noTimerCounts();
    for (let i = 0; i < HISTORIES; i++)
      new TimerLife(kernel, new Dice(seededRandomness(SEED + i)), `seed ${SEED + i}`, false, counts).live();
    if (HISTORIES > 5000) console.log("timers", JSON.stringify(counts));
    const rare = [counts.completed, counts.resolved, counts.unopened, counts.images, counts.refusals];
    expect(Math.min(...rare, counts.breached)).toBeGreaterThan(HISTORIES / 20);
    // everything was given back but scratch memory
    expect(kernel.usedBytes - before).toBeLessThan(4 << 20);
  });

  test("in which calls run out of memory lose and change nothing", { timeout: 3_600_000 }, () => {
    const counts = noTimerCounts();
    for (let i = 0; i < HISTORIES; i++) {
      const seed = SEED + 1_000_000 + i;
      const dice = new Dice(seededRandomness(seed));
      const kernel = testKernel({ maxMemoryBytes: 4 * 65_536 });
      leaveRoom(kernel, 2 + dice.roll(4));
      new TimerLife(kernel, dice, `seed ${seed}`, true, counts).live();
    }
    if (HISTORIES > 5000) console.log("timers without memory", JSON.stringify(counts));
    expect(counts.refusals).toBeGreaterThan(HISTORIES / 20);
  });
});

describe("a deadline", () => {
  test("is met by event time, not by when the watermark moves", () => {
    const timers = make();
    // all four parts are there before the watermark reaches any deadline, two of them came too late
    timers.update(
      eventColumns([
        open(1, 0, 100),
        open(2, 0, 100),
        open(3, 0, 100),
        open(4, 0, 100),
        event("part", 1, 99),
        event("part", 2, 100),
        event("part", 3, 101),
      ]),
    );
    expect(advance(timers, 99)).toEqual(["completed 1@99"]);
    expect(advance(timers, 100)).toEqual([
      "breached 2@100",
      "resolved 2@100",
      "breached 3@100",
      "resolved 3@101",
      "breached 4@100",
    ]);
    timers.update(eventColumns([event("part", 4, 100)]));
    expect(advance(timers, 100)).toEqual(["resolved 4@100"]);
  });

  test("is no breach for parts that came before the opening", () => {
    const timers = make();
    timers.update(eventColumns([event("part", 1, 5), event("part", 1, 6, { parts: 4n })]));
    expect(advance(timers, 50)).toEqual([]);
    timers.update(eventColumns([open(1, 1, 90, 5n, 2)]));
    expect(advance(timers, 60)).toEqual(["completed 1@6"]);
  });

  test("moves with the newest opening, but not after its breach", () => {
    const timers = make();
    timers.update(eventColumns([open(1, 20, 300), open(1, 10, 100)]));
    expect(advance(timers, 200)).toEqual([]);
    expect(advance(timers, 300)).toEqual(["breached 1@300"]);
    timers.update(eventColumns([open(1, 30, 400)]));
    expect(advance(timers, 500)).toEqual([]);
  });

  test("that has moved while it was due is told in its new order", () => {
    const timers = make({ retentionUs: 10n });
    expect(advance(timers, 100)).toEqual([]);
    // both are past the wheel already; then a later part moves the first behind the second
    timers.update(eventColumns([event("part", 1, 80), event("part", 2, 105)]));
    timers.update(eventColumns([event("part", 1, 106)]));
    expect(advance(timers, 200)).toEqual(["unopened 2@105", "unopened 1@106"]);
  });

  test("is not opened anew by a duplicate part until its retention is over", () => {
    const timers = make();
    timers.update(eventColumns([open(1, 0, 100), event("part", 1, 50)]));
    expect(advance(timers, 60)).toEqual(["completed 1@50"]);
    timers.update(eventColumns([open(1, 70, 150), event("part", 1, 80)]));
    expect(advance(timers, 1099)).toEqual([]);
    expect(timers.size).toBe(1);
    expect(advance(timers, 1100)).toEqual([]);
    expect(timers.size).toBe(0);
  });

  test("that was cancelled in time says nothing, after its breach it says so", () => {
    const timers = make();
    timers.update(eventColumns([open(1, 0, 100), event("cancel", 1, 99), open(2, 0, 100)]));
    expect(advance(timers, 100)).toEqual(["breached 2@100"]);
    timers.update(eventColumns([event("cancel", 2, 120)]));
    timers.advance(100n);
    expect(rowsOf(timers.take(10)).map(({ kind, way }) => [kind, way])).toEqual([["resolved", "cancel"]]);
  });

  test("of n parts counts each part once, at its earliest time", () => {
    const timers = make();
    const all = 0xffff_ffff_ffff_ffffn;
    timers.update(eventColumns([open(1, 0, 1000, all, 64)]));
    const parts = Array.from({ length: 64 }, (_, i) => event("part", 1, 500 - i, { parts: 1n << BigInt(i) }));
    timers.update(eventColumns([...parts.slice(0, 63), ...parts.slice(0, 63)]));
    expect(advance(timers, 10)).toEqual([]);
    timers.update(eventColumns([event("part", 1, 2000, { parts: all }), parts[63]!]));
    expect(advance(timers, 11)).toEqual(["completed 1@500"]);
  });

  test("fires in the order of deadline, rule, key over every level of the wheel, at one jump", () => {
    const timers = make({ retentionUs: 2n ** 61n, tickUs: 1024 });
    const dice = new Dice(seededRandomness(SEED));
    const events = Array.from({ length: 5000 }, (_, i) =>
      open(i, 0, Math.floor(2 ** (dice.roll(6200) / 100)) * (dice.chance(0.3) ? -1 : 1)),
    );
    timers.advance(-(2n ** 63n));
    while (timers.isDraining) timers.take(1);
    timers.update(eventColumns(events));
    const wanted = events
      .toSorted((a, b) => Number(a.deadlineUs - b.deadlineUs) || Number(a.key[0] - b.key[0]))
      .map(({ key, deadlineUs }) => `breached ${key[0]}@${deadlineUs}`);
    expect(advance(timers, 2n ** 62n, 7)).toEqual(wanted);
  });
});

describe("memory", () => {
  test("over the budget a batch is refused as a whole, and the timers go on", () => {
    const timers = make({ maxBytes: 60_000 });
    let next = 0;
    const batch = (): ModelEvent[] => Array.from({ length: 20 }, () => open(next++, 0, HOUR_US));
    expect(() => {
      for (;;) timers.update(eventColumns(batch()));
    }).toThrow("budget is used up");
    const { size } = timers;
    expect(size % 20).toBe(0);
    expect(timers.bytes).toBeLessThanOrEqual(60_000);
    const image = timers.snapshot();
    const again = batch();
    expect(() => timers.update(eventColumns([...again, ...again]))).toThrow("budget is used up");
    expect([timers.size, Buffer.compare(timers.snapshot(), image)]).toEqual([size, 0]);
    expect(advance(timers, HOUR_US).length).toBe(size);
    advance(timers, HOUR_US + 1000);
    expect(timers.size).toBe(0);
    timers.update(eventColumns(again));
    expect(timers.size).toBe(20);
  });

  test("a batch that memory ran out for leaves no byte behind, wherever it ran out", () => {
    const stayed: number[] = [];
    for (let left = 1; left < 20; left++) {
      const kernel = testKernel({ maxMemoryBytes: 8 * 65_536 });
      const timers = kernel.createKeyedTimers({ tickUs: 1, maxBytes: 400_000 });
      // every kind of room for times: inside of the timer, and blocks of four, eight, and sixteen
      const known = Array.from({ length: 120 }, (_, key) => partsOf(key, 1 + (key % 12)));
      timers.update(eventColumns(known));
      leaveRoom(kernel, left);
      for (let wanted = 13; wanted <= 64; wanted += 3) {
        const { bytes, size } = timers;
        const more = Array.from({ length: wanted }, (_, i) => partsOf(wanted * 100 + i, 3));
        try {
          timers.update(eventColumns([...known.map((_, key) => partsOf(key, wanted)), ...more]));
        } catch (error) {
          if (!hasCode(error, "kernel.memory")) throw error;
          stayed.push(timers.bytes - bytes, timers.size - size);
        }
      }
    }
    expect(stayed.length).toBeGreaterThan(200);
    expect(Math.max(...stayed)).toBe(0);
  });

  test("a table filled, emptied and filled again around its limits loses no timer", () => {
    const timers = make({ retentionUs: 0n });
    for (const size of [1, 47, 48, 49, 95, 96, 97, 1000, 30, 5000, 10]) {
      const start = size * 1_000_000;
      timers.update(eventColumns(Array.from({ length: size }, (_, i) => open(i * 31, 0, start + i))));
      expect(timers.size).toBe(size);
      for (let half = 0; half < 2; half++) {
        const rows = advance(timers, start + (half === 0 ? size >> 1 : size));
        expect(rows.every((row) => row.startsWith("breached"))).toBe(true);
      }
      expect(timers.size).toBe(0);
    }
  });
});

describe("a state image", () => {
  test("is refused when it is damaged anywhere, of other parameters or of another operator", () => {
    const kernel = testKernel();
    const timers = kernel.createKeyedTimers({ tickUs: 1 });
    timers.update(eventColumns([open(1, 0, 5), event("part", 2, 5)]));
    const image = timers.snapshot();
    const refusal = (bytes: Uint8Array, options: TimerOptions = { tickUs: 1 }): unknown => {
      try {
        kernel.createKeyedTimers(options).restore(bytes);
      } catch (error) {
        return hasCode(error, "kernel.image") ? error.message : error;
      }
      return undefined;
    };
    for (let i = 0; i < image.length; i++) {
      const damaged = image.slice();
      damaged[i]! ^= 1 << (i % 8);
      expect(refusal(damaged)).toMatch(/damaged|no state image|layout version/);
    }
    expect(refusal(image, { tickUs: 2 })).toMatch("other parameters");
    expect(refusal(image, { tickUs: 1, retentionUs: 1n })).toMatch("other parameters");
    expect(refusal(kernel.createReorderBuffer().snapshot())).toMatch("another operator");
    expect(refusal(image)).toBe(undefined);
  });
});
