/**
 * Timers in an order that depends on nothing but what they are: the first word of their key, rule, the second word.
 * A timer whose retention is over is as good as gone, so that an image does not depend on how many rows were taken
 * at once while it was made.
 */
import {
  BYTES,
  CLOSED_AT,
  DEADLINE,
  FLAGS,
  GOT,
  HIGH,
  LASTING,
  LOW,
  MASK,
  NEED,
  NEWEST,
  OPENED_AT,
  RULE,
  SIZE,
  WANTED,
  growTimes,
  placeBehind,
  timerFrom,
  timerOf,
  timesOf,
} from "./timer-table";
import { EXPORT_AT, EXPORT_END, IS_DRAINING, WATERMARK, reservePairs, startAt } from "./timer-wheel";
import { PAIR, sortEntries } from "./sort-entries";
import { enlistImported, finishImport, isOver } from "./timers";

/** Identity, rule, flags, deadline, opening, mask, need, number of parts, closing, got, newest; then times of parts. */
const ENTRY: usize = 80;

export function timerCount(timers: usize): u32 {
  return load<u32>(timers, SIZE);
}

export function timerBytes(timers: usize): u32 {
  return load<u32>(timers, BYTES);
}

export function isDraining(timers: usize): bool {
  return load<u32>(timers, IS_DRAINING) != 0;
}

/** Orders timers in scratch memory: nothing else may happen until the export is over. @returns false: no memory */
export function beginTimerExport(timers: usize): bool {
  const pairs = reservePairs(max<u32>(load<u32>(timers, SIZE), 1));
  if (pairs == 0) return false;
  let count: u32 = 0;
  for (let timer = timerFrom(timers, 0); timer; timer = timerFrom(timers, placeBehind)) {
    if (isOver(timers, timer)) continue;
    store<u64>(pairs + <usize>count * PAIR, load<u64>(timer, LOW));
    store<u32>(pairs + <usize>count * PAIR, <u32>timer, 8);
    count++;
  }
  const sorted = sortEntries(pairs, pairs + <usize>count * PAIR, count, true);
  store<u32>(timers, <u32>sorted, EXPORT_AT);
  store<u32>(timers, <u32>(sorted + <usize>count * PAIR), EXPORT_END);
  return true;
}

/** Timers that are still to be exported. */
export function exportedTimers(timers: usize): u32 {
  return (load<u32>(timers, EXPORT_END) - load<u32>(timers, EXPORT_AT)) / <u32>PAIR;
}

/** Bytes that they take. */
export function exportedTimerBytes(timers: usize): u32 {
  let bytes: usize = 0;
  for (
    let pair: usize = load<u32>(timers, EXPORT_AT);
    pair < <usize>load<u32>(timers, EXPORT_END);
    pair += PAIR
  )
    bytes += entryBytes(load<u32>(pair, 8));
  return <u32>bytes;
}

function entryBytes(timer: usize): usize {
  return ENTRY + <usize>(popcnt<u64>(load<u64>(timer, GOT)) << 3);
}

/** Writes timers while there is room. @returns bytes written, 0 at the end */
export function exportTimers(timers: usize, room: usize, out: usize): usize {
  let pair: usize = load<u32>(timers, EXPORT_AT);
  let to = out;
  for (; pair < <usize>load<u32>(timers, EXPORT_END); pair += PAIR) {
    const timer: usize = load<u32>(pair, 8);
    const bytes = entryBytes(timer);
    if (to + bytes > out + room) break;
    store<u64>(to, load<u64>(timer, LOW));
    store<u64>(to, load<u64>(timer, HIGH), 8);
    store<u32>(to, load<u32>(timer, RULE), 16);
    store<u32>(to, load<u32>(timer, FLAGS) & LASTING, 20);
    store<i64>(to, load<i64>(timer, DEADLINE), 24);
    store<i64>(to, load<i64>(timer, OPENED_AT), 32);
    store<u64>(to, load<u64>(timer, MASK), 40);
    store<u32>(to, load<u32>(timer, NEED), 48);
    store<u32>(to, <u32>((bytes - ENTRY) >> 3), 52);
    store<i64>(to, load<i64>(timer, CLOSED_AT), 56);
    store<u64>(to, load<u64>(timer, GOT), 64);
    store<i64>(to, load<i64>(timer, NEWEST), 72);
    memory.copy(to + ENTRY, timesOf(timer), bytes - ENTRY);
    to += bytes;
  }
  store<u32>(timers, <u32>pair, EXPORT_AT);
  return to - out;
}

/** Before an import: where the exporting timers stood. */
export function startTimers(timers: usize, watermark: i64): void {
  store<i64>(timers, watermark, WATERMARK);
  startAt(timers, watermark);
}

/** Adds whole exported timers. @returns bytes read, 0 when there is no memory */
export function importTimers(timers: usize, bytes: usize, from: usize): usize {
  let at = from;
  while (at + ENTRY <= from + bytes) {
    const length = ENTRY + ((<usize>load<u32>(at, 52)) << 3);
    if (at + length > from + bytes) break;
    const timer = timerOf(timers, load<u32>(at, 16), load<u64>(at), load<u64>(at, 8));
    if (timer == 0) return 0;
    if (!growTimes(timers, timer, load<u32>(at, 52))) return 0;
    store<u32>(timer, load<u32>(at, 20) & LASTING, FLAGS);
    store<i64>(timer, load<i64>(at, 24), DEADLINE);
    store<i64>(timer, load<i64>(at, 32), OPENED_AT);
    store<u64>(timer, load<u64>(at, 40), MASK);
    store<u32>(timer, load<u32>(at, 48), NEED);
    store<i64>(timer, load<i64>(at, 56), CLOSED_AT);
    store<u64>(timer, load<u64>(at, 64), GOT);
    store<u64>(timer, load<u64>(at, 64), WANTED);
    store<i64>(timer, load<i64>(at, 72), NEWEST);
    memory.copy(timesOf(timer), at + ENTRY, length - ENTRY);
    enlistImported(timers, timer);
    at += length;
  }
  return at - from;
}

/** @returns false when there is no memory */
export function finishTimerImport(timers: usize, wasDraining: bool): bool {
  return finishImport(timers, wasDraining);
}
