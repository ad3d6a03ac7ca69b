/**
 * Where copied rows stand among a shard's changes (core/change.ts). A change of the log has the place where the record
 * of its commit begins; that record is at least 34 bytes long, aligned to 8. So right before every place in the log
 * where one record ends and the next begins there are 34 numbers that no change will ever have: copies take those.
 *
 *   place − 34         what makes a table empty, before it is copied again
 *   place − 33 … − 26  rows of a table that was copied as of the slot's beginning (place: its consistent point)
 *   place − 24 … − 1   rows of a chunk (place: the end of the log right after its snapshot was taken)
 *
 * All that the chunk has seen was committed before its place, so it has a lower one; what comes later begins at the
 * place or after it. Numbers of rows grow within a table and are never used again, nor do places go back: ids are
 * unique, and of two copies of a row the later one is the newer.
 */
import { assert } from "./assert.ts";
import { type ChangePlace, INDEX_MAX } from "./change.ts";

const NUMBERS = INDEX_MAX + 1;
const CHUNK_BEFORE = 24;
const SNAPSHOT_BEFORE = 33;
const SNAPSHOT_PLACES = 8;
const EMPTIED_BEFORE = 34;

/** Rows of one table of one slot, all its copies in chunks together. */
export const CHUNK_ROWS_MAX: number = CHUNK_BEFORE * NUMBERS;
/** Rows of a table that can be copied as of the slot's beginning. */
export const SNAPSHOT_ROWS_MAX: number = SNAPSHOT_PLACES * NUMBERS;

export interface CopyNumber {
  readonly incarnation: number;
  readonly at: bigint;
  /** From 0. */
  readonly number: number;
}

export function chunkPlace({ incarnation, at, number }: CopyNumber): ChangePlace {
  assert(number >= 0 && number < CHUNK_ROWS_MAX, `row ${number} of a table that is copied in chunks`);
  return place(incarnation, at - BigInt(CHUNK_BEFORE), number);
}

export function snapshotPlace({ incarnation, at, number }: CopyNumber): ChangePlace {
  assert(number >= 0 && number < SNAPSHOT_ROWS_MAX, `row ${number} of a table that is copied at once`);
  return place(incarnation, at - BigInt(SNAPSHOT_BEFORE), number);
}

/** Of the truncate that stands before a copy. */
export function emptiedPlace({ incarnation, at }: Omit<CopyNumber, "number">): ChangePlace {
  return { incarnation, lsn: at - BigInt(EMPTIED_BEFORE), index: INDEX_MAX };
}

function place(incarnation: number, first: bigint, number: number): ChangePlace {
  return { incarnation, lsn: first + BigInt(Math.floor(number / NUMBERS)), index: number % NUMBERS };
}
