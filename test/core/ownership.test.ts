import { describe, expect, test } from "vitest";
import { alsoOwning, type Ownership, soleOwnership } from "../../core/ports/ownership.ts";
import { ownershipCasesFor } from "../conformance/ownership.ts";

describe("conformance of a single process", () => {
  for (const [name, run] of ownershipCasesFor([]))
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, () => run({ join: () => soleOwnership, sessionMs: 0 }));
});

test("a forced owner has what it was told to, and what it owns otherwise", async () => {
  let isClosed = false;
  const own: Ownership = {
    owns: (name) => name === "a",
    isDealt: true,
    close: async () => {
      isClosed = true;
    },
  };
  const forced = alsoOwning(own, new Set(["b"]));
  expect([forced.isDealt, soleOwnership.isDealt]).toEqual([true, false]);
  expect(["a", "b", "c"].map((name) => forced.owns(name))).toEqual([true, true, false]);
  await forced.close();
  expect(isClosed).toBe(true);
  expect(alsoOwning(own, new Set())).toBe(own);
});
