import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import { createKernel } from "../../core/kernel.ts";
import { packRecords } from "../../core/record.ts";
import { Dice, randomObject, spell } from "../core-as/documents.ts";
import { sipHashModel } from "../core-as/siphash-model.ts";
import { kernelModule, SECRET, SEED, testKernel } from "../core-as/support.ts";

const encoder = new TextEncoder();
const ENOUGH = { maxBytes: 999_000, maxDepth: 64 };

function word(hex: string): bigint {
  return BigInt(`0x${hex.match(/../g)!.toReversed().join("")}`);
}

function isRefused(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return hasCode(error, "kernel.memory");
  }
}

describe("hashes", () => {
  // of the SipHash reference implementation: key 00..0f, message 00, 01, .. of so many bytes
  const VECTORS: Readonly<Record<number, readonly [string, string]>> = {
    0: ["310e0edd47db6f72", "a3817f04ba25a8e66df67214c7550293"],
    1: ["fd67dc93c539f874", "da87c1d86b99af44347659119b22fc45"],
    7: ["37d1018bf50002ab", "a1f1ebbed8dbc153c0b84aa61ff08239"],
    8: ["6224939a79f5f593", "3b62a9ba6258f5610f83e264f31497b4"],
    9: ["b0e4a90bdf82009e", "264499060ad9baabc47f8b02bb6d71ed"],
    15: ["e545be4961ca29a1", "5493e99933b0a8117e08ec0f97cfc3d9"],
    16: ["db9bc2577fcc2a3f", "6ee2a4ca67b054bbfd3315bf85230577"],
    31: ["42c341d8fa92d832", "2939b0183223fafc1723de4f52c43d35"],
    63: ["724506eb4c328a95", "5150d1772f50834a503e069a973fbd7c"],
  };
  const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);

  test("the model gives the published vectors", () => {
    for (const [length, [narrow, wide]] of Object.entries(VECTORS)) {
      const message = Uint8Array.from({ length: Number(length) }, (_, i) => i);
      expect(sipHashModel(KEY, message, false)).toEqual([word(narrow)]);
      expect(sipHashModel(KEY, message, true)).toEqual([word(wide.slice(0, 16)), word(wide.slice(16))]);
    }
  });

  test("hash64 is SipHash-2-4 under the published key, 63 bits of it", () => {
    const kernel = testKernel();
    const mask = (1n << 63n) - 1n;
    for (const [length, [narrow]] of Object.entries(VECTORS)) {
      const message = Uint8Array.from({ length: Number(length) }, (_, i) => i);
      expect(kernel.hash64(message)).toBe(word(narrow) & mask);
    }
    const dice = new Dice(seededRandomness(1));
    for (let length = 0; length < 300; length++) {
      const message = Uint8Array.from({ length }, () => dice.roll(256));
      expect(kernel.hash64(message)).toBe(sipHashModel(KEY, message, false)[0]! & mask);
    }
  });
});

describe("order", () => {
  const kernel = testKernel();

  test("is Array.sort's, for any times and any selection", () => {
    const dice = new Dice(seededRandomness(7));
    const limits = [0n, -1n, 1n, 2n ** 63n - 1n, -(2n ** 63n), 1_767_225_600_000_000n];
    for (let round = 0; round < 400; round++) {
      const count = dice.pick([0, 1, 2, 47, 48, 49, 300, 2000]);
      const spread = dice.pick([1, 3, 300, 70_000, 2 ** 31]);
      const base = dice.pick([...limits]);
      const times = BigInt64Array.from({ length: count }, () =>
        dice.chance(0.02)
          ? dice.pick(limits)
          : base + BigInt(dice.roll(spread)) * (dice.chance(0.5) ? 1n : -1n),
      );
      const selected = Uint32Array.from(times.keys()).filter(() => dice.chance(0.8));
      if (dice.chance(0.2)) selected.reverse();
      const place = new Map([...selected].map((position, i) => [position, i]));
      const wanted = [...selected].sort((a, b) => {
        if (times[a]! !== times[b]!) return times[a]! < times[b]! ? -1 : 1;
        return place.get(a)! - place.get(b)!;
      });
      expect([...kernel.order(times, selected)]).toEqual(wanted);
    }
  });

  test("takes a scan's own column, and refuses positions outside of it", () => {
    const plan = kernel.plan([{ keys: ["t"], kind: "time" }], ENOUGH);
    const texts = [5, 3, 9, 3].map((second) => `{"t":"2026-03-01T00:00:0${second}Z"}`);
    const records = packRecords(texts.map((text) => ({ payload: encoder.encode(text) })));
    const scan = kernel.scanRecords(plan, records, SECRET);
    expect([...kernel.order(scan.timesUs(0), Uint32Array.of(0, 1, 2, 3))]).toEqual([1, 3, 0, 2]);
    expect(() => kernel.order(scan.timesUs(0), Uint32Array.of(4))).toThrow("outside");
    const startMs = Date.parse("2026-03-01T00:00:00Z");
    const ingest = new Float64Array(4).fill(startMs + 4000);
    expect(kernel.newest(scan.timesUs(0), ingest, Uint32Array.of(0, 1, 2), 0)).toBe(
      BigInt(startMs + 3000) * 1000n,
    );
    expect(kernel.newest(scan.timesUs(0), ingest, Uint32Array.of(0, 1, 2), 1000)).toBe(
      BigInt(startMs + 5000) * 1000n,
    );
  });

  test("the newest time is the largest that is not ahead of its ingest time by more than the skew", () => {
    const dice = new Dice(seededRandomness(8));
    for (let round = 0; round < 500; round++) {
      const count = dice.roll(20);
      const ingest = Float64Array.from({ length: count }, () => 1_767_225_600_000 + dice.roll(100));
      const times = BigInt64Array.from(
        ingest,
        (ms) => BigInt(ms) * 1000n + BigInt(dice.roll(60_000) - 30_000) - (dice.chance(0.1) ? 2n ** 62n : 0n),
      );
      const selected = Uint32Array.from(times.keys()).filter(() => dice.chance(0.7));
      const skewMs = dice.pick([0, 1, 10, 29, 1000, Infinity]);
      const allowed = [...selected].filter(
        (i) => skewMs === Infinity || times[i]! <= (BigInt(ingest[i]!) + BigInt(skewMs)) * 1000n,
      );
      const wanted = allowed.reduce<bigint | null>(
        (best, i) => (best === null || times[i]! > best ? times[i]! : best),
        null,
      );
      expect(kernel.newest(times, ingest, selected, skewMs)).toBe(wanted);
    }
  });
});

describe("memory", () => {
  test("scratch is used again: 10,000 calls of all sizes take no more than the largest", () => {
    const kernel = testKernel();
    const dice = new Dice(seededRandomness(9));
    const paths = [
      { keys: ["a"], kind: "id" },
      { keys: ["b"], kind: "text", javaHash: true },
    ] as const;
    const bodies = Array.from({ length: 30 }, () => {
      const items = Array.from({ length: dice.roll(dice.chance(0.1) ? 200 : 12) }, () =>
        spell(dice, randomObject(dice, 3)),
      );
      return encoder.encode(`[${items.join(",")}]`);
    });
    const call = (i: number): void => {
      const plan = kernel.plan(paths, ENOUGH);
      const body = bodies[i % bodies.length]!;
      const scan = kernel.scanArray(plan, body, SECRET);
      const set = kernel.createIdentitySet();
      set.admit(scan.count, scan.identities(0), new Float64Array(scan.count).fill(1e12), scan.verdicts);
      if (i % 2 === 0) set.undo();
      kernel.order(
        new BigInt64Array(scan.count).map((_, k) => BigInt(k % 7)),
        Uint32Array.from(scan.starts.keys()),
      );
      kernel.hash64(body);
      set.destroy();
      plan.destroy();
    };
    for (let i = 0; i < 60; i++) call(i);
    const { memoryBytes, usedBytes } = kernel;
    for (let i = 0; i < 10_000; i++) call(i);
    expect(kernel.memoryBytes).toBe(memoryBytes);
    expect(kernel.usedBytes).toBe(usedBytes);
  });

  test("what does not fit is refused with kernel.memory, and the kernel works on", () => {
    const kernel = testKernel({ maxMemoryBytes: 2 << 20 });
    const plan = kernel.plan([{ keys: ["a"], kind: "text" }], { maxBytes: 50_000_000, maxDepth: 64 });
    const small = packRecords([{ payload: encoder.encode('{"a":1}') }]);
    const keys = Array.from({ length: 60_000 }, (_, i) => `"${i}":0`).join(",");
    const requests: (() => unknown)[] = [
      () => kernel.scanArray(plan, new Uint8Array(3_000_000), SECRET),
      () => kernel.scanRecords(plan, packRecords([{ payload: new Uint8Array(3_000_000) }]), SECRET),
      () => kernel.scanRecords(plan, packRecords([{ payload: encoder.encode(`{${keys}}`) }]), SECRET),
      () =>
        kernel.scanArray(plan, encoder.encode(`[${"{},".repeat(200_000)}{}]`), SECRET, { maxItems: 300_000 }),
      () => kernel.hash64(new Uint8Array(3_000_000)),
      () =>
        kernel.order(
          new BigInt64Array(100_000).map((_, i) => BigInt(-i)),
          Uint32Array.from({ length: 100_000 }, (_, i) => i),
        ),
      () =>
        kernel.plan([], { maxBytes: 1, maxDepth: 65_535 }) &&
        kernel.plan([], { maxBytes: 1, maxDepth: 65_535 }),
    ];
    requests.forEach((request, i) => {
      expect([i, isRefused(request)]).toEqual([i, true]);
      expect([...kernel.scanRecords(plan, small, SECRET).verdicts]).toEqual([0]);
    });
  });

  test("growing memory leaves scans readable", () => {
    const kernel = testKernel();
    const plan = kernel.plan([{ keys: ["a"], kind: "id" }], ENOUGH);
    const scan = kernel.scanRecords(plan, packRecords([{ payload: encoder.encode('{"a":"x"}') }]), SECRET);
    const before = { verdicts: scan.verdicts, identities: scan.identities(0).slice() };
    kernel.hash64(new Uint8Array(40 << 20));
    expect(before.verdicts.length).toBe(0); // detached
    expect([...scan.verdicts]).toEqual([0]);
    expect(scan.identities(0)).toEqual(before.identities);
    expect(scan.text(0, 0)).toBe("x");
  });

  test("allocations of all sizes in any order never overlap and come back whole", () => {
    const kernel = testKernel();
    const dice = new Dice(seededRandomness(10));
    const sets = Array.from({ length: 40 }, () => kernel.createIdentitySet());
    const owned = sets.map(() => new Set<number>());
    for (let step = 0; step < 3000; step++) {
      const i = dice.roll(sets.length);
      const set = sets[i]!;
      const numbers = Array.from({ length: dice.roll(dice.chance(0.05) ? 3000 : 60) }, () =>
        dice.roll(100_000),
      );
      const identities = BigUint64Array.from(numbers.flatMap((number) => [BigInt(number), BigInt(i)]));
      const answers = set.admit(
        numbers.length,
        identities,
        new Float64Array(numbers.length).fill(1e12),
        new Uint8Array(numbers.length),
      );
      const wanted = numbers.map((number) => {
        const isKnown = owned[i]!.has(number);
        owned[i]!.add(number);
        return isKnown ? 0 : 1;
      });
      expect(answers.join("")).toBe(wanted.join(""));
      set.keep();
      if (dice.chance(0.05)) {
        set.clear();
        owned[i]!.clear();
      }
    }
    const total = sets.reduce((sum, set) => sum + set.bytes, 0);
    const before = kernel.usedBytes;
    for (const set of sets) set.destroy();
    expect(before - kernel.usedBytes).toBe(total);
  });
});

describe("contract", () => {
  test("wrong arguments are bugs, and say which", () => {
    const kernel = testKernel();
    const plan = kernel.plan([], ENOUGH);
    expect(() => createKernel(kernelModule, new Uint8Array(15))).toThrow("16 bytes");
    expect(() => kernel.scanRecords(plan, packRecords([]), new Uint8Array(8))).toThrow("16 bytes");
    expect(() => kernel.plan([{ keys: [], kind: "text" }], ENOUGH)).toThrow("a path has 1 to 255 keys");
    const many = Array.from({ length: 33 }, () => ({ keys: ["a"], kind: "text" }) as const);
    expect(() => kernel.plan(many, ENOUGH)).toThrow("at most 32 paths");
    expect(() => kernel.plan([], { maxBytes: 1, maxDepth: 0 })).toThrow("maxDepth");
    expect(() => kernel.createIdentitySet({ horizonMs: 10, generationMs: 11 })).toThrow(
      "no longer than the horizon",
    );
    expect(() => kernel.verdictCode(0)).toThrow("no error for verdict 0");
    plan.destroy();
    expect(() => kernel.scanRecords(plan, packRecords([]), SECRET)).toThrow("destroyed");
  });

  test("two kernels with different seeds agree on everything", () => {
    const other = createKernel(
      kernelModule,
      SEED.map((byte) => byte ^ 0xff),
    );
    const kernel = testKernel();
    expect(other.hash64(SEED)).toBe(kernel.hash64(SEED));
    expect(other.identities(["a"], SECRET)).toEqual(kernel.identities(["a"], SECRET));
  });
});
