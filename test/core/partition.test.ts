/** Partitioning against an independent model in big integers, and known values of Java's hash. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  javaHash,
  partitionNamed,
  partitionOfHash,
  partitionOfIdentity,
  partitionOrder,
} from "../../core/partition.ts";

/** The polynomial of `String.hashCode` without overflow, then cut to 32 bits. */
function hashModel(text: string): bigint {
  let hash = 0n;
  for (let i = 0; i < text.length; i++) hash = hash * 31n + BigInt(text.charCodeAt(i));
  return BigInt.asIntN(32, hash);
}

/** Nakadi's rule in words: names sorted as strings, the absolute remainder is the place. */
function partitionModel(keys: readonly string[], count: number): number {
  const sum = BigInt.asIntN(
    32,
    keys.reduce((total, key) => total + hashModel(key), 0n),
  );
  const remainder = sum % BigInt(count);
  const place = Number(remainder < 0n ? -remainder : remainder);
  const names = Array.from({ length: count }, (_, i) => `${i}`);
  names.sort((a, b) => (a < b ? -1 : 1));
  return Number(names[place]);
}

test("the hash is Java's", () => {
  // Values that java.lang.String gives.
  const known: [string, number][] = [
    ["", 0],
    ["a", 97],
    ["Aa", 2112],
    ["BB", 2112],
    ["hello", 99_162_322],
    ["polygenelubricants", -2_147_483_648],
    ["ä", 228],
    ["😀", 1_772_899],
  ];
  for (const [text, hash] of known) expect([text, javaHash(text)]).toEqual([text, hash]);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      expect(BigInt(javaHash(text))).toBe(hashModel(text));
    }),
  );
});

test("a hash sum leads where Nakadi leads", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 16 }),
      fc.integer({ min: 1, max: 64 }),
      (keys, count) => {
        const sum = keys.reduce((total, key) => total + javaHash(key), 0);
        expect(partitionOfHash(sum, partitionOrder(count))).toBe(partitionModel(keys, count));
      },
    ),
    { numRuns: 2_000 },
  );
});

test("the smallest int32 has no absolute value of its own", () => {
  for (let count = 1; count <= 64; count++) {
    const partition = partitionOfHash(-2_147_483_648, partitionOrder(count));
    expect(partition).toBe(partitionModel(["polygenelubricants"], count));
  }
});

test("names sort as strings", () => {
  expect([...partitionOrder(12)]).toEqual([0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("identities spread evenly", () => {
  for (const count of [2, 3, 8, 64]) {
    const found = Array.from({ length: count }, () => 0);
    for (let i = 0; i < 10_000; i++) found[partitionOfIdentity(i, 0, count)]!++;
    for (let i = 0; i < 10_000; i++) found[partitionOfIdentity(0, i * 65_536, count)]!++;
    const even = 20_000 / count;
    for (const events of found)
      expect(Math.abs(events - even)).toBeLessThan(5 * Math.sqrt(even) + 0.02 * even);
  }
});

test("a named partition is one of the names, exactly", () => {
  for (const [name, expected] of [
    ["0", 0],
    ["7", 7],
    ["8", undefined],
    ["-1", undefined],
    ["07", undefined],
    ["7 ", undefined],
    ["7.0", undefined],
    ["1e0", undefined],
    ["", undefined],
    ["9999999999999", undefined],
  ] as const)
    expect([name, partitionNamed(name, 8)]).toEqual([name, expected]);
});
