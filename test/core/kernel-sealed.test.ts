/** Identity sets within a budget. `SEED=n` begins elsewhere, `MUARA_HISTORIES=n` runs that many (the proof: 12000). */
import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import {
  ADMIT_DUPLICATE,
  ADMIT_NEW,
  ADMIT_UNKNOWN,
  ADMIT_UNSETTLED,
  type IdentitySet,
  SETTLED_IN_LAKE,
  SETTLED_NEW,
} from "../../core/kernel-set.ts";
import { Dice } from "../core-as/documents.ts";
import { PartModel } from "../core-as/fuse-model.ts";
import { identitiesOf, liveSealed, noSealedCounts } from "../core-as/sealed-history.ts";
import { testKernel } from "../core-as/support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_305);
const HISTORIES = Number(process.env["MUARA_HISTORIES"] ?? 150);
const HOUR_MS = 3_600_000;
const START_MS = 1_767_225_600_000;

/** [n × 2] identities as SipHash would give them. */
function randomIdentities(count: number, seed: number): BigUint64Array<ArrayBuffer> {
  const words = new Uint32Array(count * 4);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) >>> 0;
    state = (Math.imul(state ^ (state >>> 12), 0x297a_2d39) + i * 0x9e37_79b9) >>> 0;
    words[i] = (state ^ (state >>> 15)) >>> 0;
  }
  return new BigUint64Array(words.buffer);
}

function filled(count: number, seed: number): { set: IdentitySet; identities: BigUint64Array<ArrayBuffer> } {
  const set = testKernel().createIdentitySet();
  const identities = randomIdentities(count, seed);
  set.insert(count, identities, new Float64Array(count).fill(START_MS));
  return { set, identities };
}

function lookUp(set: IdentitySet, identities: BigUint64Array, ms: number): Uint8Array {
  const count = identities.length / 2;
  return set.admit(count, identities, new Float64Array(count).fill(ms), new Uint8Array(count).fill(1));
}

describe("a filter", () => {
  test("of every size from 1 to 600 says maybe to all of its ids, and so does its description", () => {
    for (let count = 1; count <= 600; count += count < 50 ? 1 : 11) {
      const { set, identities } = filled(count, count);
      expect(set.seal(0)).toBe(true);
      expect([set.size, set.sealed]).toEqual([count, count]);
      expect(lookUp(set, identities, START_MS).every((answer) => answer === ADMIT_UNSETTLED)).toBe(true);
      const part = new PartModel(set.exportPart(0, 0));
      for (let i = 0; i < count; i++)
        expect(part.mayHold(identities[i * 2]!, identities[i * 2 + 1]!)).toBe(true);
      set.destroy();
    }
  });

  // One that held everything would leave every fate as it is: the lake settles it. So the rate itself is looked at.
  test("takes 18 to 20 bits an id when large, says maybe to one stranger in 65,536", () => {
    const count = 1_000_000;
    const { set, identities } = filled(count, 7);
    expect(set.seal(0)).toBe(true);
    const bits = (set.parts(0)[0]!.bytes * 8) / count;
    expect(bits).toBeGreaterThan(18);
    expect(bits).toBeLessThan(20);
    let held = 0;
    for (const answer of lookUp(set, identities, START_MS)) if (answer === ADMIT_UNSETTLED) held++;
    expect(held).toBe(count);
    const strangers = randomIdentities(2_000_000, 8);
    let maybes = 0;
    for (const answer of lookUp(set, strangers, START_MS)) if (answer === ADMIT_UNSETTLED) maybes++;
    // 31 expected, standard deviation 6
    expect(maybes).toBeGreaterThan(8);
    expect(maybes).toBeLessThan(60);
    const part = new PartModel(set.exportPart(0, 0));
    for (let i = 0; i < 500; i++) {
      const [low, high] = [strangers[i * 2]!, strangers[i * 2 + 1]!];
      expect(part.mayHold(low, high)).toBe(
        lookUp(set, strangers.subarray(i * 2, i * 2 + 2), START_MS)[0] === 3,
      );
    }
  });

  test("is beside a small table, or beside the one that was full, empty", () => {
    for (const keepsTable of [false, true]) {
      const { set, identities } = filled(1_000, 3);
      const { slots } = set.generations()[0]!;
      const { bytes } = set;
      expect(set.seal(0, false, keepsTable)).toBe(true);
      expect(set.generations()[0]).toMatchObject({ size: 0, slots: keepsTable ? slots : 16 });
      expect(set.bytes > bytes).toBe(keepsTable);
      expect(lookUp(set, identities, START_MS).every((answer) => answer === ADMIT_UNSETTLED)).toBe(true);
      const more = randomIdentities(1_000, 4);
      set.insert(1_000, more, new Float64Array(1_000).fill(START_MS));
      expect(set.generations()[0]).toMatchObject({ size: 1_000, slots });
      set.destroy();
    }
  });

  test("is the same bytes whatever the history of the table was", () => {
    for (const count of [1, 9, 100, 3_000, 40_000]) {
      const { set, identities } = filled(count, count);
      const other = testKernel().createIdentitySet();
      // other order, other capacity, tombstones
      const reversed = identities.slice();
      for (let i = 0; i < count; i++) {
        reversed[i * 2] = identities[(count - 1 - i) * 2]!;
        reversed[i * 2 + 1] = identities[(count - 1 - i) * 2 + 1]!;
      }
      const extra = randomIdentities(count * 4, 99);
      other.admit(count * 4, extra, new Float64Array(count * 4).fill(START_MS), new Uint8Array(count * 4));
      other.undo();
      other.insert(count, reversed, new Float64Array(count).fill(START_MS));
      set.seal(0);
      other.seal(0);
      expect(Buffer.from(other.exportPart(0, 0)).equals(Buffer.from(set.exportPart(0, 0)))).toBe(true);
    }
  });
});

describe("histories", () => {
  test("of sets that are sealed at any moment equal a Map's", { timeout: 3_600_000 }, () => {
    const dice = new Dice(seededRandomness(SEED));
    const counts = noSealedCounts();
    const kernel = testKernel();
    const before = kernel.usedBytes;
    for (let history = 0; history < HISTORIES; history++)
      liveSealed(kernel, dice, counts, `seed ${SEED}, history ${history}`);
    expect(kernel.usedBytes - before).toBeLessThan(1 << 20);
    expect(kernel.identityBudget.bytes).toBe(0);
    if (HISTORIES > 150) console.log(counts);
    expect(counts.seals).toBeGreaterThan(HISTORIES);
    expect(counts.unsettled).toBeGreaterThan(HISTORIES * 10);
    expect(counts.restores).toBeGreaterThan(HISTORIES / 4);
  });

  test("within a budget that seals all the time, and in little memory", { timeout: 3_600_000 }, () => {
    const dice = new Dice(seededRandomness(SEED + 1));
    const counts = noSealedCounts();
    for (let round = 0; round * 10 < HISTORIES; round++) {
      const isSmall = dice.chance(0.3);
      const kernel = testKernel({
        identityBytes: dice.pick([16_384, 20_000, 40_000, 200_000]),
        ...(isSmall ? { maxMemoryBytes: (3 + dice.roll(4)) * 65_536 } : {}),
      });
      for (let history = 0; history < 10; history++) {
        const context = `seed ${SEED + 1}, round ${round}, history ${history}`;
        try {
          liveSealed(kernel, dice, counts, context);
        } catch (error) {
          throw new Error(context, { cause: error });
        }
      }
      expect(kernel.identityBudget.bytes).toBe(0);
    }
    if (HISTORIES > 150) console.log(counts);
    expect(counts.outOfMemory).toBeGreaterThan(HISTORIES / 100);
    expect(counts.unsettled).toBeGreaterThan(HISTORIES * 10);
  });
});

describe("the horizon of a sealed part", () => {
  test("is the lake's to judge within the part's times, and exact", () => {
    const set = testKernel().createIdentitySet();
    const one = identitiesOf([1n]);
    set.insert(2, identitiesOf([1n, 2n]), Float64Array.of(START_MS, START_MS + HOUR_MS));
    set.seal(0);
    const at = (ms: number, settled?: number): number =>
      set.admit(
        1,
        one,
        Float64Array.of(ms),
        Uint8Array.of(1),
        settled === undefined ? undefined : Uint8Array.of(settled),
      )[0]!;
    // beyond the last of the part nobody asks; between an entry's own edge and the part's the lake knows
    expect(at(START_MS + 49 * HOUR_MS + 1)).toBe(ADMIT_UNKNOWN);
    expect(at(START_MS + 49 * HOUR_MS)).toBe(ADMIT_UNSETTLED);
    expect(at(START_MS + 49 * HOUR_MS, SETTLED_NEW)).toBe(ADMIT_UNKNOWN);
    expect(at(START_MS + 48 * HOUR_MS, SETTLED_IN_LAKE)).toBe(ADMIT_DUPLICATE);
    expect(at(START_MS - 48 * HOUR_MS)).toBe(ADMIT_UNSETTLED);
    expect(at(START_MS - 48 * HOUR_MS - 1)).toBe(ADMIT_UNKNOWN);
  });

  test("an order of records that a maybe leaves open is decided by the second call alone", () => {
    const set = testKernel().createIdentitySet();
    const first = randomIdentities(1, 3);
    set.insert(1, first, Float64Array.of(START_MS));
    set.seal(0);
    // The first is a maybe, which the lake denies; the second is out of the part's reach, but not of the first's.
    const twice = BigUint64Array.from([...first, ...first]);
    const ingest = Float64Array.of(START_MS + 48 * HOUR_MS, START_MS + 48 * HOUR_MS + 1);
    const verdicts = new Uint8Array(2);
    expect(set.admit(2, twice, ingest, verdicts)[0]).toBe(ADMIT_UNSETTLED);
    expect(set.tentative).toBe(0);
    const settled = Uint8Array.of(SETTLED_NEW, 0);
    expect([...set.admit(2, twice, ingest, verdicts, settled)]).toEqual([ADMIT_NEW, ADMIT_DUPLICATE]);
  });
});

describe("a budget", () => {
  test("is shared fairly: the largest gives first, small sets stay exact", () => {
    const kernel = testKernel({ identityBytes: 4 << 20 });
    const small = Array.from({ length: 50 }, () => kernel.createIdentitySet());
    for (const [i, set] of small.entries())
      set.insert(100, randomIdentities(100, i + 1), new Float64Array(100).fill(START_MS));
    const large = kernel.createIdentitySet();
    for (let i = 0; i < 80; i++) {
      large.insert(10_000, randomIdentities(10_000, 1000 + i), new Float64Array(10_000).fill(START_MS + i));
      expect(kernel.identityBudget.bytes).toBeLessThanOrEqual(4 << 20);
    }
    expect(large.size).toBe(800_000);
    expect(large.sealed).toBeGreaterThan(700_000);
    for (const set of small) expect([set.size, set.sealed]).toEqual([100, 0]);
    expect(large.parts(0).every(({ bytes }) => bytes > 0)).toBe(true);
    for (let i = 0; i < 80; i += 7) {
      const answers = lookUp(large, randomIdentities(10_000, 1000 + i), START_MS + i);
      expect(answers.every((answer) => answer === ADMIT_UNSETTLED || answer === ADMIT_DUPLICATE)).toBe(true);
    }
  });

  test("that not even filters fit into makes the oldest blind: slow, but nothing is forgotten", () => {
    const kernel = testKernel({ identityBytes: 1 << 20 });
    const set = kernel.createIdentitySet();
    for (let i = 0; i < 200; i++)
      set.insert(
        10_000,
        randomIdentities(10_000, i + 1),
        new Float64Array(10_000).fill(START_MS + i * 60_000),
      );
    expect(kernel.identityBudget.bytes).toBeLessThanOrEqual(1 << 20);
    const parts = set.parts(0);
    expect(parts.at(-1)!.bytes).toBe(0);
    expect(parts[0]!.bytes).toBeGreaterThan(0);
    expect(set.size).toBe(2_000_000);
    for (let i = 0; i < 200; i += 13) {
      const answers = lookUp(set, randomIdentities(10_000, i + 1), START_MS + i * 60_000);
      expect(answers.every((answer) => answer === ADMIT_UNSETTLED || answer === ADMIT_DUPLICATE)).toBe(true);
    }
  });

  test("a table as full as a part may be is sealed, not grown: with room left, and without an id lost", () => {
    const kernel = testKernel({ identityBytes: 512 << 20 });
    const set = kernel.createIdentitySet();
    const full = 2 ** 22 - 2 ** 19; // 7/8 of the slots
    const identities = randomIdentities(full + 1_000, 5);
    const ingestMs = new Float64Array(full + 1_000).fill(START_MS);
    for (let from = 0; from < full; from += 131_072)
      set.insert(131_072, identities.subarray(from * 2, (from + 131_072) * 2), ingestMs);
    expect([set.size, set.sealed]).toEqual([full, 0]);
    expect(set.generations()[0]!.slots).toBe(2 ** 22);
    set.insert(1_000, identities.subarray(full * 2), ingestMs);
    expect([set.size, set.sealed]).toEqual([full + 1_000, full]);
    for (let from = 0; from < full; from += 1_310_720) {
      const answers = lookUp(set, identities.subarray(from * 2, (from + 262_144) * 2), START_MS);
      expect(answers.every((answer) => answer === ADMIT_UNSETTLED || answer === ADMIT_DUPLICATE)).toBe(true);
    }
  });

  test("full to the brim with small tables is emptied by filters: what sealing takes was kept free", () => {
    const kernel = testKernel({ identityBytes: 1 << 18 });
    const sets = Array.from({ length: 150 }, () => kernel.createIdentitySet());
    for (const [i, set] of sets.entries()) {
      set.insert(100, randomIdentities(100, i + 1), new Float64Array(100).fill(START_MS));
      expect(kernel.identityBudget.bytes).toBeLessThanOrEqual(1 << 18);
    }
    const parts = sets.flatMap((set) => set.parts(0));
    expect(parts.length).toBeGreaterThan(50);
    expect(parts.every(({ size, bytes }) => size === 100 && bytes > 0)).toBe(true);
  });

  test("an empty set takes less than a kilobyte, and so does one that was emptied", () => {
    const kernel = testKernel({ identityBytes: 1 << 20 });
    const sets = Array.from({ length: 200 }, () => kernel.createIdentitySet());
    expect(kernel.identityBudget.bytes).toBeLessThan(200 * 1_000);
    for (const set of sets) {
      set.admit(1, randomIdentities(1, 4), Float64Array.of(START_MS), new Uint8Array(1));
      set.keep();
      expect(set.bytes).toBeLessThan(1_000);
      set.expire(START_MS + 99 * HOUR_MS);
      expect([set.size, set.bytes < 500]).toEqual([0, true]);
    }
  });

  test("one batch that is larger than the budget is refused, and the set lives on", () => {
    const kernel = testKernel({ identityBytes: 1 << 20 });
    const set = kernel.createIdentitySet();
    set.insert(1_000, randomIdentities(1_000, 1), new Float64Array(1_000).fill(START_MS));
    const many = randomIdentities(100_000, 2);
    const settled = new Uint8Array(100_000).fill(SETTLED_NEW);
    expect(() =>
      set.admit(100_000, many, new Float64Array(100_000).fill(START_MS), new Uint8Array(100_000), settled),
    ).toThrow("memory");
    expect([set.size, set.tentative]).toEqual([1_000, 0]);
    expect(
      set
        .generations()
        .flatMap((_, place) => set.parts(place))
        .every(({ bytes }) => bytes > 0),
    ).toBe(true);
  });
});
