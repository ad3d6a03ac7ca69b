/**
 * Sets of identities with ingest times: what dedup knows. A set holds one hash table per generation of ingest
 * time, so that old ones leave as a whole; inside a generation an identity can occur only once, because a
 * generation is no longer than the horizon.
 *
 * What `admit` adds is tentative: each generation keeps a journal of it until `keep` or `undo`.
 */
import { countBytes, DONE, give, MAYBE, refusal, SET_BYTES } from "./identity-budget";
import {
  addEntry,
  addToJournal,
  bump,
  CAPACITY,
  dropGeneration,
  emptyJournal,
  find,
  floorDivide,
  generationAt,
  generationOf,
  HORIZON,
  JOURNAL_LENGTH,
  LIST,
  LIST_LENGTH,
  LIVE,
  lowerBound,
  MARK,
  NUMBER,
  PARTS,
  PARTS_COUNT,
  removeEntry,
  SEALED,
  SET,
  SIZE,
  SPAN,
  TABLE,
  TENTATIVE,
  touch,
  undoTo,
} from "./identity-generation";
import { mixIdentity, NOWHERE, raiseTime, slotTime } from "./identity-table";
import { keyOf } from "./fuse";
import { askParts } from "./sealed-lookup";
import { mayBeIn, PART_FIRST, PART_LAST, PART_NEXT } from "./sealed-part";
import { allocate, blockBytes, release } from "./memory";

/** @returns the set's handle, 0 when there is no memory */
export function createSet(horizonMs: f64, generationMs: f64): usize {
  const set = allocate(SET);
  if (set == 0) return 0;
  memory.fill(set, 0, SET);
  store<i64>(set, <i64>horizonMs, HORIZON);
  store<i64>(set, <i64>generationMs, SPAN);
  countBytes(set, blockBytes(set));
  return set;
}

/** Removes every entry. */
export function clearSet(set: usize): void {
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) dropGeneration(set, generationAt(set, i));
  store<u32>(set, 0, LIST_LENGTH);
  store<u32>(set, 0, SIZE);
  store<u32>(set, 0, TENTATIVE);
  store<u32>(set, 0, SEALED);
}

export function destroySet(set: usize): void {
  clearSet(set);
  give(set, load<u32>(set, LIST));
  countBytes(set, 0 - blockBytes(set));
  release(set);
}

export function setSize(set: usize): u32 {
  return load<u32>(set, SIZE);
}

/** Entries in sealed parts. */
export function sealedSize(set: usize): u32 {
  return load<u32>(set, SEALED);
}

export function setBytes(set: usize): u32 {
  return load<u32>(set, SET_BYTES);
}

export function tentativeCount(set: usize): u32 {
  return load<u32>(set, TENTATIVE);
}

// ---- what the host calls

/** Makes all tentative entries permanent. */
export function keepTentative(set: usize): void {
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) emptyJournal(set, generationAt(set, i));
}

/** Removes exactly the tentative entries. */
export function undoTentative(set: usize): void {
  let i: u32 = load<u32>(set, LIST_LENGTH);
  while (i > 0) {
    i--;
    const generation = generationAt(set, i);
    undoTo(set, generation, 0);
    emptyJournal(set, generation);
    if (load<u32>(generation, LIVE) == 0 && load<u32>(generation, PARTS) == 0) removeGeneration(set, i);
  }
}

function removeGeneration(set: usize, place: u32): void {
  dropGeneration(set, generationAt(set, place));
  const count: u32 = load<u32>(set, LIST_LENGTH);
  const at: usize = <usize>load<u32>(set, LIST) + ((<usize>place) << 2);
  memory.copy(at, at + 4, (<usize>(count - place - 1)) << 2);
  store<u32>(set, count - 1, LIST_LENGTH);
}

/** Drops generations that end before `slowestMs` less the horizon: nothing to come can meet them. */
export function expire(set: usize, slowestMs: f64): void {
  const span: i64 = load<i64>(set, SPAN);
  const oldest: i64 = <i64>slowestMs - load<i64>(set, HORIZON);
  while (load<u32>(set, LIST_LENGTH) > 0) {
    const generation = generationAt(set, 0);
    if ((load<i64>(generation, NUMBER) + 1) * span > oldest) return;
    bump(set, SIZE, -(<i32>load<u32>(generation, LIVE)));
    bump(set, SEALED, -(<i32>load<u32>(generation, PARTS_COUNT)));
    bump(set, TENTATIVE, -(<i32>load<u32>(generation, JOURNAL_LENGTH)));
    removeGeneration(set, 0);
  }
}

export const DUPLICATE: u8 = 0;
export const ADMITTED: u8 = 1;
export const UNKNOWN: u8 = 2;
/** A sealed part may have it within the horizon: the lake has to say. */
export const UNSETTLED: u8 = 3;

/** What the lake said of a record: that it has it. */
const IN_LAKE: u8 = 1;

/**
 * Judges records in order: DUPLICATE (the same identity has an ingest time at most the horizon away),
 * ADMITTED (new: tentative from now on), or UNKNOWN (new, but its verdict is not 0: not added).
 * Where `settled` is 0 and a sealed part may have it, UNSETTLED; 1 makes it a duplicate, 2 lets sealed parts pass.
 * @returns DONE; MAYBE when something is unsettled, with answers as if each record came alone; or why there is no
 *   memory. Except when DONE nothing of this call stays in the set
 */
export function admit(
  set: usize,
  count: u32,
  identities: usize,
  ingest: usize,
  verdicts: usize,
  settled: usize,
  out: usize,
): i32 {
  const span: i64 = load<i64>(set, SPAN);
  const horizon: i64 = load<i64>(set, HORIZON);
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) {
    const generation = generationAt(set, i);
    store<u32>(generation, load<u32>(generation, JOURNAL_LENGTH), MARK);
  }
  if (load<u32>(set, SEALED) != 0 && isOpen(set, count, identities, ingest, verdicts, settled, out))
    return MAYBE;
  // all that depends on the time alone holds for times in [from, to)
  let from: i64 = 0;
  let to: i64 = 0;
  let own: i64 = 0;
  let ownGeneration: usize = 0;
  let first: u32 = 0;
  let last: u32 = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = <i64>load<f64>(ingest + (i << 3));
    if (time < from || time >= to) {
      own = floorDivide(time, span);
      const oldest = floorDivide(time - horizon, span);
      const newest = floorDivide(time + horizon, span);
      from = max(own * span, max(oldest * span + horizon, newest * span - horizon));
      to = min((own + 1) * span, min((oldest + 1) * span + horizon, (newest + 1) * span - horizon));
      first = lowerBound(set, oldest);
      last = lowerBound(set, newest + 1);
      ownGeneration = 0;
    }
    const low: u64 = load<u64>(identities + (i << 4));
    const high: u64 = load<u64>(identities + (i << 4), 8);
    const hash = mixIdentity(low, high);
    let answer: u8 = DUPLICATE;
    if (load<u8>(settled + i) != IN_LAKE && !isKnown(set, first, last, low, high, hash, time))
      answer = ADMITTED;
    if (answer == ADMITTED && load<u8>(verdicts + i) != 0) answer = UNKNOWN;
    if (answer == ADMITTED) {
      if (ownGeneration == 0) {
        ownGeneration = generationOf(set, own);
        if (ownGeneration == 0) return abandon(set, refusal);
        first = lowerBound(set, floorDivide(time - horizon, span));
        last = lowerBound(set, floorDivide(time + horizon, span) + 1);
      }
      const ms = <u32>(time - own * span);
      if (!addEntry(set, ownGeneration, low, high, ms, hash)) return abandon(set, refusal);
      if (!addToJournal(set, ownGeneration, low, high)) {
        removeEntry(set, ownGeneration, low, high);
        return abandon(set, refusal);
      }
    }
    store<u8>(out + i, answer);
  }
  return DONE;
}

/**
 * Whether only the lake can say of some records: a sealed part may have them, and no table has. Then each record is
 * answered as if it came alone.
 */
function isOpen(
  set: usize,
  count: u32,
  identities: usize,
  ingest: usize,
  verdicts: usize,
  settled: usize,
  out: usize,
): bool {
  askParts(set, count, identities, ingest, settled, out);
  timeAt = i64.MIN_VALUE;
  let i: u32 = 0;
  while (i < count && (load<u8>(out + i) == 0 || isKnownAt(set, identities, ingest, i))) i++;
  if (i == count) return false;
  for (i = 0; i < count; i++) {
    let answer: u8 = DUPLICATE;
    if (load<u8>(settled + i) != IN_LAKE && !isKnownAt(set, identities, ingest, i))
      answer = load<u8>(out + i) != 0 ? UNSETTLED : load<u8>(verdicts + i) != 0 ? UNKNOWN : ADMITTED;
    store<u8>(out + i, answer);
  }
  return true;
}

/** The time that the last two hold for: the generations [firstAt, lastAt) are near it. */
let timeAt: i64 = 0;
let firstAt: u32 = 0;
let lastAt: u32 = 0;

function isKnownAt(set: usize, identities: usize, ingest: usize, row: u32): bool {
  const time: i64 = <i64>load<f64>(ingest + ((<usize>row) << 3));
  if (time != timeAt) {
    const span: i64 = load<i64>(set, SPAN);
    const horizon: i64 = load<i64>(set, HORIZON);
    timeAt = time;
    firstAt = lowerBound(set, floorDivide(time - horizon, span));
    lastAt = lowerBound(set, floorDivide(time + horizon, span) + 1);
  }
  const low: u64 = load<u64>(identities + ((<usize>row) << 4));
  const high: u64 = load<u64>(identities + ((<usize>row) << 4), 8);
  return isKnown(set, firstAt, lastAt, low, high, mixIdentity(low, high), time);
}

/** Whether a table of the generations [first, last) has an identity within the horizon of a time. */
function isKnown(set: usize, first: u32, last: u32, low: u64, high: u64, hash: u64, time: i64): bool {
  const span: i64 = load<i64>(set, SPAN);
  const horizon: i64 = load<i64>(set, HORIZON);
  for (let g = first; g < last; g++) {
    const generation = generationAt(set, g);
    const slot = find(generation, low, high, hash);
    if (slot == NOWHERE) continue;
    const start: i64 = load<i64>(generation, NUMBER) * span;
    const ms: u32 = load<u32>(slotTime(load<u32>(generation, TABLE), load<u32>(generation, CAPACITY), slot));
    const distance: i64 = start + <i64>ms - time;
    if (distance <= horizon && distance >= -horizon) return true;
  }
  return false;
}

/**
 * Where the lake has to be asked: for each record the ingest times [first, last], f64 ms, that all sealed parts span
 * which may have it within the horizon; last before first where none has.
 */
export function locate(set: usize, count: u32, identities: usize, ingest: usize, out: usize): void {
  const span: i64 = load<i64>(set, SPAN);
  const horizon: i64 = load<i64>(set, HORIZON);
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = <i64>load<f64>(ingest + (i << 3));
    const low: u64 = load<u64>(identities + (i << 4));
    const high: u64 = load<u64>(identities + (i << 4), 8);
    const key = keyOf(low, high, 0);
    let first: i64 = i64.MAX_VALUE;
    let last: i64 = i64.MIN_VALUE;
    for (let g: u32 = 0; g < load<u32>(set, LIST_LENGTH); g++) {
      const generation = generationAt(set, g);
      const start: i64 = load<i64>(generation, NUMBER) * span;
      let part: usize = load<u32>(generation, PARTS);
      for (; part != 0; part = load<u32>(part, PART_NEXT)) {
        const from: i64 = start + <i64>load<u32>(part, PART_FIRST);
        const to: i64 = start + <i64>load<u32>(part, PART_LAST);
        if (time - to > horizon || from - time > horizon || !mayBeIn(part, low, high, key)) continue;
        first = min(first, from);
        last = max(last, to);
      }
    }
    store<f64>(out + (i << 4), <f64>first);
    store<f64>(out + (i << 4), <f64>last, 8);
  }
}

/** Takes back what the running call has added. */
function abandon(set: usize, why: i32): i32 {
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) {
    const generation = generationAt(set, i);
    undoTo(set, generation, load<u32>(generation, MARK));
  }
  return why;
}

/**
 * Adds an entry for good. Of two times of one identity in one generation the later stays, so that the result does
 * not depend on the order. @returns false when there is no memory
 */
export function settle(set: usize, generation: usize, low: u64, high: u64, ms: u32): bool {
  const hash = mixIdentity(low, high);
  const slot = find(generation, low, high, hash);
  if (slot == NOWHERE) return addEntry(set, generation, low, high, ms, hash);
  if (raiseTime(load<u32>(generation, TABLE), load<u32>(generation, CAPACITY), slot, ms)) touch(generation);
  return true;
}

/** Adds entries for good: rebuilding a set from a table. @returns how many, fewer when memory ran out */
export function insert(set: usize, count: u32, identities: usize, ingest: usize): u32 {
  const span: i64 = load<i64>(set, SPAN);
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = <i64>load<f64>(ingest + (i << 3));
    const number = floorDivide(time, span);
    const generation = generationOf(set, number);
    if (generation == 0) return <u32>i;
    const low: u64 = load<u64>(identities + (i << 4));
    const high: u64 = load<u64>(identities + (i << 4), 8);
    if (!settle(set, generation, low, high, <u32>(time - number * span))) return <u32>i;
  }
  return count;
}
