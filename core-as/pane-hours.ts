/**
 * Panes of one minute, by key: a directory of hours in order of time, each with the cells of those minutes that had
 * rows (slices as in Traub et al., "Scotty", EDBT 2019). Hours are found by their time, never by a place that two
 * times could share, so nothing ever aliases.
 *
 * A window is summed up in order of time: a whole hour by its partial (its minutes, summed up on their own), else
 * minute by minute; 48 hours take at most 107 merges. Partials are made when a window first needs them and dropped
 * when a row comes late, so they are a cache, not state; sums of doubles are the same with and without it.
 */
import {
  DIRECTORY,
  DIRECTORY_LENGTH,
  ENTRY_SHIFT,
  LAST_CELL,
  LAST_TIME,
  NO_TIME,
  entriesUpTo,
  insertEntry,
  keyAt,
  removeEntries,
} from "./pane-keys";
import {
  HOUR_CELL,
  KEEPS_PARTIALS,
  KEY_COUNT,
  PARTIALS,
  WINDOW_CELL,
  bump,
  dropCell,
  floorDivide,
  give,
  take,
  takeCell,
} from "./pane-store";
import { clearAccumulator, copyAccumulator, mergeCell } from "./aggregate";

// An hour in a directory: first µs at its beginning, then a bit per minute that has a cell, the cells in order.
const MINUTES: usize = 8;
const CELLS: usize = 16;
const CAPACITY: usize = 20;
const PARTIAL: usize = 24;

export const MINUTE_US: i64 = 60_000_000;
export const HOUR_US: i64 = 3_600_000_000;
const CELLS_FIRST: u32 = 4;

/** Whether the last `minuteCell` made the cell. */
export let isNewMinute: bool = false;

function hourAt(record: usize, place: u32): usize {
  return <usize>load<u32>(record, DIRECTORY) + ((<usize>place) << ENTRY_SHIFT);
}

function cellOf(hour: usize, bit: u64): usize {
  const place: usize = <usize>popcnt<u64>(load<u64>(hour, MINUTES) & (bit - 1));
  return load<u32>(<usize>load<u32>(hour, CELLS) + (place << 2));
}

function dropPartial(panes: usize, hour: usize): void {
  if (load<u32>(hour, PARTIAL) == 0) return;
  dropCell(panes, load<u32>(hour, PARTIAL));
  store<u32>(hour, 0, PARTIAL);
  bump(panes, PARTIALS, -1);
}

/** The cell of a key's minute, made when there is none, remembered as its last; 0: no memory, nothing has changed. */
export function minuteCell(panes: usize, record: usize, time: i64): usize {
  isNewMinute = false;
  const upTo = entriesUpTo(record, time);
  let hour: usize = upTo ? hourAt(record, upTo - 1) : 0;
  if (hour == 0 || time - load<i64>(hour) >= HOUR_US) {
    hour = insertEntry(panes, record, upTo);
    if (hour == 0) return 0;
    store<i64>(hour, floorDivide(time, HOUR_US) * HOUR_US);
  }
  const minute: u32 = <u32>(time - load<i64>(hour)) / <u32>MINUTE_US;
  const bit: u64 = (<u64>1) << minute;
  let cell: usize;
  if (load<u64>(hour, MINUTES) & bit) {
    cell = cellOf(hour, bit);
  } else {
    cell = insertCell(panes, hour, bit);
    if (cell == 0) {
      if (load<u64>(hour, MINUTES) == 0)
        removeHour(panes, record, <u32>((hour - hourAt(record, 0)) >> ENTRY_SHIFT));
      return 0;
    }
    isNewMinute = true;
  }
  dropPartial(panes, hour);
  store<i64>(record, load<i64>(hour) + <i64>minute * MINUTE_US, LAST_TIME);
  store<u32>(record, <u32>cell, LAST_CELL);
  return cell;
}

function insertCell(panes: usize, hour: usize, bit: u64): usize {
  const minutes: u64 = load<u64>(hour, MINUTES);
  const count: u32 = <u32>popcnt<u64>(minutes);
  let cells: usize = load<u32>(hour, CELLS);
  if (count == load<u32>(hour, CAPACITY)) {
    const capacity: u32 = count ? min<u32>(count << 1, 60) : CELLS_FIRST;
    const fresh = take(panes, (<usize>capacity) << 2);
    if (fresh == 0) return 0;
    memory.copy(fresh, cells, (<usize>count) << 2);
    give(panes, cells);
    cells = fresh;
    store<u32>(hour, <u32>cells, CELLS);
    store<u32>(hour, capacity, CAPACITY);
  }
  const cell = takeCell(panes);
  if (cell == 0) return 0;
  const place: usize = <usize>popcnt<u64>(minutes & (bit - 1));
  const at = cells + (place << 2);
  memory.copy(at + 4, at, (<usize>count - place) << 2);
  store<u32>(at, <u32>cell);
  store<u64>(hour, minutes | bit, MINUTES);
  return cell;
}

function removeHour(panes: usize, record: usize, place: u32): void {
  const hour = hourAt(record, place);
  dropPartial(panes, hour);
  give(panes, load<u32>(hour, CELLS));
  removeEntries(record, place, 1);
}

/** Removes the cells of the lowest `count` minutes of an hour that it has. */
function removeFirst(panes: usize, hour: usize, count: u32): void {
  const cells: usize = load<u32>(hour, CELLS);
  let minutes: u64 = load<u64>(hour, MINUTES);
  const had: u32 = <u32>popcnt<u64>(minutes);
  for (let i: u32 = 0; i < count; i++) {
    dropCell(panes, load<u32>(cells + ((<usize>i) << 2)));
    minutes &= minutes - 1;
  }
  memory.copy(cells, cells + ((<usize>count) << 2), (<usize>(had - count)) << 2);
  store<u64>(hour, minutes, MINUTES);
}

/** Removes a minute that `minuteCell` has made. */
export function removeMinute(panes: usize, record: usize, time: i64): void {
  const place = entriesUpTo(record, time) - 1;
  const hour = hourAt(record, place);
  const minutes: u64 = load<u64>(hour, MINUTES);
  const bit: u64 = (<u64>1) << (<u64>(<u32>(time - load<i64>(hour)) / <u32>MINUTE_US));
  const at: usize = <usize>load<u32>(hour, CELLS) + ((<usize>popcnt<u64>(minutes & (bit - 1))) << 2);
  dropCell(panes, load<u32>(at));
  memory.copy(at, at + 4, (<usize>popcnt<u64>(minutes & ~((bit << 1) - 1))) << 2);
  store<u64>(hour, minutes & ~bit, MINUTES);
  store<i64>(record, NO_TIME, LAST_TIME);
  if (minutes == bit) removeHour(panes, record, place);
}

/** Removes a key's minutes before `oldest`, a whole minute. */
export function expireMinutes(panes: usize, record: usize, oldest: i64): void {
  let whole: u32 = 0;
  const length: u32 = load<u32>(record, DIRECTORY_LENGTH);
  if (length == 0 || load<i64>(hourAt(record, 0)) >= oldest) return;
  store<i64>(record, NO_TIME, LAST_TIME);
  for (; whole < length; whole++) {
    const hour = hourAt(record, whole);
    const minutes: u64 = load<u64>(hour, MINUTES);
    if (load<i64>(hour) >= oldest) break;
    const minute = (oldest - load<i64>(hour)) / MINUTE_US;
    const gone: u64 = minute >= 60 ? minutes : minutes & (((<u64>1) << (<u64>minute)) - 1);
    dropPartial(panes, hour);
    removeFirst(panes, hour, <u32>popcnt<u64>(gone));
    if (gone != minutes) break;
    give(panes, load<u32>(hour, CELLS));
  }
  removeEntries(record, 0, whole);
}

/** Gives the partials of all hours back. */
export function dropPartials(panes: usize): void {
  for (let k: u32 = 0; k < load<u32>(panes, KEY_COUNT); k++) {
    const record = keyAt(panes, k);
    for (let i: u32 = 0; i < load<u32>(record, DIRECTORY_LENGTH); i++) dropPartial(panes, hourAt(record, i));
  }
}

/** The bits of an hour's minutes in [from, to). */
function minutesWithin(hour: usize, from: i64, to: i64): u64 {
  const start: i64 = load<i64>(hour);
  let minutes: u64 = load<u64>(hour, MINUTES);
  if (from > start) {
    const first = (from - start) / MINUTE_US;
    minutes = first >= 60 ? 0 : minutes & ~(((<u64>1) << (<u64>first)) - 1);
  }
  if (to < start + HOUR_US) {
    const end = to <= start ? 0 : (to - start) / MINUTE_US;
    minutes &= ((<u64>1) << (<u64>end)) - 1;
  }
  return minutes;
}

function mergeMinutes(panes: usize, into: usize, hour: usize, minutes: u64): void {
  let left = minutes;
  while (left) {
    const bit = left & (0 - left);
    mergeCell(panes, into, cellOf(hour, bit));
    left &= left - 1;
  }
}

/** Adds a whole hour to the window's accumulator. */
function mergeHour(panes: usize, record: usize, hour: usize): void {
  if (load<u32>(hour, PARTIAL) == 0) {
    const sum: usize = load<u32>(panes, HOUR_CELL);
    clearAccumulator(panes, sum);
    mergeMinutes(panes, sum, hour, load<u64>(hour, MINUTES));
    mergeCell(panes, load<u32>(panes, WINDOW_CELL), sum);
    if (load<u32>(panes, KEEPS_PARTIALS)) keepPartial(panes, record, hour, sum);
    return;
  }
  mergeCell(panes, load<u32>(panes, WINDOW_CELL), load<u32>(hour, PARTIAL));
}

/** Without memory it is worked out again for the next window. */
function keepPartial(panes: usize, record: usize, hour: usize, sum: usize): void {
  const cell = takeCell(panes);
  if (cell == 0) return;
  if (!copyAccumulator(panes, cell, sum)) {
    dropCell(panes, cell);
    return;
  }
  store<u32>(hour, <u32>cell, PARTIAL);
  bump(panes, PARTIALS, 1);
  store<i64>(record, NO_TIME, LAST_TIME); // a row that comes late must pass by the partial
}

/** Sums up a key's minutes in [from, to) in the window's accumulator. @returns whether there are any */
export function sumWindow(panes: usize, record: usize, from: i64, to: i64): bool {
  const length: u32 = load<u32>(record, DIRECTORY_LENGTH);
  const upTo = entriesUpTo(record, from);
  let isEmpty = true;
  for (let place = upTo ? upTo - 1 : 0; place < length; place++) {
    const hour = hourAt(record, place);
    const start: i64 = load<i64>(hour);
    if (start >= to) break;
    const isWhole = start >= from && start + HOUR_US <= to;
    const minutes = isWhole ? load<u64>(hour, MINUTES) : minutesWithin(hour, from, to);
    if (minutes == 0) continue;
    if (isEmpty) clearAccumulator(panes, load<u32>(panes, WINDOW_CELL));
    isEmpty = false;
    if (isWhole) mergeHour(panes, record, hour);
    else mergeMinutes(panes, load<u32>(panes, WINDOW_CELL), hour, minutes);
  }
  return !isEmpty;
}

/** The first minute of a key at or behind `from` that has a cell; `none` when there is none. */
export function firstMinute(record: usize, from: i64, none: i64): i64 {
  const length: u32 = load<u32>(record, DIRECTORY_LENGTH);
  const upTo = entriesUpTo(record, from);
  for (let place = upTo ? upTo - 1 : 0; place < length; place++) {
    const hour = hourAt(record, place);
    const minutes = minutesWithin(hour, from, i64.MAX_VALUE);
    if (minutes) return load<i64>(hour) + <i64>ctz<u64>(minutes) * MINUTE_US;
  }
  return none;
}

// ---- for state images: a key's cells in order of time

/** Calls for nothing but counting: the cells of a key. */
export function minuteCount(record: usize): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < load<u32>(record, DIRECTORY_LENGTH); i++)
    count += <u32>popcnt<u64>(load<u64>(hourAt(record, i), MINUTES));
  return count;
}

/** The time of a minute by its hour's place and its place in the hour, which are counted up together. */
export let walkedTime: i64 = 0;
let walkedHour: u32 = 0;
let walkedMinutes: u64 = 0;

export function beginWalk(): void {
  walkedHour = 0;
  walkedMinutes = 0;
}

/** The next cell of a key, 0 at the end; its minute is `walkedTime`. */
export function walk(record: usize): usize {
  while (walkedMinutes == 0) {
    if (walkedHour >= load<u32>(record, DIRECTORY_LENGTH)) return 0;
    walkedMinutes = load<u64>(hourAt(record, walkedHour), MINUTES);
    walkedHour++;
  }
  const hour = hourAt(record, walkedHour - 1);
  const bit = walkedMinutes & (0 - walkedMinutes);
  walkedMinutes &= walkedMinutes - 1;
  walkedTime = load<i64>(hour) + <i64>ctz<u64>(bit) * MINUTE_US;
  return cellOf(hour, bit);
}
