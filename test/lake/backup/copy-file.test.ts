/** Files from store to store, small and in parts: all of the bytes that were asked for, and the hash of them. */
import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import type { ByteSource, ObjectStore } from "../../../core/ports/object-store.ts";
import { copyFile } from "../../../lake/backup/copy-file.ts";

const PART = 8_388_608;
const LENGTH = 2 * PART + 1_000;
const bytes = randomBytes(LENGTH);
const sha256 = createHash("sha256").update(bytes).digest("hex");

async function sourceOf(content: Uint8Array): Promise<ObjectStore> {
  const store = createMemoryObjectStore();
  await store.put("a", content);
  return store;
}

/** A store that asks for parts in its own way, and keeps what it got. */
function asking(places: readonly (readonly [number, number])[]): { to: ObjectStore; got: Uint8Array } {
  const got = new Uint8Array(LENGTH);
  const putFrom = async (_: string, source: ByteSource): Promise<void> => {
    for (const [at, end] of places) got.set(await source.read(at, end - at), at);
  };
  return { to: { ...createMemoryObjectStore(), putFrom }, got };
}

test.each([
  [
    "one behind the other",
    [
      [0, PART],
      [PART, LENGTH],
    ],
  ],
  [
    "one of them again",
    [
      [0, PART],
      [0, PART],
      [PART, LENGTH],
    ],
  ],
  [
    "with what the last one had",
    [
      [0, PART],
      [PART - 100, 2 * PART],
      [PART, LENGTH],
    ],
  ],
  [
    "the last one first",
    [
      [PART, LENGTH],
      [0, PART],
    ],
  ],
] as const)("parts are taken %s: the hash is that of the file", async (_, places) => {
  const { to, got } = asking(places);
  expect(await copyFile(await sourceOf(bytes), "a", LENGTH, to, "b")).toBe(sha256);
  expect(createHash("sha256").update(got).digest("hex")).toBe(sha256);
});

test("of a file that grew meanwhile the beginning is taken; one that is shorter, or gone, is undefined", async () => {
  const to = createMemoryObjectStore();
  const small = await sourceOf(bytes.subarray(0, 1_000));
  const hash = createHash("sha256").update(bytes.subarray(0, 900)).digest("hex");
  expect(await copyFile(small, "a", 900, to, "b")).toBe(hash);
  expect((await to.get("b"))?.length).toBe(900);
  expect(await copyFile(small, "a", 0, to, "empty")).toBe(createHash("sha256").digest("hex"));
  for (const length of [1_001, PART + 1]) {
    const { to: parts } = asking([[0, length]]);
    expect(await copyFile(small, "a", length, parts, "c")).toBeUndefined();
    expect(await parts.get("c")).toBeUndefined();
    expect(await copyFile(small, "none", length, parts, "c")).toBeUndefined();
  }
});

test("what the other store says is passed on", async () => {
  const to = { ...createMemoryObjectStore(), putFrom: () => Promise.reject(new Error("the disk is full")) };
  await expect(copyFile(await sourceOf(bytes), "a", LENGTH, to, "b")).rejects.toThrow("the disk is full");
});
