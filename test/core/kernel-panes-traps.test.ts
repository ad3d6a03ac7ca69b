import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { Aggregate, PaneOptions } from "../../core/kernel-aggregate.ts";
import type { Panes } from "../../core/kernel-panes.ts";
import { Dice } from "../core-as/documents.ts";
import { FOREVER_US, drain, toBatch } from "../core-as/pane-history.ts";
import { PaneModel, type PaneRow, type Value } from "../core-as/pane-model.ts";
import { binModel, middleModel } from "../core-as/sketch-model.ts";
import { SEED as HASH_SEED, kernelModule, same, testKernel } from "../core-as/support.ts";
import { createKernel } from "../../core/kernel.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_412);
const MINUTE_US = 60_000_000n;
const HOUR_US = 60n * MINUTE_US;
const START_US = 1_767_225_600_000_000n;
const HORIZON_US = 2n ** 62n;

const hex = (text: string): string => Buffer.from(text).toString("hex");

function row(key: string, timeUs: bigint, values: readonly Value[] = []): PaneRow {
  return { key: hex(key), timeUs, partition: 0, offset: 0n, values };
}

/** Rows into panes and into the model, then everything out of both. */
function compare(
  options: PaneOptions,
  batches: readonly (readonly PaneRow[])[],
  watermarks: bigint[],
): number {
  const kernel = testKernel();
  const panes = kernel.createPanes(options);
  const model = new PaneModel(options);
  const found: string[] = [];
  batches.forEach((rows, i) => {
    const statuses = panes.add(toBatch(rows, options.columns), HORIZON_US);
    same(
      Array.from(statuses),
      rows.map((one) => model.add(one, HORIZON_US)),
      `batch ${i}`,
    );
    const watermarkUs = watermarks[i];
    if (watermarkUs === undefined) return;
    panes.advance(watermarkUs);
    model.advance(watermarkUs);
    found.push(...drain(panes, options, 100));
  });
  panes.advance(FOREVER_US);
  model.advance(FOREVER_US);
  found.push(...drain(panes, options, 100));
  const wanted = model.results();
  same(found, wanted, "results");
  same([panes.keyCount, panes.isPending], [0, false], "everything has left");
  return wanted.length;
}

describe("ring aliasing", () => {
  // distances at which a ring of hours, of minutes of a day or of 48 hours, or a narrower time would meet itself
  const distances = [60n, 64n, 128n, 256n, 1440n, 2048n, 2880n, 4096n, 2n ** 16n, 64n * 60n, 2n ** 32n].map(
    (minutes) => minutes * MINUTE_US,
  );
  distances.push(2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 59n);

  test.each(["tumbling", "hopping", "session"] as const)("%s windows never meet", (kind) => {
    const windows = {
      tumbling: { kind: "tumbling", sizeMinutes: 1 },
      hopping: { kind: "hopping", sizeMinutes: 180, hopMinutes: 60 },
      session: { kind: "session", gapMs: 60_000 },
    } as const;
    const options: PaneOptions = {
      window: windows[kind],
      columns: ["integer"],
      aggregates: [{ kind: "count" }, { kind: "sum", column: 0 }],
    };
    for (const base of [START_US, 0n, -1n, -HOUR_US * 1000n]) {
      const times = [base, ...distances.flatMap((distance) => [base + distance, base - distance])];
      const rows = times.map((timeUs, i) => row("k", timeUs, [BigInt(i)]));
      expect(compare(options, [rows, rows.toReversed()], [])).toBeGreaterThan(distances.length);
    }
  });

  test("a row beyond the horizon is told and is in no window", () => {
    const options: PaneOptions = {
      window: { kind: "tumbling", sizeMinutes: 1 },
      columns: [],
      aggregates: [{ kind: "count" }],
    };
    const panes = testKernel().createPanes(options);
    const rows = [0n, 2880n, 2881n, 1n << 40n].map((minutes) => row("k", START_US + minutes * MINUTE_US));
    const horizonUs = START_US + 2881n * MINUTE_US;
    expect([...panes.add(toBatch(rows, []), horizonUs)]).toEqual([0, 0, 3, 3]);
    panes.advance(FOREVER_US);
    expect(drain(panes, options, 10)).toHaveLength(2);
    expect([...panes.add(toBatch(rows, []), horizonUs)]).toEqual([2, 2, 3, 3]);
  });
});

describe("variants that agree while wrong", () => {
  // panes, partials and sessions share code, so agreeing with each other proves nothing: raw rows decide
  const everything: readonly Aggregate[] = [
    { kind: "count" },
    { kind: "sum", column: 0 },
    { kind: "sum", column: 1, compensated: true },
    { kind: "min", column: 1 },
    { kind: "last", column: 0 },
    { kind: "distinct", column: 0, indexBits: 8 },
    { kind: "quantiles", column: 0, shares: [0.5, 0.99] },
  ];

  test("48 hours by the minute, with rows that come late to hours already summed up", () => {
    const dice = new Dice(seededRandomness(SEED));
    const options: PaneOptions = {
      window: { kind: "hopping", sizeMinutes: 2880, hopMinutes: 60 },
      latenessMs: 600_000,
      columns: ["integer", "double"],
      aggregates: everything,
    };
    const batches: PaneRow[][] = [];
    const watermarks: bigint[] = [];
    for (let hour = 0n; hour < 60n; hour++) {
      const nowUs = START_US + hour * HOUR_US;
      batches.push(
        Array.from({ length: 6 }, () => {
          // half of them up to two days behind
          const behindUs = dice.chance(0.5) ? 0n : BigInt(dice.roll(2880)) * MINUTE_US;
          const timeUs = nowUs - behindUs + BigInt(dice.roll(3_000_000)) * 1000n;
          return row(dice.pick(["a", "b"]), timeUs, [BigInt(dice.roll(1000)), dice.roll(1e9) / 7]);
        }),
      );
      watermarks.push(nowUs);
    }
    expect(compare(options, batches, watermarks)).toBeGreaterThan(150);
  });

  test("a row on an edge is in the windows that hold it, before 1970, too", () => {
    for (const [sizeMinutes, hopMinutes] of [
      [1, 1],
      [60, 60],
      [61, 7],
      [120, 60],
      [180, 1],
    ] as const) {
      const options: PaneOptions = {
        window: { kind: "hopping", sizeMinutes, hopMinutes },
        columns: ["integer", "double"],
        aggregates: everything,
      };
      const edges = [0n, HOUR_US, -HOUR_US, MINUTE_US, -MINUTE_US, START_US, 7n * MINUTE_US];
      const rows = edges.flatMap((edge) =>
        [-1n, 0n, 1n].map((by) => row("k", edge + by, [edge + by, Number(by) / 3])),
      );
      compare(options, [rows], []);
    }
  });

  test("sums that meet on the way past what a word holds", () => {
    const options: PaneOptions = {
      window: { kind: "tumbling", sizeMinutes: 60 },
      columns: ["integer", "decimal"],
      aggregates: [
        { kind: "sum", column: 0 },
        { kind: "sum", column: 1 },
      ],
    };
    const most = 10n ** 38n - 1n;
    const big = 2n ** 63n - 1n;
    const cases: [bigint, bigint][][] = [
      [
        [big, most],
        [big, most],
        [-big, -most],
        [5n, 5n],
      ],
      [
        [-(2n ** 63n), -most],
        [-(2n ** 63n), -most],
        [-(2n ** 63n), 1n],
      ],
      [
        [big, most],
        [1n, 1n],
      ], // one digit too many: told, not wrapped
      [
        [1n, -most],
        [-1n, -1n],
      ],
      Array.from({ length: 500 }, () => [big, most] as [bigint, bigint]),
    ];
    const rows = cases.flatMap((some, i) =>
      some.map((values, j) => row(`case ${i}`, START_US + BigInt(j % 60) * MINUTE_US, values)),
    );
    expect(compare(options, [rows], [])).toBe(cases.length);
  });

  test("sessions that late rows join, in every order", () => {
    const options: PaneOptions = {
      window: { kind: "session", gapMs: 10 },
      columns: ["integer", "double"],
      aggregates: everything,
    };
    // the last two join the first three; the last one joins the first two, with nothing to spare
    const histories = [
      [0n, 10_001n, 20_002n, 30_003n, 5000n, 15_001n],
      [0n, 20_000n, 30_001n, 10_000n],
    ];
    const orders = (items: readonly bigint[]): bigint[][] =>
      items.length < 2
        ? [[...items]]
        : items.flatMap((one) =>
            orders(items.filter((other) => other !== one)).map((rest) => [one, ...rest]),
          );
    for (const order of histories.flatMap(orders)) {
      compare(
        options,
        order.map((timeUs) => [row("k", timeUs, [timeUs, Number(timeUs) * 0.1])]),
        [],
      );
    }
  });
});

describe("tables", () => {
  const options: PaneOptions = {
    window: { kind: "tumbling", sizeMinutes: 1 },
    columns: [],
    aggregates: [{ kind: "count" }],
  };

  test("overfull: every size around the load limits, emptied and filled again", () => {
    const panes = testKernel().createPanes(options);
    const empty = panes.bytes;
    let minute = 0n;
    for (let size = 0; size <= 200; size++) {
      const rows = Array.from({ length: size }, (_, i) =>
        row(`key ${(i * 7919) % 1000}`, minute * MINUTE_US),
      );
      const batch = toBatch([...rows, ...rows.toReversed()], []);
      panes.add(batch, HORIZON_US);
      expect(panes.keyCount).toBe(size);
      // the second half leaves, the first goes on
      const kept = rows
        .slice(0, size >> 1)
        .map(({ key }) => ({ ...row("", (minute + 1n) * MINUTE_US), key }));
      panes.add(toBatch(kept, []), HORIZON_US);
      panes.advance((minute + 1n) * MINUTE_US);
      const results = drain(panes, options, 33);
      expect(results).toHaveLength(size);
      expect(results.every((line) => line.endsWith(": 2"))).toBe(true);
      expect(panes.keyCount).toBe(size >> 1);
      expect([...panes.add(toBatch(kept, []), HORIZON_US)].every((status) => status === 0)).toBe(true);
      expect(panes.keyCount).toBe(size >> 1);
      minute += 2n;
      panes.advance(minute * MINUTE_US);
      expect(drain(panes, options, 1000)).toHaveLength(size >> 1);
      expect([panes.keyCount, panes.bytes]).toEqual([0, empty]);
    }
  });

  test("a budget is never passed, a refusal changes nothing, and what has left makes room", () => {
    const dice = new Dice(seededRandomness(SEED + 1));
    const kernel = testKernel();
    const panes = kernel.createPanes({ ...options, maxBytes: 60_000 });
    let refusals = 0;
    let counted = 0;
    let found = 0;
    for (let step = 0; step < 300; step++) {
      const rows = Array.from({ length: dice.roll(600) }, () =>
        row(`key ${dice.roll(2000)}`, BigInt(step + dice.roll(3)) * MINUTE_US),
      );
      const before = panes.snapshot();
      try {
        panes.add(toBatch(rows, []), HORIZON_US);
        counted += rows.length;
      } catch (error) {
        if (!hasCode(error, "kernel.memory")) throw error;
        refusals++;
        same(Buffer.compare(panes.snapshot(), before), 0, `step ${step}: a refused batch changes nothing`);
        panes.advance(BigInt(step + 1) * MINUTE_US);
        for (const line of drain(panes, options, 50)) found += Number(line.split(": ")[1]);
      }
      expect(panes.bytes).toBeLessThanOrEqual(60_000);
    }
    panes.advance(FOREVER_US);
    for (const line of drain(panes, options, 50)) found += Number(line.split(": ")[1]);
    expect(refusals).toBeGreaterThan(20);
    expect(found).toBeLessThanOrEqual(counted); // rows too late after a refusal do not count
    expect(found).toBeGreaterThan(counted / 2);
  });

  test("the kernel's own limit refuses as cleanly, and destroying gives everything back", () => {
    const kernel = testKernel({ maxMemoryBytes: 3 << 20 });
    const panes = kernel.createPanes({
      ...options,
      columns: ["integer"],
      aggregates: [
        { kind: "distinct", column: 0 },
        { kind: "quantiles", column: 0, shares: [0.5] },
      ],
    });
    let failure: unknown = null;
    let before = panes.snapshot();
    for (let i = 0; failure === null; i++) {
      const rows = Array.from({ length: 500 }, (_, j) => row(`${i} ${j % 5}`, START_US, [BigInt(j * i)]));
      before = panes.snapshot();
      try {
        panes.add(toBatch(rows, ["integer"]), HORIZON_US);
      } catch (error) {
        failure = error;
      }
    }
    expect(hasCode(failure, "kernel.memory")).toBe(true);
    expect(Buffer.compare(panes.snapshot(), before)).toBe(0);
    const filled = kernel.usedBytes;
    const own = panes.bytes;
    expect(own).toBeGreaterThan(500_000);
    panes.destroy();
    expect(kernel.usedBytes).toBeLessThanOrEqual(filled - own); // scratch memory stays
    expect(() => panes.bytes).toThrow("were destroyed");
  });
});

/** The positive double so many places further. */
function moved(value: number, places: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(places));
  return view.getFloat64(0);
}

describe("estimates", () => {
  const options: PaneOptions = {
    window: { kind: "hopping", sizeMinutes: 120, hopMinutes: 60 },
    columns: ["integer", "double"],
    aggregates: [
      { kind: "distinct", column: 0 },
      { kind: "quantiles", column: 1, shares: [0, 0.25, 0.5, 0.95, 0.99, 0.999, 1] },
    ],
  };

  function addAll(panes: Panes, rows: readonly PaneRow[]): void {
    for (let from = 0; from < rows.length; from += 997)
      panes.add(toBatch(rows.slice(from, from + 997), options.columns), HORIZON_US);
  }

  test("different values within five standard errors, quantiles within 1 %, and both as the model says", () => {
    const dice = new Dice(seededRandomness(SEED + 2));
    for (const different of [1, 10, 200, 300, 3000, 30_000]) {
      const panes = testKernel().createPanes(options);
      const rows = Array.from({ length: Math.max(500, different * 1.2) }, (_, i) => {
        const value = i < different ? i : dice.roll(different);
        const latency = Math.exp(dice.roll(1_000_000) / 50_000) * dice.pick([1e-3, 1, 1000]);
        return row("k", START_US + BigInt(dice.roll(119)) * MINUTE_US, [BigInt(value) * 977n, latency]);
      });
      addAll(panes, rows);
      panes.advance(START_US + 2n * HOUR_US);
      const results = panes.release(10)!;
      expect(results.count).toBe(2);
      expect(panes.release(1)).toBeNull();
      const estimate = results.columns[0]!.values[1] as number;
      expect(Math.abs(estimate / different - 1)).toBeLessThan((5 * 1.04) / 64);
      const truth = rows.map(({ values }) => values[1] as number).sort((a, b) => a - b);
      [0, 0.25, 0.5, 0.95, 0.99, 0.999, 1].forEach((share, i) => {
        const exact = truth[Math.floor(share * (truth.length - 1))]!;
        const found = results.columns[1]!.values[7 + i] as number;
        expect(Math.abs(found - exact) / exact).toBeLessThanOrEqual(0.01);
        expect(found).toBe(middleModel(binModel(exact)));
      });
    }
  });

  test("a number on the bound of two bins is in the upper one, its neighbour in the lower one", () => {
    const rows: PaneRow[] = [];
    for (let bin = 1; bin < 35; bin++) {
      for (const octave of [-1000, -1, 0, 1, 900]) {
        let last = moved(2 ** (bin / 35) * 2 ** octave, -8);
        while (binModel(moved(last, 1)) === binModel(last)) last = moved(last, 1);
        for (const value of [last, moved(last, 1), moved(last, 2)])
          rows.push(row(`${rows.length}`, START_US, [0n, value]));
      }
    }
    expect(compare(options, [rows], [])).toBe(rows.length * 2);
  });

  test("do not depend on the process: another seed of the hash tables, the same bytes", () => {
    const rows = Array.from({ length: 3000 }, (_, i) =>
      row(`k${i % 300}`, START_US + BigInt(i % 100) * MINUTE_US, [BigInt(i * 31), i / 3]),
    );
    const kernels = [testKernel(), createKernel(kernelModule, HASH_SEED.toReversed())];
    const [one, two] = kernels.map((kernel) => {
      const panes = kernel.createPanes(options);
      addAll(panes, rows);
      return panes.snapshot();
    });
    expect(Buffer.compare(one!, two!)).toBe(0);
  });
});

describe("a state image", () => {
  const options: PaneOptions = {
    window: { kind: "hopping", sizeMinutes: 120, hopMinutes: 1 },
    columns: ["integer", "text"],
    aggregates: [
      { kind: "sum", column: 0 },
      { kind: "distinct", column: 1 },
    ],
  };
  const kernel = testKernel();
  const panes = kernel.createPanes(options);
  const rows = Array.from({ length: 4000 }, (_, i) =>
    row(`k${i % 700}`, START_US + BigInt(i % 300) * MINUTE_US, [BigInt(i), Buffer.from(`text ${i}`)]),
  );
  panes.add(toBatch(rows, options.columns), HORIZON_US);
  const image = panes.snapshot();
  const refused = (bytes: Uint8Array, as: PaneOptions = options): unknown => {
    try {
      kernel.restorePanes(as, bytes).destroy();
    } catch (error) {
      return hasCode(error, "kernel.image") ? error.message : error;
    }
    return null;
  };

  test("is refused when damaged anywhere, cut off, or of something else", () => {
    const { usedBytes } = kernel;
    expect(refused(image)).toBeNull();
    for (let at = 0; at < image.length; at += 1 + (at > 500 ? 4999 : 0)) {
      const damaged = image.slice();
      damaged[at]! ^= 1 << (at % 8);
      expect(refused(damaged), `byte ${at}`).toContain("cannot be used");
    }
    for (const length of [0, 5, 20, 100, image.length - 1, image.length - 17])
      expect(refused(image.slice(0, length)), `${length} bytes`).toContain("cannot be used");
    expect(refused(Uint8Array.from([...image, 0]))).toContain("damaged");
    expect(refused(kernel.createKeyedTimers().snapshot())).toContain("another operator");
    expect(refused(image, { ...options, latenessMs: 1 })).toContain("other parameters");
    expect(refused(image, { ...options, maxBytes: 1 << 30 })).toBeNull();
    expect(kernel.usedBytes - usedBytes).toBeLessThan(4 << 20);
  });

  test("of more than fits a section comes back whole; one that does not fit the budget is refused", () => {
    expect(image.length).toBeGreaterThan(100_000);
    const large = kernel.createPanes({ ...options, aggregates: [{ kind: "sum", column: 0 }] });
    for (let part = 0; part < 30; part++) {
      const some = rows.map((one) => ({ ...one, key: hex(`${part} ${one.key} of many`) }));
      large.add(toBatch(some, options.columns), HORIZON_US);
    }
    const bytes = large.snapshot();
    expect(bytes.length).toBeGreaterThan(2 << 20);
    const declared: PaneOptions = { ...options, aggregates: [{ kind: "sum", column: 0 }] };
    const copy = kernel.restorePanes(declared, bytes);
    expect(Buffer.compare(copy.snapshot(), bytes)).toBe(0);
    copy.destroy();
    expect(() => kernel.restorePanes({ ...declared, maxBytes: 100_000 }, bytes)).toThrow(
      expect.toSatisfy((error) => hasCode(error, "kernel.memory")),
    );
  });
});

test("300,000 keys, of which some share a hash of 32 bits, stay apart when they come again", () => {
  const KEYS = 300_000;
  const BATCH = 10_000;
  const panes = testKernel().createPanes({
    window: { kind: "hopping", sizeMinutes: 1, hopMinutes: 1 },
    columns: [],
    aggregates: [{ kind: "count" }],
  });
  const timesUs = new BigInt64Array(BATCH).fill(START_US);
  const keys = Uint32Array.from({ length: BATCH * 2 }, (_, i) => (i % 2 === 0 ? i * 4 : 8));
  for (let from = 0; from < KEYS * 3; from += BATCH) {
    const numbers = BigUint64Array.from(
      { length: BATCH },
      (_, i) => BigInt((from + i) % KEYS) ** 3n * 0x9e37_79b9_7f4a_7c15n,
    );
    const bytes = new Uint8Array(numbers.buffer);
    panes.add({ count: BATCH, bytes, keys, timesUs, columns: [] }, HORIZON_US);
  }
  expect(panes.keyCount).toBe(KEYS);
  panes.advance(START_US + HOUR_US);
  const counts = new Map<bigint, number>();
  for (let results = panes.release(BATCH); results; results = panes.release(BATCH))
    for (const count of new BigInt64Array(results.columns[0]!.values.buffer))
      counts.set(count, (counts.get(count) ?? 0) + 1);
  expect([...counts]).toEqual([[3n, KEYS]]);
});
