import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import { ADMIT_DUPLICATE, ADMIT_NEW, ADMIT_UNKNOWN, type IdentitySet } from "../../core/kernel-set.ts";
import { Dice } from "../core-as/documents.ts";
import { SetModel } from "../core-as/set-model.ts";
import { same, testKernel } from "../core-as/support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_304);
const HOUR_MS = 3_600_000;
const START_MS = 1_767_225_600_000;

/** [n × 2] identities whose low word is the given number. */
function identitiesOf(numbers: readonly bigint[]): BigUint64Array {
  return BigUint64Array.from(numbers.flatMap((number) => [number, number ^ 0x5555n]));
}

function sequence(count: number, from = 0): readonly bigint[] {
  return Array.from({ length: count }, (_, i) => BigInt(from + i));
}

/** Every generation's number and entries. */
function imageOf(set: IdentitySet): { number: number; entries: Uint8Array }[] {
  return set.generations().map(({ number }, place) => ({ number, entries: set.exportGeneration(place) }));
}

/** Every entry as `low word@ms`, sorted: independent of how tables lie in memory. */
function dump(set: IdentitySet): readonly string[] {
  return imageOf(set)
    .flatMap(({ number, entries }) => {
      const view = new DataView(entries.buffer, entries.byteOffset, entries.length);
      return Array.from({ length: entries.length / 20 }, (_, i) => {
        const ms = number * set.generationMs + view.getUint32(i * 20 + 16, true);
        return `${view.getBigUint64(i * 20, true)}@${ms}`;
      });
    })
    .sort();
}

describe("histories", () => {
  const kernel = testKernel();

  /** One random life of a set next to its model. */
  function live(dice: Dice, context: string): void {
    const horizonMs = dice.pick([1, 4, 10, 37, 48 * HOUR_MS]);
    const generationMs = Math.max(1, Math.floor(horizonMs / dice.pick([1, 1, 2, 3, 4, 4])));
    let set = kernel.createIdentitySet({ horizonMs, generationMs });
    const model = new SetModel(horizonMs, generationMs);
    const pool = BigInt(dice.pick([3, 20, 300, 5000]));
    // identities that share all bits a table looks at first must not confuse it
    const scatter = dice.pick([1n, 0x9e37_79b9_7f4a_7c15n, 1n << 40n]);
    let nowMs = START_MS;
    for (let step = 0; step < 12; step++) {
      const action = dice.roll(10);
      if (action < 6) {
        const count = dice.pick([0, 1, 5, 40, dice.chance(0.05) ? 2500 : 100]);
        const numbers = Array.from(
          { length: count },
          () => (BigInt(dice.roll(Number(pool))) * scatter) & 0xffff_ffff_ffffn,
        );
        const ingestMs = Float64Array.from(numbers, () => nowMs + dice.roll(horizonMs * 3 + 2) - horizonMs);
        const verdicts = Uint8Array.from(numbers, () => (dice.chance(0.1) ? 1 + dice.roll(7) : 0));
        const answers = set.admit(count, identitiesOf(numbers), ingestMs, verdicts);
        const wanted = numbers.map((number, i) => model.admit(number, ingestMs[i]!, verdicts[i]!));
        same(answers.join(""), wanted.join(""), context);
      } else if (action === 6) {
        set.keep();
        model.keep();
      } else if (action === 7) {
        set.undo();
        model.undo();
      } else if (action === 8) {
        nowMs += dice.roll(horizonMs * 2 + 2);
        set.expire(nowMs);
        model.expire(nowMs);
      } else if (dice.chance(0.9)) {
        set.keep(); // inserting is for sets without tentative entries
        model.keep();
        const numbers = Array.from({ length: dice.roll(30) }, () => BigInt(dice.roll(Number(pool))));
        const ingestMs = Float64Array.from(numbers, () => nowMs + dice.roll(horizonMs));
        set.insert(numbers.length, identitiesOf(numbers), ingestMs);
        numbers.forEach((number, i) => model.insert(number, ingestMs[i]!));
      } else if (dice.chance(0.2)) {
        set.clear();
        model.clear();
      } else {
        set.keep();
        model.keep();
        same(dump(set).join(), model.dump().join(), context);
        const image = imageOf(set);
        set.destroy();
        set = kernel.createIdentitySet({ horizonMs, generationMs });
        for (const { number, entries } of dice.chance(0.5) ? image : image.toReversed())
          same(set.importGeneration(number, entries), true, context);
        same(dump(set).join(), model.dump().join(), context);
      }
      same(`${set.size} ${set.tentative}`, `${model.size} ${model.tentative}`, context);
    }
    set.destroy();
  }

  test("3,000 random ones equal a Map's", () => {
    const dice = new Dice(seededRandomness(SEED));
    const before = kernel.usedBytes;
    for (let history = 0; history < 3000; history++) live(dice, `seed ${SEED}, history ${history}`);
    // everything was given back but scratch memory
    expect(kernel.usedBytes - before).toBeLessThan(1 << 20);
  });

  test("several sets in one kernel know nothing of each other", () => {
    const sets = Array.from({ length: 50 }, () => kernel.createIdentitySet());
    const numbers = sequence(300);
    sets.forEach((set, i) => {
      const some = numbers.filter((number) => Number(number) % 50 >= i);
      const answers = set.admit(
        some.length,
        identitiesOf(some),
        new Float64Array(some.length).fill(START_MS),
        new Uint8Array(some.length),
      );
      expect(new Set(answers)).toEqual(new Set([ADMIT_NEW]));
    });
    for (const set of sets.filter((_, i) => i % 2 === 0)) set.destroy();
    sets.forEach((set, i) => {
      if (i % 2 === 0) return;
      expect(set.size).toBe(numbers.filter((number) => Number(number) % 50 >= i).length);
      set.undo();
      expect(set.size).toBe(0);
      set.destroy();
      expect(() => set.size).toThrow("was destroyed");
    });
  });
});

describe("the horizon", () => {
  test("is exact in both directions", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet();
    const one = identitiesOf([1n]);
    const at = (ms: number): number => set.admit(1, one, Float64Array.of(ms), Uint8Array.of(1))[0]!;
    set.insert(1, one, Float64Array.of(START_MS));
    expect(at(START_MS + 48 * HOUR_MS)).toBe(ADMIT_DUPLICATE);
    expect(at(START_MS + 48 * HOUR_MS + 1)).toBe(ADMIT_UNKNOWN);
    expect(at(START_MS - 48 * HOUR_MS)).toBe(ADMIT_DUPLICATE);
    expect(at(START_MS - 48 * HOUR_MS - 1)).toBe(ADMIT_UNKNOWN);
  });

  test("expiry by the slowest keeps what can still be met", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet();
    const hours = sequence(200);
    set.insert(
      200,
      identitiesOf(hours),
      Float64Array.from(hours, (hour) => START_MS + Number(hour) * HOUR_MS),
    );
    for (let slowest = 0; slowest < 260; slowest++) {
      set.expire(START_MS + slowest * HOUR_MS);
      const within = hours.filter((hour) => Math.abs(Number(hour) - slowest) <= 48);
      const ingest = new Float64Array(within.length).fill(START_MS + slowest * HOUR_MS);
      const answers = set.admit(
        within.length,
        identitiesOf(within),
        ingest,
        new Uint8Array(within.length).fill(1),
      );
      expect(new Set(answers)).toEqual(new Set(within.length > 0 ? [ADMIT_DUPLICATE] : []));
      // and no more than a generation beyond it
      expect(set.size).toBeLessThanOrEqual(hours.filter((hour) => Number(hour) > slowest - 48 - 12).length);
    }
  });
});

describe("tables", () => {
  test("grow, undo and grow again around their load limits without losing an entry", () => {
    const kernel = testKernel();
    // 14 of 16 slots is the load limit: every size around it, and tombstones up to the brim
    for (let size = 0; size <= 130; size++) {
      const set = kernel.createIdentitySet();
      const kept = identitiesOf(sequence(size));
      set.admit(size, kept, new Float64Array(size).fill(START_MS), new Uint8Array(size));
      set.keep();
      for (let round = 0; round < 20; round++) {
        const fresh = identitiesOf(sequence(17 + round, 1000 + round * 100));
        const count = fresh.length / 2;
        const ingest = new Float64Array(count).fill(START_MS);
        expect(new Set(set.admit(count, fresh, ingest, new Uint8Array(count)))).toEqual(new Set([ADMIT_NEW]));
        set.undo();
        expect(new Set(set.admit(count, fresh, ingest, new Uint8Array(count).fill(1)))).toEqual(
          new Set([ADMIT_UNKNOWN]),
        );
        const answers = set.admit(size, kept, new Float64Array(size).fill(START_MS), new Uint8Array(size));
        expect(answers.every((answer) => answer === ADMIT_DUPLICATE)).toBe(true);
        expect(set.size).toBe(size);
      }
      set.destroy();
    }
  });

  test("undoing again and again costs no more than doing", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet();
    const kept = 48_000; // of 2^16 slots: what is undone leaves tombstones, which fill the table again and again
    set.insert(kept, identitiesOf(sequence(kept)), new Float64Array(kept).fill(START_MS));
    const { bytes } = set;
    const fresh = new BigUint64Array(2000);
    const words = new Uint32Array(fresh.buffer);
    const ingest = new Float64Array(1000).fill(START_MS);
    const verdicts = new Uint8Array(1000);
    // a rehash at every entry would take hours
    for (let round = 0; round < 2000; round++) {
      for (let i = 0; i < words.length; i += 4) words[i] = 1_000_000 + round * 1000 + i / 4;
      set.admit(1000, fresh, ingest, verdicts);
      set.undo();
    }
    expect([set.size, set.bytes]).toEqual([kept, bytes]);
  });

  test("identities that all want the same slots still find their places", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet();
    // a table's hash, worked out here, for identities with one and the same value of it in its lower 32 bits
    const mask = 0xffff_ffff_ffff_ffffn;
    const hashOf = (low: bigint, high: bigint): bigint => {
      const hash = ((high ^ ((low * 0x9e37_79b9_7f4a_7c15n) & mask)) * 0xc2b2_ae3d_27d4_eb4fn) & mask;
      return hash ^ (hash >> 32n);
    };
    const inverse = 0xc2b2_ae3d_27d4_eb4fn;
    let unfactor = 1n;
    for (let i = 0; i < 7; i++) unfactor = (unfactor * (2n - inverse * unfactor)) & mask; // Newton, mod 2^64
    const words: bigint[] = [];
    for (let i = 0n; i < 3000n; i++) {
      const low = i * 77n;
      const wanted = 0xdead_beefn; // high half 0: the fold leaves the low half as it is
      words.push(low, ((wanted * unfactor) & mask) ^ ((low * 0x9e37_79b9_7f4a_7c15n) & mask));
      expect(hashOf(words.at(-2)!, words.at(-1)!)).toBe(wanted);
    }
    const identities = BigUint64Array.from(words);
    const ingest = new Float64Array(3000).fill(START_MS);
    expect(new Set(set.admit(3000, identities, ingest, new Uint8Array(3000)))).toEqual(new Set([ADMIT_NEW]));
    expect(new Set(set.admit(3000, identities, ingest, new Uint8Array(3000)))).toEqual(
      new Set([ADMIT_DUPLICATE]),
    );
    set.undo();
    expect(new Set(set.admit(3000, identities, ingest, new Uint8Array(3000).fill(1)))).toEqual(
      new Set([ADMIT_UNKNOWN]),
    );
  });

  test("an empty set is small, and a large one takes at most 50 bytes an entry", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet();
    expect(set.bytes).toBeLessThan(1024);
    const count = 200_000;
    set.insert(count, identitiesOf(sequence(count)), new Float64Array(count).fill(START_MS));
    expect(set.bytes / count).toBeLessThan(50);
    set.clear();
    expect([set.size, set.bytes < 1024]).toEqual([0, true]);
  });
});

describe("without memory", () => {
  test("histories in which calls fail at any place still equal the model's", () => {
    const dice = new Dice(seededRandomness(SEED + 1));
    let failures = 0;
    for (let history = 0; history < 80; history++) {
      const context = `seed ${SEED + 1}, history ${history}`;
      const kernel = testKernel({ maxMemoryBytes: (3 + dice.roll(6)) * 65_536 });
      const set = kernel.createIdentitySet({ horizonMs: 40, generationMs: 10 });
      const model = new SetModel(40, 10);
      for (let step = 0; step < 40; step++) {
        const count = dice.roll(800);
        const numbers = Array.from({ length: count }, () => BigInt(dice.roll(20_000)));
        const ingestMs = Float64Array.from(numbers, () => START_MS + step + dice.roll(60));
        try {
          const answers = set.admit(count, identitiesOf(numbers), ingestMs, new Uint8Array(count));
          const wanted = numbers.map((number, i) => model.admit(number, ingestMs[i]!, 0));
          same(answers.join(""), wanted.join(""), context);
        } catch (error) {
          if (!hasCode(error, "kernel.memory")) throw error;
          failures++;
          if (dice.chance(0.5)) {
            set.undo();
            model.undo();
          } else {
            set.expire(START_MS + step);
            model.expire(START_MS + step);
          }
        }
        if (dice.chance(0.3)) {
          set.keep();
          model.keep();
        }
        same(`${set.size} ${set.tentative}`, `${model.size} ${model.tentative}`, context);
      }
    }
    expect(failures).toBeGreaterThan(200);
  });

  test("admit takes back what it had added, and the set lives on", () => {
    const kernel = testKernel({ maxMemoryBytes: 4 << 20 });
    const set = kernel.createIdentitySet();
    const kept = 20_000;
    set.admit(
      kept,
      identitiesOf(sequence(kept)),
      new Float64Array(kept).fill(START_MS),
      new Uint8Array(kept),
    );
    set.keep();
    let failure: unknown = null;
    let more = 0;
    for (; failure === null; more++) {
      const fresh = identitiesOf(sequence(5000, 1_000_000 + more * 5000));
      try {
        set.admit(5000, fresh, new Float64Array(5000).fill(START_MS), new Uint8Array(5000));
      } catch (error) {
        failure = error;
      }
    }
    expect(hasCode(failure, "kernel.memory")).toBe(true);
    expect([set.size, set.tentative]).toEqual([kept + (more - 1) * 5000, (more - 1) * 5000]);
    set.undo();
    expect([set.size, set.tentative]).toEqual([kept, 0]);
    for (let from = 0; from < kept; from += 5000) {
      const again = identitiesOf(sequence(5000, from));
      const answers = set.admit(5000, again, new Float64Array(5000).fill(START_MS), new Uint8Array(5000));
      expect(new Set(answers)).toEqual(new Set([ADMIT_DUPLICATE]));
    }
  });
});

describe("a state image", () => {
  const numbers = sequence(200_000);
  const ids = identitiesOf(numbers.map((number) => number * 0x9e37_79b9_7f4a_7c15n));
  const times = Float64Array.from(numbers, (number) => START_MS + Number(number) * 700);

  test("of many entries comes back whole, whatever the capacities were", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet();
    set.insert(numbers.length, ids, times);
    const image = imageOf(set);
    expect(image.length).toBeGreaterThan(3);
    const copy = kernel.createIdentitySet();
    for (const { number, entries } of image) expect(copy.importGeneration(number, entries)).toBe(true);
    expect(copy.size).toBe(numbers.length);
    const answers = copy.admit(numbers.length, ids, times, new Uint8Array(numbers.length));
    expect(new Set(answers)).toEqual(new Set([ADMIT_DUPLICATE]));
    expect(dump(copy)).toEqual(dump(set));
    expect(copy.bytes).toBeLessThanOrEqual(set.bytes);
  });

  test("changed entries have another stamp, others the same", () => {
    const set = testKernel().createIdentitySet();
    const stamps = (): bigint[] => set.generations().map(({ stamp }) => stamp);
    set.insert(numbers.length, ids, times);
    const before = stamps();
    set.insert(numbers.length, ids, times);
    set.keep();
    set.expire(START_MS);
    expect(stamps()).toEqual(before);
    const late = identitiesOf([5n]);
    set.admit(1, late, Float64Array.of(START_MS + 200_000 * 700), Uint8Array.of(0));
    const between = stamps();
    expect(between.slice(0, -1)).toEqual(before.slice(0, -1));
    expect(between.at(-1)).not.toBe(before.at(-1));
    set.undo();
    expect(stamps().at(-1)).not.toBe(between.at(-1));
    set.insert(1, ids.slice(0, 2), Float64Array.of(times[0]! + 1));
    expect(stamps()[0]).not.toBe(before[0]);
    set.clear();
    set.insert(numbers.length, ids, times);
    expect(stamps().some((stamp) => before.includes(stamp))).toBe(false);
  });

  test("is refused with tentative entries, with impossible times, and without memory", () => {
    const kernel = testKernel();
    const set = kernel.createIdentitySet({ horizonMs: 100, generationMs: 10 });
    set.admit(1, identitiesOf([1n]), Float64Array.of(55), Uint8Array.of(0));
    expect(() => set.exportGeneration(0)).toThrow("tentative");
    set.keep();
    const entries = set.exportGeneration(0);
    expect(set.generations()).toMatchObject([{ number: 5, size: 1 }]);
    expect(() => set.exportGeneration(1)).toThrow("no generation");
    expect(() => set.importGeneration(5, entries.subarray(1))).toThrow("20 bytes");
    entries[16] = 10;
    expect(set.importGeneration(5, entries)).toBe(false);
    entries[16] = 9;
    expect(set.importGeneration(5, entries)).toBe(true);
    expect(dump(set)).toEqual(["1@59"]);
    const small = testKernel({ maxMemoryBytes: 4 << 20 }).createIdentitySet();
    const large = new Uint8Array(20 * 400_000);
    expect(() => small.importGeneration(1, large)).toThrow(
      expect.toSatisfy((error) => hasCode(error, "kernel.memory")),
    );
    expect(small.size).toBe(0);
  });
});
