import * as fc from "fast-check";
import { expect, test } from "vitest";
import { freshPartition, type LandedPartition } from "../../core/landed.ts";
import { advanceWatermark, idleWatermark } from "../../core/watermark.ts";

const year = 365 * 86_400_000;
const timeUs = fc.option(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), { nil: undefined });
const partitions = fc.array(fc.record({ newestUs: timeUs, isIdle: fc.boolean() }), { maxLength: 6 });

function landed(some: readonly { newestUs: bigint | undefined; isIdle: boolean }[]): LandedPartition[] {
  return some.map((one, i) => ({ ...freshPartition("log", "stream", i), ...one }));
}

/** Counts down from the newest candidate to the first ms that every counting partition has passed. */
function slowWatermark(current: number | undefined, some: readonly LandedPartition[], disorderMs: number) {
  const counting = some.filter(({ isIdle }) => !isIdle);
  if (counting.length === 0 || counting.some(({ newestUs }) => newestUs === undefined)) return current;
  const passed = (ms: number): boolean => counting.every(({ newestUs }) => BigInt(ms) * 1_000n <= newestUs!);
  let ms = Math.min(...counting.map(({ newestUs }) => Math.ceil(Number(newestUs) / 1_000))) + 2;
  while (!passed(ms)) ms--;
  return current === undefined || ms - disorderMs > current ? ms - disorderMs : current;
}

test("the minimum over the partitions that count, and never back", () => {
  fc.assert(
    fc.property(fc.array(partitions, { maxLength: 8 }), fc.nat(100_000), (steps, disorderMs) => {
      let watermarkMs: number | undefined;
      for (const step of steps) {
        const now = landed(step);
        const next = advanceWatermark(watermarkMs, now, disorderMs);
        expect(next).toBe(slowWatermark(watermarkMs, now, disorderMs));
        expect(next ?? -Infinity).toBeGreaterThanOrEqual(watermarkMs ?? -Infinity);
        watermarkMs = next;
      }
    }),
    { numRuns: 300 },
  );
});

test("a partition that has not spoken holds it, unless it is idle", () => {
  const spoken = { newestUs: 5_000_000n, isIdle: false };
  expect(advanceWatermark(1, landed([spoken, { newestUs: undefined, isIdle: false }]), 0)).toBe(1);
  expect(advanceWatermark(1, landed([spoken, { newestUs: undefined, isIdle: true }]), 0)).toBe(5_000);
});

test("a time before 1970 is rounded down, not towards zero", () => {
  expect(advanceWatermark(undefined, landed([{ newestUs: -1n, isIdle: false }]), 0)).toBe(-1);
});

test("wall time takes over only when everything is idle and something has landed", () => {
  fc.assert(
    fc.property(
      partitions,
      fc.option(fc.integer({ min: -year, max: year }), { nil: undefined }),
      fc.nat(year),
      (some, current, nowMs) => {
        const isSilent =
          some.every(({ isIdle }) => isIdle) && some.some(({ newestUs }) => newestUs !== undefined);
        const next = idleWatermark(current, landed(some), nowMs, 60_000, 5_000);
        expect(next).toBe(isSilent ? Math.max(current ?? -Infinity, nowMs - 65_000) : current);
      },
    ),
  );
});
