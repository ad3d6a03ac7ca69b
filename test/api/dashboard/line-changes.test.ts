/** Differences of texts: each side can be had back from them, and nothing is told that need not be. */
import { array, assert, constantFrom, property } from "fast-check";
import { expect, test } from "vitest";
import { lineChanges } from "../../../api/dashboard/parts/line-changes.ts";

const told = (before: string, after: string): string[] =>
  lineChanges(before, after).map(({ kind, text }) => `${{ same: " ", gone: "-", new: "+" }[kind]}${text}`);

test("what stayed, what went, what came", () => {
  expect(told("a\nb\nc", "a\nx\nc")).toEqual([" a", "-b", "+x", " c"]);
  expect(told("a", "a")).toEqual([" a"]);
  expect(told("", "a")).toEqual(["-", "+a"]);
  expect(told("a\nb", "b\na")).toHaveLength(3);
});

test("both texts come out of it, with as few lines as there can be", () => {
  const line = constantFrom("a", "b", "c", "");
  assert(
    property(
      array(line, { minLength: 1, maxLength: 7 }),
      array(line, { minLength: 1, maxLength: 7 }),
      (a, b) => {
        const changes = lineChanges(a.join("\n"), b.join("\n"));
        expect(changes.filter(({ kind }) => kind !== "new").map(({ text }) => text)).toEqual(a);
        expect(changes.filter(({ kind }) => kind !== "gone").map(({ text }) => text)).toEqual(b);
        expect(changes.filter(({ kind }) => kind === "same").length).toBe(longestCommon(a, b));
      },
    ),
  );
});

/** By trying every subsequence. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  let best = 0;
  for (let mask = 0; mask < 1 << a.length; mask++) {
    const chosen = a.filter((_, i) => (mask >> i) & 1);
    let at = 0;
    for (const line of b) if (line === chosen[at]) at++;
    if (at === chosen.length) best = Math.max(best, at);
  }
  return best;
}
