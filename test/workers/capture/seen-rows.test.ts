import { expect, test } from "vitest";
import { SeenRows } from "../../../workers/capture/seen-rows.ts";

const timeOf = (second: number, zone: string): string =>
  `2026-11-22 10:${String(Math.floor(second / 60)).padStart(2, "0")}:${String(second % 60).padStart(2, "0")}${zone}`;

test.each(["", "+00", ".25", ".999999+00"])(
  "a first round of any length is held by its overlap (%s)",
  (zone) => {
    const seen = new SeenRows();
    for (let second = 0; second < 3_000; second++) {
      seen.note(`${second}`, timeOf(second, zone));
      if (second % 100 === 99) seen.forgetBefore(timeOf(second, zone), 60_000);
    }
    expect(seen.size).toBe(61);
    // The edge comes again: since is until less the overlap, and it counts.
    expect(seen.timeOf("2939")).toBe(timeOf(2_939, zone));
    expect(seen.timeOf("2938")).toBeUndefined();
  },
);

test("a row that was written again stands at its newer time, and what has no time of our clock is kept", () => {
  const seen = new SeenRows();
  seen.note("a", timeOf(0, ""));
  seen.note("b", timeOf(1, ""));
  seen.note("a", timeOf(500, ""));
  seen.note("c", "infinity");
  seen.forgetBefore(timeOf(500, ""), 0);
  expect([seen.timeOf("a"), seen.timeOf("b"), seen.timeOf("c")]).toEqual([
    timeOf(500, ""),
    undefined,
    "infinity",
  ]);
  seen.forgetBefore("10000-01-01 00:00:00", 0);
  expect(seen.size).toBe(2);
});
