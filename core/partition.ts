/**
 * Which partition an event belongs to: the rules of Nakadi, so that a producer finds its keys where it always did
 * (zalando/nakadi, `HashPartitionStrategy`). Each key field's text gets Java's `String.hashCode`, the hashes are
 * summed with int32 overflow, and the remainder selects a partition from the names **sorted as strings**, where
 * "10" stands before "2".
 *
 * Surprising rule: `random` is a hash of the event's id, so that an event sent again meets its twin; of a compacted
 * type of its compaction key, since only what is in one partition is compacted.
 */
import { assert } from "./assert.ts";
import { type EventType, isCompacted } from "./event-type.ts";

export const PARTITION_KEY_SEPARATOR = ",";

/** Partition numbers in the order of their names as strings: for 11 partitions 0, 1, 10, 2, 3, … */
export function partitionOrder(count: number): Uint32Array {
  assert(Number.isInteger(count) && count > 0, "a stream has at least one partition");
  const names = Array.from({ length: count }, (_, partition) => String(partition)).sort();
  return Uint32Array.from(names, Number);
}

/**
 * @param hashSum the sum of the key fields' hashes; only its lower 32 bits count, as in Java
 * @param order of `partitionOrder`
 */
export function partitionOfHash(hashSum: number, order: Uint32Array): number {
  return order[Math.abs((hashSum | 0) % order.length)]!;
}

/** Java's `String.hashCode`: over UTF-16 code units, int32. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/** Spreads 64 bits of an event's identity evenly over `count` partitions. @param low, high uint32 words */
export function partitionOfIdentity(low: number, high: number, count: number): number {
  let mixed = low ^ Math.imul(high, 0x9e37_79b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) % count;
}

/** Whether partitions depend on identities: nobody else at the door needs them. */
export function needsIdentities(
  type: Pick<EventType, "partition_strategy" | "cleanup_policy">,
  partitions: number,
): boolean {
  return type.partition_strategy === "random" && !isCompacted(type) && partitions > 1;
}

/** The partition that a producer names in `metadata.partition`. @returns undefined where there is none such */
export function partitionNamed(name: string, count: number): number | undefined {
  const isNumber = /^(0|[1-9]\d{0,8})$/.test(name);
  return isNumber && Number(name) < count ? Number(name) : undefined;
}
