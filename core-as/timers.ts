/**
 * Keyed timers: per rule and key a deadline, and which parts have to come before it. What a timer tells depends on the
 * set of events that came before each watermark, never on their order or on batches: all that an event does to a
 * timer is a minimum, a maximum or a union, and everything is judged when the watermark moves, nothing before.
 */
import {
  CLOSED_AT,
  COST,
  DEADLINE,
  DUE,
  GOT,
  HAS_BREACHED,
  HAS_COMPLETED,
  HAS_RESOLVED,
  HIGH,
  IS_CANCELLED,
  IS_CLOSED,
  IS_NEW,
  IS_OPEN,
  IS_SETTLED,
  IS_TOUCHED,
  LOW,
  MASK,
  MAX_COST,
  NEED,
  NEWEST,
  NEXT,
  NEXT_TOUCHED,
  OPENED_AT,
  RULE,
  TIMER_COST,
  WANTED,
  forgetTimer,
  growTimes,
  has,
  lower,
  notePart,
  partsCost,
  raise,
  restoreTable,
  shrinkTimes,
  tableSize,
  timerOf,
  timesOf,
  bump,
} from "./timer-table";
import {
  DUE_LIST,
  IS_DRAINING,
  RETENTION,
  TOUCHED,
  TOUCHED_COUNT,
  WATERMARK,
  collectDue,
  enlist,
  later,
  relink,
  reservePairs,
  turnWheel,
  unlist,
} from "./timer-wheel";
import { REGION_SORT, reserve } from "./memory";
import { PAIR, rank } from "./sort-entries";

const OPEN: u8 = 0;
const PART: u8 = 1;
const CANCEL: u8 = 3;

const DONE: i32 = 0;
const OUT_OF_MEMORY: i32 = -1;
const OVER_BUDGET: i32 = -2;

// ---- events in

/**
 * Takes a batch of events. @param columns by `count`: identities 2 x u64, times i64, deadlines i64, parts u64,
 * rules u32, needs u32, kinds u8
 * @returns DONE, or why nothing has changed
 */
export function updateTimers(timers: usize, count: u32, columns: usize): i32 {
  const found = reserve(REGION_SORT, (<usize>count) << 2);
  if (found == 0) return OUT_OF_MEMORY;
  const cost: u64 = load<u64>(timers, COST);
  const places = tableSize(timers);
  const times = columns + ((<usize>count) << 4);
  const deadlines = times + ((<usize>count) << 3);
  const parts = deadlines + ((<usize>count) << 3);
  const rules = parts + ((<usize>count) << 3);
  const needs = rules + ((<usize>count) << 2);
  const kinds = needs + ((<usize>count) << 2);
  // first everything that may fail
  let status = DONE;
  let i: usize = 0;
  for (; i < <usize>count && status == DONE; i++) {
    const key = columns + (i << 4);
    const timer = timerOf(timers, load<u32>(rules + (i << 2)), load<u64>(key), load<u64>(key, 8));
    store<u32>(found + (i << 2), <u32>timer);
    if (timer == 0) {
      status = OUT_OF_MEMORY;
      break;
    }
    status = claim(timers, timer, load<u8>(kinds + i) == PART ? load<u64>(parts + (i << 3)) : 0);
  }
  const known = <u32>i;
  for (i = 0; i < <usize>count && status == DONE; i++) {
    const timer: usize = load<u32>(found + (i << 2));
    if (!growTimes(timers, timer, <u32>popcnt<u64>(load<u64>(timer, WANTED)))) status = OUT_OF_MEMORY;
  }
  if (status != DONE) {
    undoClaims(timers, found, known);
    restoreTable(timers, places);
    store<u64>(timers, cost, COST);
    return status;
  }
  for (i = 0; i < <usize>count; i++) {
    const timer: usize = load<u32>(found + (i << 2));
    const kind: u8 = load<u8>(kinds + i);
    const part: u64 = load<u64>(parts + (i << 3));
    const time: i64 = load<i64>(times + (i << 3));
    const need: u32 = load<u32>(needs + (i << 2));
    if (!has(timer, IS_SETTLED)) note(timers, timer, kind, time, part, load<i64>(deadlines + (i << 3)), need);
  }
  return DONE;
}

/** Counts what an event will take. */
function claim(timers: usize, timer: usize, parts: u64): i32 {
  let cost: u64 = 0;
  if (has(timer, IS_NEW) && !has(timer, IS_TOUCHED)) {
    raise(timer, IS_TOUCHED); // counted
    cost = TIMER_COST;
  }
  if (parts != 0 && !has(timer, IS_SETTLED)) {
    const had: u64 = load<u64>(timer, WANTED);
    store<u64>(timer, had | parts, WANTED);
    cost += partsCost(<u32>popcnt<u64>(had | parts)) - partsCost(<u32>popcnt<u64>(had));
  }
  cost += load<u64>(timers, COST);
  if (cost > load<u64>(timers, MAX_COST)) return OVER_BUDGET;
  store<u64>(timers, cost, COST);
  return DONE;
}

function undoClaims(timers: usize, found: usize, known: u32): void {
  const end = found + ((<usize>known) << 2);
  // new ones may stand here more than once: a flag that no new one has tells which were met
  for (let at = found; at < end; at += 4) {
    const timer: usize = load<u32>(at);
    if (!has(timer, IS_NEW)) {
      store<u64>(timer, load<u64>(timer, GOT), WANTED);
      shrinkTimes(timers, timer);
    } else if (!has(timer, IS_CLOSED)) {
      raise(timer, IS_CLOSED);
    } else {
      store<u32>(at, 0);
    }
  }
  for (let at = found; at < end; at += 4) {
    const timer: usize = load<u32>(at);
    if (timer != 0 && has(timer, IS_NEW)) forgetTimer(timers, timer);
  }
}

/** Lets one event change its timer. */
function note(timers: usize, timer: usize, kind: u8, time: i64, parts: u64, deadline: i64, need: u32): void {
  const isNew = has(timer, IS_NEW);
  if (isNew) lower(timer, IS_NEW | IS_TOUCHED);
  if (isNew || time > load<i64>(timer, NEWEST)) store<i64>(timer, time, NEWEST);
  if (kind == OPEN) {
    if (!has(timer, HAS_BREACHED) && isLater(timer, time, deadline, parts, need)) {
      raise(timer, IS_OPEN);
      store<i64>(timer, time, OPENED_AT);
      store<i64>(timer, deadline, DEADLINE);
      store<u64>(timer, parts, MASK);
      store<u32>(timer, need, NEED);
      if (!isNew) unlist(timer);
      store<i64>(timer, deadline, DUE);
      enlist(timers, timer);
    }
  } else if (kind == PART) {
    notePart(timer, parts, time);
  } else {
    noteClosed(timer, time, kind == CANCEL);
  }
  if (!has(timer, IS_OPEN)) {
    // its place may stay where it is: the wheel looks at it too early then, and puts it back
    store<i64>(timer, later(load<i64>(timer, NEWEST), load<i64>(timers, RETENTION)), DUE);
    if (isNew) enlist(timers, timer);
  }
  touch(timers, timer);
}

/** Whether an opening is to hold instead of the one that does: the newest, of equals the greatest. */
function isLater(timer: usize, time: i64, deadline: i64, mask: u64, need: u32): bool {
  if (!has(timer, IS_OPEN)) return true;
  if (time != load<i64>(timer, OPENED_AT)) return time > load<i64>(timer, OPENED_AT);
  if (deadline != load<i64>(timer, DEADLINE)) return deadline > load<i64>(timer, DEADLINE);
  if (mask != load<u64>(timer, MASK)) return mask > load<u64>(timer, MASK);
  return need > load<u32>(timer, NEED);
}

/** The earliest stands; at the same time a completion before a cancellation. */
function noteClosed(timer: usize, time: i64, isCancel: bool): void {
  if (has(timer, IS_CLOSED)) {
    const had: i64 = load<i64>(timer, CLOSED_AT);
    if (time > had || (time == had && isCancel)) return;
  }
  raise(timer, IS_CLOSED);
  lower(timer, IS_CANCELLED);
  if (isCancel) raise(timer, IS_CANCELLED);
  store<i64>(timer, time, CLOSED_AT);
}

/** Remembers a timer that is complete, in time or not, for the next watermark. */
export function touch(timers: usize, timer: usize): void {
  if (!has(timer, IS_OPEN) || has(timer, IS_TOUCHED | IS_SETTLED) || !isComplete(timer)) return;
  raise(timer, IS_TOUCHED);
  store<u32>(timer, load<u32>(timers, TOUCHED), NEXT_TOUCHED);
  store<u32>(timers, <u32>timer, TOUCHED);
  bump(timers, TOUCHED_COUNT, 1);
}

// ---- judging

function hasAllParts(timer: usize): bool {
  const need: u32 = load<u32>(timer, NEED);
  return need > 0 && <u32>popcnt<u64>(load<u64>(timer, GOT) & load<u64>(timer, MASK)) >= need;
}

export function isComplete(timer: usize): bool {
  return has(timer, IS_CLOSED) || hasAllParts(timer);
}

const BY_PARTS: u8 = 1;
const BY_COMPLETION: u8 = 2;
const BY_CANCELLATION: u8 = 3;
const ordered = memory.data(512, 16);
/** How the timer that was looked at last became complete. */
let completedBy: u8 = 0;

/** When a timer became complete, which it is. */
function completionTime(timer: usize): i64 {
  let best: i64 = i64.MAX_VALUE;
  completedBy = 0;
  if (hasAllParts(timer)) {
    best = timeOfPart(timer, load<u32>(timer, NEED));
    completedBy = BY_PARTS;
  }
  if (has(timer, IS_CLOSED) && (completedBy == 0 || load<i64>(timer, CLOSED_AT) < best)) {
    best = load<i64>(timer, CLOSED_AT);
    completedBy = has(timer, IS_CANCELLED) ? BY_CANCELLATION : BY_COMPLETION;
  }
  return best;
}

/** The time of the nth part that counts. */
function timeOfPart(timer: usize, nth: u32): i64 {
  const mask: u64 = load<u64>(timer, MASK);
  let left: u64 = load<u64>(timer, GOT);
  let from = timesOf(timer);
  let count: usize = 0;
  while (left) {
    const bit: u64 = left & (0 - left);
    left ^= bit;
    if (mask & bit) {
      const time: i64 = load<i64>(from);
      let to = ordered + (count << 3);
      while (to > ordered && load<i64>(to - 8) > time) {
        store<i64>(to, load<i64>(to - 8));
        to -= 8;
      }
      store<i64>(to, time);
      count++;
    }
    from += 8;
  }
  return load<i64>(ordered + ((<usize>(nth - 1)) << 3));
}

/** The parts that came before the deadline. */
function partsInTime(timer: usize): u64 {
  const deadline: i64 = load<i64>(timer, DEADLINE);
  let left: u64 = load<u64>(timer, GOT);
  let from = timesOf(timer);
  let parts: u64 = 0;
  while (left) {
    const bit: u64 = left & (0 - left);
    left ^= bit;
    if (load<i64>(from) < deadline) parts |= bit;
    from += 8;
  }
  return parts;
}

// ---- the watermark moves, rows out

/** @returns false when there is no memory: nothing has changed */
export function advanceTimers(timers: usize, watermark: i64): bool {
  if (!orderTouched(timers)) return false;
  store<i64>(timers, max(watermark, load<i64>(timers, WATERMARK)), WATERMARK);
  store<u32>(timers, 1, IS_DRAINING);
  return true;
}

/** Orders the timers that may have something to say by deadline, rule, key. */
function orderTouched(timers: usize): bool {
  const count: u32 = load<u32>(timers, TOUCHED_COUNT);
  if (count == 0) return true;
  const pairs = reservePairs(count);
  if (pairs == 0) return false;
  let pair = pairs;
  for (let timer: usize = load<u32>(timers, TOUCHED); timer; timer = load<u32>(timer, NEXT_TOUCHED)) {
    store<u64>(pair, rank(load<i64>(timer, DEADLINE)));
    store<u32>(pair, <u32>timer, 8);
    pair += PAIR;
  }
  relink(pairs, count, timers + TOUCHED, NEXT_TOUCHED);
  return true;
}

const COMPLETED: u8 = 1;
const BREACHED: u8 = 2;
const RESOLVED: u8 = 3;
const UNOPENED: u8 = 4;

/** The row that a timer has to tell now; 0: none. */
let rowKind: u8 = 0;
let rowTime: i64 = 0;

/**
 * Writes the next rows, at most `most`. @param out columns of `most`: identities 2 x u64, deadlines i64, times i64,
 * parts u64, rules u32, kinds u8, ways of completion u8
 * @returns how many; fewer than `most` and still draining, or OUT_OF_MEMORY: they could not be sorted, call again
 */
export function takeRows(timers: usize, most: u32, out: usize): i32 {
  if (!load<u32>(timers, IS_DRAINING)) return 0;
  let written: u32 = 0;
  while (written < most) {
    let timer: usize = load<u32>(timers, TOUCHED);
    if (timer) {
      store<u32>(timers, load<u32>(timer, NEXT_TOUCHED), TOUCHED);
      bump(timers, TOUCHED_COUNT, -1);
      lower(timer, IS_TOUCHED);
      judgeTouched(timers, timer);
    } else {
      timer = load<u32>(timers, DUE_LIST);
      if (timer == 0) {
        const count = collectDue(timers);
        if (count > 0) continue;
        if (count < 0) return written > 0 ? <i32>written : OUT_OF_MEMORY;
        if (turnWheel(timers)) continue;
        store<u32>(timers, 0, IS_DRAINING);
        break;
      }
      judgeDue(timers, timer);
    }
    if (rowKind != 0) writeRow(timer, written++, most, out);
    if (rowKind == UNOPENED) dropTimer(timers, timer);
  }
  return <i32>written;
}

/** A timer that is complete tells so once: in time, or after its breach. */
function judgeTouched(timers: usize, timer: usize): void {
  rowKind = 0;
  rowTime = completionTime(timer);
  if (has(timer, HAS_BREACHED)) {
    raise(timer, HAS_RESOLVED);
    rowKind = RESOLVED;
    return;
  }
  if (rowTime >= load<i64>(timer, DEADLINE)) return;
  raise(timer, HAS_COMPLETED);
  if (completedBy != BY_CANCELLATION) rowKind = COMPLETED;
  unlist(timer);
  retain(timers, timer);
}

/** Keeps a timer until its retention is over. */
function retain(timers: usize, timer: usize): void {
  store<i64>(timer, later(load<i64>(timer, DEADLINE), load<i64>(timers, RETENTION)), DUE);
  enlist(timers, timer);
}

/** The first of those that are due: it leaves the list unless it has a second row to tell. */
function judgeDue(timers: usize, timer: usize): void {
  rowKind = 0;
  if (has(timer, IS_OPEN) && !has(timer, HAS_BREACHED | HAS_COMPLETED)) {
    raise(timer, HAS_BREACHED);
    rowKind = BREACHED;
    rowTime = load<i64>(timer, DEADLINE);
    if (isComplete(timer)) return;
    store<u32>(timers, load<u32>(timer, NEXT), DUE_LIST);
    retain(timers, timer);
    return;
  }
  store<u32>(timers, load<u32>(timer, NEXT), DUE_LIST);
  if (!has(timer, IS_OPEN)) {
    rowKind = UNOPENED;
    rowTime = load<i64>(timer, NEWEST);
  } else if (isUnresolved(timer)) {
    rowTime = completionTime(timer);
    rowKind = RESOLVED;
    raise(timer, HAS_RESOLVED);
    retain(timers, timer);
  } else {
    dropTimer(timers, timer);
  }
}

/** Whether it is complete after a breach, and has not told so. */
export function isUnresolved(timer: usize): bool {
  return has(timer, HAS_BREACHED) && !has(timer, HAS_RESOLVED) && isComplete(timer);
}

function dropTimer(timers: usize, timer: usize): void {
  const parts = <u32>popcnt<u64>(load<u64>(timer, GOT));
  store<u64>(timers, load<u64>(timers, COST) - TIMER_COST - partsCost(parts), COST);
  forgetTimer(timers, timer);
}

function writeRow(timer: usize, i: u32, most: u32, out: usize): void {
  const deadlines = out + ((<usize>most) << 4);
  const times = deadlines + ((<usize>most) << 3);
  const parts = times + ((<usize>most) << 3);
  const rules = parts + ((<usize>most) << 3);
  const kinds = rules + ((<usize>most) << 2);
  const isCompletion = rowKind == COMPLETED || rowKind == RESOLVED;
  store<u64>(out + ((<usize>i) << 4), load<u64>(timer, LOW));
  store<u64>(out + ((<usize>i) << 4), load<u64>(timer, HIGH), 8);
  store<i64>(deadlines + ((<usize>i) << 3), load<i64>(timer, DEADLINE));
  store<i64>(times + ((<usize>i) << 3), rowTime);
  store<u64>(parts + ((<usize>i) << 3), rowKind == BREACHED ? partsInTime(timer) : load<u64>(timer, GOT));
  store<u32>(rules + ((<usize>i) << 2), load<u32>(timer, RULE));
  store<u8>(kinds + i, rowKind);
  store<u8>(kinds + most + i, isCompletion ? completedBy : 0);
}

// ---- after an import

/** Goes on as the exporting timers would: with rows to be taken, or without. */
export function finishImport(timers: usize, isDraining: bool): bool {
  if (!isDraining) return true;
  return advanceTimers(timers, load<i64>(timers, WATERMARK));
}

/** What a timer that has been imported is due for. */
export function enlistImported(timers: usize, timer: usize): void {
  if (!has(timer, IS_OPEN))
    store<i64>(timer, later(load<i64>(timer, NEWEST), load<i64>(timers, RETENTION)), DUE);
  else store<i64>(timer, load<i64>(timer, DEADLINE), DUE);
  if (has(timer, HAS_BREACHED | HAS_COMPLETED)) retain(timers, timer);
  else enlist(timers, timer);
  touch(timers, timer);
  const parts = <u32>popcnt<u64>(load<u64>(timer, GOT));
  store<u64>(timers, load<u64>(timers, COST) + TIMER_COST + partsCost(parts), COST);
}

/** Whether nothing that is still to come can depend on a timer. */
export function isOver(timers: usize, timer: usize): bool {
  if (!has(timer, HAS_BREACHED | HAS_COMPLETED) || isUnresolved(timer)) return false;
  return load<i64>(timer, DUE) <= load<i64>(timers, WATERMARK);
}
