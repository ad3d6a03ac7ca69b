import { expect, test } from "vitest";
import { Backoff, spread } from "../../core/backoff.ts";

const always = (fraction: number) => ({ fraction: () => fraction, uuid: () => "" });

test("pauses double up to their bound, and begin again", () => {
  const pause = new Backoff(100, 1_000, always(1));
  expect(Array.from({ length: 6 }, () => pause.next())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  for (let i = 0; i < 3_000; i++) pause.next();
  expect([pause.next(), pause.attempts]).toEqual([1_000, 3_007]);
  pause.reset();
  expect([pause.attempts, pause.next()]).toEqual([0, 100]);
});

test("the bound wins over the first pause; a pause is spread over its second half", () => {
  expect(new Backoff(500, 50, always(1)).next()).toBe(50);
  expect([0, 0.5].map((fraction) => spread(1_000, always(fraction)))).toEqual([500, 750]);
});
