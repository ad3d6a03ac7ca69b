/**
 * What a snapshot of PostgreSQL has seen, as `pg_current_snapshot()` tells it ("PostgreSQL: System Information
 * Functions", pg_snapshot): every transaction below `xmin`, none from `xmax` on, and between them those that are not
 * in the list. The list names top-level transactions only, which is what the log tells of, too.
 *
 * Surprising rule: the log's ids have 32 bits and begin again, the snapshot's have 64. No two living ones are
 * 2^31 apart, so the one meant is the nearest.
 */
import { assert } from "./assert.ts";

export interface TransactionSnapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  /** Under way, between the two. */
  readonly running: ReadonlySet<bigint>;
}

/** @param text `xmin:xmax:xid,xid,…` */
export function parseSnapshot(text: string): TransactionSnapshot {
  const match = /^(\d+):(\d+):([\d,]*)$/.exec(text);
  assert(match !== null, `no snapshot: ${text}`);
  const running = match[3] === "" ? [] : match[3]!.split(",").map(BigInt);
  return { xmin: BigInt(match[1]!), xmax: BigInt(match[2]!), running: new Set(running) };
}

export function hasSeen(snapshot: TransactionSnapshot, xid: bigint): boolean {
  if (xid < snapshot.xmin) return true;
  return xid < snapshot.xmax && !snapshot.running.has(xid);
}

/** @param xid of 32 bits  @param near of 64 bits, alive at about the same time */
export function widenXid(xid: number, near: bigint): bigint {
  return near + BigInt((xid - Number(near & 0xffff_ffffn)) | 0);
}
