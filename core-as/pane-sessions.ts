/**
 * Sessions: rows of a key that are at most the gap apart belong together. A key has stretches of time in order, each
 * with a cell; a row within the gap of a stretch makes it longer, else it begins one. Stretches that have grown
 * within the gap of each other stay two and are summed up when their session is released: so adding a row never
 * merges, a refused batch can be taken back, and no order of batches shows. Stretches begin more than a gap apart,
 * which bounds their number.
 *
 * A session is over when the watermark is beyond its last row + gap + lateness. A row counts when it is not
 * older than the watermark less the lateness: such a row cannot touch a session that is over.
 */
import {
  DIRECTORY,
  DIRECTORY_LENGTH,
  DONE,
  ENTRY_SHIFT,
  dropEmptyKeys,
  entriesUpTo,
  insertEntry,
  keyAt,
  removeEntries,
} from "./pane-keys";
import { KEY_COUNT, LATENESS, SIZE, WATERMARK, WINDOW_CELL, bump, dropCell, takeCell } from "./pane-store";
import { clearAccumulator, mergeCell } from "./aggregate";

// A stretch in a directory: µs of its first row, then of its last one, and its cell.
const END: usize = 8;
const CELL: usize = 16;

/** What the last `stretchCell` did to the directory. */
export const NOTHING: u32 = 0;
export const MADE: u32 = 1;
export const GREW: u32 = 2;
export let stretchChange: u32 = NOTHING;
export let stretchPlace: u32 = 0;
export let startBefore: i64 = 0;
export let endBefore: i64 = 0;

function stretchAt(record: usize, place: u32): usize {
  return <usize>load<u32>(record, DIRECTORY) + ((<usize>place) << ENTRY_SHIFT);
}

/** The cell of the stretch that a row belongs to; 0 when there is no memory: nothing has changed then. */
export function stretchCell(panes: usize, record: usize, time: i64): usize {
  const gap: i64 = load<i64>(panes, SIZE);
  const upTo = entriesUpTo(record, time);
  const left: usize = upTo ? stretchAt(record, upTo - 1) : 0;
  const right: usize = upTo < load<u32>(record, DIRECTORY_LENGTH) ? stretchAt(record, upTo) : 0;
  stretchChange = NOTHING;
  if (left != 0 && time <= load<i64>(left, END)) return load<u32>(left, CELL);
  if (left != 0 && time - load<i64>(left, END) <= gap) {
    grow(left, upTo - 1);
    store<i64>(left, time, END);
    return load<u32>(left, CELL);
  }
  if (right != 0 && load<i64>(right) - time <= gap) {
    grow(right, upTo);
    store<i64>(right, time);
    return load<u32>(right, CELL);
  }
  return insertStretch(panes, record, upTo, time, time);
}

function grow(stretch: usize, place: u32): void {
  stretchChange = GREW;
  stretchPlace = place;
  startBefore = load<i64>(stretch);
  endBefore = load<i64>(stretch, END);
}

/** Adds a stretch at its place in the directory. @returns its cell, 0 when there is no memory */
export function insertStretch(panes: usize, record: usize, place: u32, start: i64, end: i64): usize {
  const cell = takeCell(panes);
  if (cell == 0) return 0;
  const stretch = insertEntry(panes, record, place);
  if (stretch == 0) {
    dropCell(panes, cell);
    return 0;
  }
  store<i64>(stretch, start);
  store<i64>(stretch, end, END);
  store<u32>(stretch, <u32>cell, CELL);
  stretchChange = MADE;
  stretchPlace = place;
  return cell;
}

/** Takes back what `stretchCell` did, the latest first. */
export function restoreStretch(
  panes: usize,
  record: usize,
  change: u32,
  place: u32,
  start: i64,
  end: i64,
): void {
  const stretch = stretchAt(record, place);
  if (change == MADE) {
    dropCell(panes, load<u32>(stretch, CELL));
    removeEntries(record, place, 1);
  } else {
    store<i64>(stretch, start);
    store<i64>(stretch, end, END);
  }
}

/** Gives back the cells of a key's first stretches, and removes these. */
export function removeStretches(panes: usize, record: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) dropCell(panes, load<u32>(stretchAt(record, i), CELL));
  removeEntries(record, 0, count);
}

/** The place behind the session that begins at `place`. */
function sessionEnd(record: usize, place: u32, gap: i64): u32 {
  const length: u32 = load<u32>(record, DIRECTORY_LENGTH);
  let next = place + 1;
  while (next < length) {
    if (load<i64>(stretchAt(record, next)) - load<i64>(stretchAt(record, next - 1), END) > gap) break;
    next++;
  }
  return next;
}

// ---- release: the earliest of all sessions that are over, found by a heap of bounded size

// An entry: its last row's time, place of the key, first stretch, place behind the last one.
const DUE_KEY: usize = 8;
const DUE_FROM: usize = 12;
const DUE_TO: usize = 16;
export const DUE_BYTES: usize = 24;

/** Whether one of two sessions ends later, or with a later key. */
function isLater(a: usize, b: usize): bool {
  const endA: i64 = load<i64>(a);
  const endB: i64 = load<i64>(b);
  return endA != endB ? endA > endB : load<u32>(a, DUE_KEY) > load<u32>(b, DUE_KEY);
}

function swap(a: usize, b: usize): void {
  for (let at: usize = 0; at < DUE_BYTES; at += 8) {
    const word: u64 = load<u64>(a + at);
    store<u64>(a + at, load<u64>(b + at));
    store<u64>(b + at, word);
  }
}

function sinkDue(heap: usize, count: u32): void {
  let at: u32 = 0;
  while (true) {
    let child: u32 = (at << 1) + 1;
    if (child >= count) return;
    if (child + 1 < count) {
      if (isLater(heap + <usize>(child + 1) * DUE_BYTES, heap + <usize>child * DUE_BYTES)) child++;
    }
    if (!isLater(heap + <usize>child * DUE_BYTES, heap + <usize>at * DUE_BYTES)) return;
    swap(heap + <usize>child * DUE_BYTES, heap + <usize>at * DUE_BYTES);
    at = child;
  }
}

function raiseDue(heap: usize, from: u32): void {
  let at = from;
  while (at > 0) {
    const parent: u32 = (at - 1) >> 1;
    if (!isLater(heap + <usize>at * DUE_BYTES, heap + <usize>parent * DUE_BYTES)) return;
    swap(heap + <usize>at * DUE_BYTES, heap + <usize>parent * DUE_BYTES);
    at = parent;
  }
}

/**
 * Writes the earliest sessions that are over to `heap`, at most `most`, in order of end and key; keys are in
 * order. There is room for one more entry. @returns how many
 */
export function collectDue(panes: usize, heap: usize, most: u32): u32 {
  const gap: i64 = load<i64>(panes, SIZE);
  const limit: i64 = load<i64>(panes, WATERMARK) - load<i64>(panes, LATENESS) - gap;
  const entry = heap + <usize>most * DUE_BYTES;
  let count: u32 = 0;
  for (let k: u32 = 0; k < load<u32>(panes, KEY_COUNT); k++) {
    const record = keyAt(panes, k);
    for (let place: u32 = 0; place < load<u32>(record, DIRECTORY_LENGTH);) {
      const next = sessionEnd(record, place, gap);
      const end: i64 = load<i64>(stretchAt(record, next - 1), END);
      if (end >= limit) break;
      const to = count < most ? heap + <usize>count * DUE_BYTES : entry;
      store<i64>(to, end);
      store<u32>(to, k, DUE_KEY);
      store<u32>(to, place, DUE_FROM);
      store<u32>(to, next, DUE_TO);
      place = next;
      if (count < most) {
        raiseDue(heap, count);
        count++;
        continue;
      }
      if (!isLater(heap, entry)) break; // what this key has later ends later still
      memory.copy(heap, entry, DUE_BYTES);
      sinkDue(heap, count);
    }
  }
  for (let last = count; last > 1;) {
    last--;
    swap(heap, heap + <usize>last * DUE_BYTES);
    sinkDue(heap, last);
  }
  return count;
}

/** Of the session that `sumSession` summed up. */
export let sessionStart: i64 = 0;
export let sessionLast: i64 = 0;
export let sessionKey: usize = 0;

/** Sums up a collected session in the window's accumulator. */
export function sumSession(panes: usize, due: usize): void {
  const record = keyAt(panes, load<u32>(due, DUE_KEY));
  const to: u32 = load<u32>(due, DUE_TO);
  sessionKey = record;
  sessionStart = load<i64>(stretchAt(record, load<u32>(due, DUE_FROM)));
  sessionLast = load<i64>(due);
  clearAccumulator(panes, load<u32>(panes, WINDOW_CELL));
  for (let place = load<u32>(due, DUE_FROM); place < to; place++)
    mergeCell(panes, load<u32>(panes, WINDOW_CELL), load<u32>(stretchAt(record, place), CELL));
}

/** Removes the first `count` collected sessions. */
export function removeSessions(panes: usize, heap: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const due = heap + <usize>i * DUE_BYTES;
    bump(keyAt(panes, load<u32>(due, DUE_KEY)), DONE, load<u32>(due, DUE_TO) - load<u32>(due, DUE_FROM));
  }
  for (let k: u32 = 0; k < load<u32>(panes, KEY_COUNT); k++) {
    const record = keyAt(panes, k);
    const gone: u32 = load<u32>(record, DONE);
    if (gone == 0) continue;
    removeStretches(panes, record, gone);
    store<u32>(record, 0, DONE);
  }
  dropEmptyKeys(panes);
}

// ---- for state images

export function stretchStart(record: usize, place: u32): i64 {
  return load<i64>(stretchAt(record, place));
}

export function stretchEnd(record: usize, place: u32): i64 {
  return load<i64>(stretchAt(record, place), END);
}

export function stretchCellAt(record: usize, place: u32): usize {
  return load<u32>(stretchAt(record, place), CELL);
}
