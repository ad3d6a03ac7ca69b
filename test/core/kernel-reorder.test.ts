import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import {
  REORDER_AHEAD,
  REORDER_HELD,
  REORDER_LATE,
  type ReorderBatch,
  type ReorderBuffer,
} from "../../core/kernel-reorder.ts";
import { Dice } from "../core-as/documents.ts";
import { columnsOf, liveReorder, noReorderCounts, recordsOf } from "../core-as/reorder-histories.ts";
import { testKernel } from "../core-as/support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_305);
/** The proof runs 10,000 and more of each kind. */
const HISTORIES = Number(process.env["HISTORIES"] ?? 300);

function batchOf(times: readonly (number | bigint)[]): ReorderBatch {
  return columnsOf(times.map((time, i) => ({ timeUs: BigInt(time), partition: 0, offset: i, payload: i })));
}

function drain(buffer: ReorderBuffer): readonly bigint[] {
  return recordsOf(buffer.release(1 << 20)).map(({ timeUs }) => timeUs);
}

describe("histories", () => {
  test("equal a sorted array's, wherever they are cut by an image", { timeout: 3_600_000 }, () => {
    const kernel = testKernel();
    const before = kernel.usedBytes;
    const counts = noReorderCounts();
    for (let i = 0; i < HISTORIES; i++)
      liveReorder(kernel, new Dice(seededRandomness(SEED + i)), `seed ${SEED + i}`, false, counts);
    if (HISTORIES > 5000) console.log("reorder", JSON.stringify(counts));
    expect(counts.released).toBeGreaterThan(HISTORIES * 20);
    expect(Math.min(counts.late, counts.ahead, counts.images, counts.refusals)).toBeGreaterThan(
      HISTORIES / 10,
    );
    // everything was given back but scratch memory
    expect(kernel.usedBytes - before).toBeLessThan(4 << 20);
  });

  test("in which calls run out of memory lose and change nothing", { timeout: 3_600_000 }, () => {
    const counts = noReorderCounts();
    for (let i = 0; i < HISTORIES; i++) {
      const seed = SEED + 1_000_000 + i;
      const dice = new Dice(seededRandomness(seed));
      const kernel = testKernel({ maxMemoryBytes: (2 + dice.roll(6)) * 65_536 });
      liveReorder(kernel, dice, `seed ${seed}`, true, counts);
    }
    if (HISTORIES > 5000) console.log("reorder without memory", JSON.stringify(counts));
    expect(counts.refusals).toBeGreaterThan(HISTORIES / 10);
  });
});

describe("the ring", () => {
  test("never takes a record a whole turn ahead for one of now (ring aliasing)", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer({ sliceUs: 1, slices: 64 });
    buffer.advance(0n);
    // the same place of the ring, 0 to 4 turns later
    const answers = buffer.push(batchOf([5, 5 + 64, 5 + 128, 5 + 192, 5 + 256, 63, 64]));
    expect([...answers]).toEqual([
      REORDER_HELD,
      REORDER_AHEAD,
      REORDER_AHEAD,
      REORDER_AHEAD,
      REORDER_AHEAD,
      REORDER_HELD,
      REORDER_AHEAD,
    ]);
    buffer.advance(6n);
    expect(drain(buffer)).toEqual([5n]);
    buffer.advance(70n);
    expect(drain(buffer)).toEqual([63n, 64n, 69n]);
    buffer.advance(1000n);
    expect(drain(buffer)).toEqual([133n, 197n, 261n]);
  });

  test("does not alias while what the watermark has passed is still being released", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer({ sliceUs: 1, slices: 64 });
    buffer.advance(0n);
    buffer.push(batchOf([1, 2, 3]));
    buffer.advance(60n);
    expect(recordsOf(buffer.release(1)).map(({ timeUs }) => timeUs)).toEqual([1n]);
    // places 1 to 3 of the ring are taken, and these want them, too; judged by the watermark they are near
    expect([...buffer.push(batchOf([65, 66, 67, 123, 124]))]).toEqual([
      REORDER_HELD,
      REORDER_HELD,
      REORDER_HELD,
      REORDER_HELD,
      REORDER_AHEAD,
    ]);
    buffer.advance(200n);
    expect(drain(buffer)).toEqual([2n, 3n, 65n, 66n, 67n, 123n, 124n]);
  });

  test("is jumped over by an idle watermark without losing or misplacing anything", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer({ sliceUs: 1024, slices: 64 });
    buffer.advance(-1_000_000n);
    const times = Array.from({ length: 500 }, (_, i) => BigInt((i * 7919) % 1000) * 1_000_003n - 900_000n);
    buffer.push(batchOf(times));
    buffer.advance(10n ** 15n);
    expect(drain(buffer)).toEqual(times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
    expect(buffer.size).toBe(0);
  });

  test("holds everything before the first watermark and around 1970", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer({ sliceUs: 8, slices: 64 });
    expect(new Set(buffer.push(batchOf([3, -1, -8, -9, 0, 10 ** 15])))).toEqual(new Set([REORDER_HELD]));
    expect(drain(buffer)).toEqual([]);
    buffer.advance(0n);
    expect(drain(buffer)).toEqual([-9n, -8n, -1n]);
    expect([...buffer.push(batchOf([-1, 0]))]).toEqual([REORDER_LATE, REORDER_HELD]);
    buffer.advance(4n);
    expect(drain(buffer)).toEqual([0n, 0n, 3n]);
    expect(buffer.ahead).toBe(1);
  });

  test("sorts 200,000 records of one microsecond by partition and offset in a moment", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer();
    const count = 200_000;
    const records = Array.from({ length: count }, (_, i) => ({
      timeUs: 7n,
      partition: (i * 31) % 16,
      offset: (i * 7919) % 100_003,
      payload: i,
    }));
    buffer.push(columnsOf(records));
    buffer.advance(8n);
    const wanted = records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
    expect([...buffer.release(count).payloads]).toEqual(wanted.map(({ payload }) => payload));
  });
});

describe("budgets", () => {
  const options = { sliceUs: 1, slices: 64, maxBytes: 1088 * 100, maxAheadBytes: 2176 };

  test("refuse a batch as a whole, and wrong clocks do not fill the buffer", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer(options);
    buffer.advance(0n);
    const far = batchOf(Array.from({ length: 82 }, () => 10 ** 12));
    buffer.push(far);
    const image = buffer.snapshot();
    expect(() => buffer.push(batchOf([1, 10 ** 12]))).toThrow("for records that are ahead");
    expect(Buffer.compare(buffer.snapshot(), image)).toBe(0);
    // the way on: have them only reported
    expect([...buffer.push(batchOf([1, 10 ** 12]), false)]).toEqual([REORDER_HELD, REORDER_AHEAD]);
    expect([buffer.size, buffer.ahead]).toEqual([83, 82]);
    const room = buffer.capacity - buffer.size;
    expect(() => buffer.push(batchOf(Array.from({ length: room + 1 }, () => 2)))).toThrow(
      "budget is used up",
    );
    buffer.push(batchOf(Array.from({ length: room }, () => 2)));
    expect(buffer.bytes).toBeLessThanOrEqual(options.maxBytes);
  });

  test("hold for records as thinly spread as can be", () => {
    const kernel = testKernel();
    const buffer = kernel.createReorderBuffer(options);
    buffer.advance(0n);
    buffer.push(batchOf(Array.from({ length: 64 }, (_, i) => i)));
    buffer.push(batchOf(Array.from({ length: buffer.capacity - 64 }, () => 63)));
    expect(buffer.bytes).toBeLessThanOrEqual(options.maxBytes);
  });
});

describe("a state image", () => {
  const kernel = testKernel();
  const make = (slices = 64): ReorderBuffer => kernel.createReorderBuffer({ sliceUs: 1024, slices });

  test("is refused when it is damaged anywhere, cut, of other parameters or of nothing at all", () => {
    const buffer = make();
    buffer.push(batchOf([1, 5, 3]));
    buffer.advance(2n);
    const image = buffer.snapshot();
    const refusal = (bytes: Uint8Array, fresh = make()): unknown => {
      try {
        fresh.restore(bytes);
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
    for (const length of [0, 8, 40, image.length - 1])
      expect(refusal(image.subarray(0, length))).toMatch(/damaged|no state image/);
    expect(refusal(image, make(128))).toMatch("other parameters");
    expect(refusal(image)).toBe(undefined);
  });

  test("does not fit into a smaller buffer", () => {
    const buffer = make();
    buffer.push(batchOf(Array.from({ length: 5000 }, (_, i) => i)));
    const small = kernel.createReorderBuffer({ sliceUs: 1024, slices: 64, maxBytes: 100_000 });
    expect(() => small.restore(buffer.snapshot())).toThrow("budget");
  });

  test("of nothing is an image, too", () => {
    const copy = make();
    copy.restore(make().snapshot());
    expect([copy.size, copy.watermarkUs]).toEqual([0, undefined]);
  });
});
