/** Buffers that are used again: one owner at a time, and no more kept than is allowed. */
import { expect, test } from "vitest";
import { ByteLoan, BytePool } from "../../core/byte-pool.ts";

const KIB = 1_024;

test("a buffer that was given back is taken again, whatever length was asked for within its size", () => {
  const pool = new BytePool();
  const first = pool.take(40 * KIB);
  expect([first.length, first.byteOffset, first.buffer.byteLength]).toEqual([40 * KIB, 0, 64 * KIB]);
  const second = pool.take(40 * KIB);
  expect(second.buffer).not.toBe(first.buffer);
  pool.give(first.subarray(100, 200));
  expect(pool.keptBytes).toBe(64 * KIB);
  const again = pool.take(64 * KIB);
  expect(again.buffer).toBe(first.buffer);
  expect(again.length).toBe(64 * KIB);
  expect(pool.keptBytes).toBe(0);
  expect(pool.take(64 * KIB + 1).buffer.byteLength).toBe(128 * KIB);
});

test("small ones are made, and no buffer is given back twice or by somebody who did not take it", () => {
  const pool = new BytePool();
  const small = pool.take(32 * KIB - 1);
  expect(small.buffer.byteLength).toBe(32 * KIB - 1);
  pool.give(small);
  expect(pool.keptBytes).toBe(0);
  expect(pool.take(0).length).toBe(0);
  const taken = pool.take(32 * KIB);
  pool.give(taken);
  expect(() => pool.give(taken)).toThrow("nobody has");
  expect(() => pool.give(new Uint8Array(64 * KIB))).toThrow("nobody has");
  expect(pool.keptBytes).toBe(32 * KIB);
});

test("beyond its bound nothing is kept", () => {
  const pool = new BytePool({ keptBytes: 128 * KIB });
  const taken = [64, 64, 32].map((kib) => pool.take(kib * KIB));
  for (const bytes of taken) pool.give(bytes);
  expect(pool.keptBytes).toBe(128 * KIB);
  expect(pool.take(32 * KIB).buffer).not.toBe(taken[2]!.buffer);
});

test("a loan gives back all that was taken, once", () => {
  const given: ArrayBuffer[] = [];
  const pool = new BytePool({
    onGiven: (bytes) => {
      given.push(bytes.buffer);
      bytes.fill(0xdb);
    },
  });
  const loan = new ByteLoan(pool);
  const taken = [loan.take(40 * KIB), loan.take(10), loan.take(50 * KIB)];
  taken[0]!.fill(1);
  loan.end();
  loan.end();
  expect(given).toEqual([taken[0]!.buffer, taken[2]!.buffer]);
  expect(taken[0]!.every((byte) => byte === 0xdb)).toBe(true);
});
