/**
 * The memory of identity sets and its budget, shared by all sets of a kernel: what does not fit is refused like
 * memory that is not there, and the host makes room by sealing (core/identity-budget.ts).
 *
 * The surprising rule: an eighth of the budget is for sealing alone. Without it a full budget could not be emptied.
 */
import { allocate, blockBytes, release } from "./memory";

/** Where a set counts its bytes. */
export const SET_BYTES: usize = 32;

export const DONE: i32 = 0;
/** Some records wait for an answer from the lake: nothing was added. */
export const MAYBE: i32 = 1;
export const NO_MEMORY: i32 = -1;
export const OVER_BUDGET: i32 = -3;
/** A table has as many entries as a part may have. */
export const FULL: i32 = -4;

/** What a block may take beyond its payload: header, rounding, a rest too small to be a block. */
const BLOCK_MORE: usize = 112;

let limit: usize = 0;
let total: usize = 0;
/** Why `take` or a table's growth said no last. */
export let refusal: i32 = NO_MEMORY;
let isSealing: bool = false;

/** @param bytes that all sets together may take, what they need for a moment included; 0: no budget */
export function limitSets(bytes: usize): void {
  limit = bytes;
}

export function hasBudget(): bool {
  return limit != 0;
}

/** Bytes of all sets. */
export function setsBytes(): usize {
  return total;
}

/** While sealing, the reserve may be used. */
export function sealing(on: bool): void {
  isSealing = on;
}

export function refuse(why: i32): bool {
  refusal = why;
  return false;
}

/** @returns the address of memory for a set, 0 when there is none (`refusal` says why) */
export function take(set: usize, bytes: usize): usize {
  const allowed = isSealing ? limit : limit - (limit >> 3);
  if (limit != 0 && (allowed < total || allowed - total < bytes + BLOCK_MORE)) {
    refusal = OVER_BUDGET;
    return 0;
  }
  const address = allocate(bytes);
  if (address == 0) refusal = NO_MEMORY;
  else countBytes(set, blockBytes(address));
  return address;
}

export function give(set: usize, address: usize): void {
  countBytes(set, 0 - blockBytes(address));
  release(address);
}

/** Counts a block that the set did not take here. */
export function countBytes(set: usize, bytes: usize): void {
  store<u32>(set, load<u32>(set, SET_BYTES) + <u32>bytes, SET_BYTES);
  total += bytes;
}
