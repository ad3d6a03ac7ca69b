/**
 * A hierarchical timing wheel in event time (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987): eight
 * levels of 256 places, one per byte of the tick, so that every time has a place and none lies beyond the wheel. A
 * timer stands on the level of the highest byte in which its tick differs from now, and moves down as now comes near.
 * Empty stretches cost nothing: bits tell which places may be taken.
 *
 * A timer may be due later than its place says, never earlier.
 */
import { REGION_SORT, allocate, blockBytes, release, reserve } from "./memory";
import { PAIR, rank, sortEntries } from "./sort-entries";
import { DUE, LINK, NEXT, BYTES, MAX_COST, ROOM, createTable, destroyTable } from "./timer-table";

// What all timers share, behind the table's part.
export const WATERMARK: usize = 32;
/** A tick takes 2^SHIFT µs. */
const SHIFT: usize = 40;
export const RETENTION: usize = 48;
/** The tick that the wheel has come to. */
const NOW: usize = 56;
/** Timers whose tick has come, in no order. */
export const ARRIVED: usize = 64;
/** Timers that are due, in order. */
export const DUE_LIST: usize = 68;
/** Timers that may have something to say besides a breach. */
export const TOUCHED: usize = 72;
export const TOUCHED_COUNT: usize = 76;
/** Whether rows are being taken. */
export const IS_DRAINING: usize = 80;
export const EXPORT_AT: usize = 84;
export const EXPORT_END: usize = 88;
const BITS: usize = 96;
const HEADS: usize = 352;
const WHEEL: usize = HEADS + 8192;

/** Taken beside the timers: this, the smallest table, the next one, and times that are being moved. */
const FIXED_COST: u64 = 8544 + 80 + 592 + 80 + 336;

/** @returns 0 when there is no memory */
export function createTimers(shift: u32, retention: i64, maxBytes: f64): usize {
  const room: u64 = <u64>maxBytes;
  const wheel: usize = takeWheel();
  if (wheel == 0) return 0;
  store<i64>(wheel, i64.MIN_VALUE, WATERMARK);
  store<u64>(wheel, shift, SHIFT);
  store<i64>(wheel, retention, RETENTION);
  store<u64>(wheel, room > FIXED_COST ? room - FIXED_COST : 0, MAX_COST);
  store<u32>(wheel, <u32>min<u64>(max(room, FIXED_COST), 0xffffffff), ROOM);
  if (createTable(wheel)) return wheel;
  release(wheel);
  return 0;
}

function takeWheel(): usize {
  const wheel = allocate(WHEEL);
  if (wheel == 0) return 0;
  memory.fill(wheel, 0, WHEEL);
  store<u32>(wheel, <u32>blockBytes(wheel), BYTES);
  return wheel;
}

export function destroyTimers(timers: usize): void {
  destroyTable(timers);
  release(timers);
}

/** No later than the end of all time. */
export function later(time: i64, by: i64): i64 {
  return time > i64.MAX_VALUE - by ? i64.MAX_VALUE : time + by;
}

function tickOf(timers: usize, time: i64): u64 {
  return rank(time >> load<i64>(timers, SHIFT));
}

/** Sets now at once; for a wheel without timers. */
export function startAt(timers: usize, time: i64): void {
  store<u64>(timers, tickOf(timers, time), NOW);
}

function pushTo(head: usize, timer: usize): void {
  const next: usize = load<u32>(head);
  store<u32>(timer, <u32>next, NEXT);
  store<u32>(timer, <u32>head, LINK);
  if (next) store<u32>(next, <u32>(timer + NEXT), LINK);
  store<u32>(head, <u32>timer);
}

/** Puts a timer in its place. */
export function enlist(timers: usize, timer: usize): void {
  const tick = tickOf(timers, load<i64>(timer, DUE));
  const now: u64 = load<u64>(timers, NOW);
  if (tick <= now) {
    pushTo(timers + ARRIVED, timer);
    return;
  }
  const level: u64 = (63 - clz<u64>(tick ^ now)) >> 3;
  const place: u64 = (level << 8) | ((tick >> (level << 3)) & 255);
  const word = timers + BITS + ((<usize>(place >> 6)) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << (place & 63)));
  pushTo(timers + HEADS + ((<usize>place) << 2), timer);
}

export function unlist(timer: usize): void {
  const next: usize = load<u32>(timer, NEXT);
  const link: usize = load<u32>(timer, LINK);
  store<u32>(link, <u32>next);
  if (next) store<u32>(next, <u32>link, LINK);
}

/** The first place of a level behind `place` that may be taken; 256: none. */
function nextPlace(timers: usize, level: u64, place: u32): u32 {
  const words = timers + BITS + ((<usize>level) << 5);
  let at = place + 1;
  while (at < 256) {
    const word = words + ((<usize>(at >> 6)) << 3);
    const found: u64 = load<u64>(word) & (~(<u64>0) << (at & 63));
    if (found == 0) {
      at = (at | 63) + 1;
      continue;
    }
    const hit: u32 = (at & ~63) + <u32>ctz(found);
    if (load<u32>(timers + HEADS + ((<usize>level) << 10) + ((<usize>hit) << 2))) return hit;
    store<u64>(word, load<u64>(word) & ~((<u64>1) << (hit & 63)));
    at = hit + 1;
  }
  return 256;
}

/**
 * Moves now to the next place that is taken, at most to the watermark's tick, and its timers down.
 * @returns false when the wheel has come to the watermark
 */
export function turnWheel(timers: usize): bool {
  const goal = tickOf(timers, load<i64>(timers, WATERMARK));
  const now: u64 = load<u64>(timers, NOW);
  if (now >= goal) return false;
  for (let level: u64 = 0; level < 8; level++) {
    const shift = level << 3;
    const place = nextPlace(timers, level, <u32>((now >> shift) & 255));
    if (place == 256) continue;
    const above: u64 = level == 7 ? 0 : (now >> (shift + 8)) << (shift + 8);
    const tick = above | ((<u64>place) << shift);
    if (tick > goal) break;
    store<u64>(timers, tick, NOW);
    const head = timers + HEADS + ((<usize>level) << 10) + ((<usize>place) << 2);
    let timer: usize = load<u32>(head);
    store<u32>(head, 0);
    while (timer) {
      const next: usize = load<u32>(timer, NEXT);
      enlist(timers, timer);
      timer = next;
    }
    return true;
  }
  store<u64>(timers, goal, NOW);
  return false;
}

/**
 * Puts those that have arrived and are due into order: by when they are due, rule, key.
 * @returns how many, -1 when there is no memory
 */
export function collectDue(timers: usize): i32 {
  const watermark: i64 = load<i64>(timers, WATERMARK);
  const now: u64 = load<u64>(timers, NOW);
  let count: u32 = 0;
  let timer: usize = load<u32>(timers, ARRIVED);
  while (timer) {
    const next: usize = load<u32>(timer, NEXT);
    const due: i64 = load<i64>(timer, DUE);
    if (tickOf(timers, due) > now) {
      // due later than its place said, and others in between may be due before it
      unlist(timer);
      enlist(timers, timer);
    } else {
      count += <u32>(due <= watermark);
    }
    timer = next;
  }
  if (count == 0) return 0;
  const pairs = reservePairs(count);
  if (pairs == 0) return -1;
  let pair = pairs;
  timer = load<u32>(timers, ARRIVED);
  store<u32>(timers, 0, ARRIVED);
  while (timer) {
    const next: usize = load<u32>(timer, NEXT);
    const due: i64 = load<i64>(timer, DUE);
    if (due <= watermark) {
      store<u64>(pair, rank(due));
      store<u32>(pair, <u32>timer, 8);
      pair += PAIR;
    } else {
      enlist(timers, timer); // later in the watermark's tick
    }
    timer = next;
  }
  relink(pairs, count, timers + DUE_LIST, NEXT);
  return <i32>count;
}

/** Scratch memory for sorting; 0 when there is none. */
export function reservePairs(count: u32): usize {
  const bytes: u64 = <u64>count * PAIR * 2;
  return bytes > 0xfff00000 ? 0 : reserve(REGION_SORT, <usize>bytes);
}

/** Sorts pairs and links their timers in that order by the word at `link`. */
export function relink(pairs: usize, count: u32, head: usize, link: usize): void {
  const sorted = sortEntries(pairs, pairs + <usize>count * PAIR, count, true);
  let last = head;
  for (let pair = sorted; pair < sorted + <usize>count * PAIR; pair += PAIR) {
    const timer: usize = load<u32>(pair, 8);
    store<u32>(last, <u32>timer);
    last = timer + link;
  }
  store<u32>(last, 0);
}
