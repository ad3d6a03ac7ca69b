/** The share of time in which something worked: its edges, and a steady load beside the load itself. */
import { expect, test } from "vitest";
import { BusyMeter, MEMORY_MS } from "../../core/busy-meter.ts";

test("nothing worked: 0; always worked: 1; it fades by the same time as it comes", () => {
  const meter = new BusyMeter(1_000);
  expect(meter.share(1_000)).toBe(0);
  expect(meter.lastMs).toBe(null);
  meter.worked(1_000, 1_000 + 20 * MEMORY_MS);
  expect(meter.share(1_000 + 20 * MEMORY_MS)).toBeCloseTo(1, 6);
  expect(meter.share(1_000 + 21 * MEMORY_MS)).toBeCloseTo(Math.exp(-1), 6);
  expect(meter.lastMs).toBe(20 * MEMORY_MS);
});

test.each([0.1, 0.5, 0.9])("a steady load of %f is told as such", (load) => {
  const meter = new BusyMeter(0);
  let nowMs = 0;
  for (; nowMs < 10 * MEMORY_MS; nowMs += 1_000) meter.worked(nowMs, nowMs + load * 1_000);
  expect(Math.abs(meter.share(nowMs) - load)).toBeLessThan(0.02);
});

test("a clock that stands still does no harm", () => {
  const meter = new BusyMeter(5);
  meter.worked(5, 5);
  expect(meter.share(5)).toBe(0);
  expect(meter.share(0)).toBe(0);
});
