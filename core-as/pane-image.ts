/**
 * State images of pane operators: keys in byte order, each with its cells in order of time. Equal state gives equal
 * bytes: capacities, free cells, hour partials and the order of the key table are left out, sketches have one form.
 *
 * A key: u32 length, u32 cells, its bytes padded to 8. A cell: i64 time of its minute, or of its first and last
 * row; u32 aggregates seen (a bit each), 0; the states. A sketch: u32 entries, 0, then u32 registers (padded to 8)
 * or bins of 16 bytes.
 */
import {
  BYTES_MAX,
  CELL_BYTES,
  CELL_COUNT,
  CELL_HEAD,
  CURSOR,
  DISTINCT,
  DOUBLE,
  KEY_COUNT,
  KIND,
  KIND_SESSIONS,
  NEXT_END,
  PARTIALS,
  SPEC_COUNT,
  SPEC_KIND,
  SPEC_OFFSET,
  SPEC_PARAMETER,
  SPEC_TYPE,
  SUM,
  reserveCells,
  specAt,
} from "./pane-store";
import {
  DIRECTORY_LENGTH,
  KEY_BYTES,
  KEY_LENGTH,
  addKey,
  findKey,
  isBefore,
  keyAt,
  reserveKeys,
  sortKeys,
} from "./pane-keys";
import { MINUTE_US, beginWalk, isNewMinute, minuteCell, minuteCount, walk, walkedTime } from "./pane-hours";
import { insertStretch, stretchCellAt, stretchEnd, stretchStart } from "./pane-sessions";
import { readList, registersUsed, writeList } from "./hyperloglog";
import { BIN_SHIFT, binCount, binsAt, readBins } from "./ddsketch";
import { canonicalBits } from "./extreme";

const IMPORTED: i32 = 0;
const NO_MEMORY: i32 = -1;
const DAMAGED: i32 = -2;

function isSession(panes: usize): bool {
  return load<u32>(panes, KIND) == KIND_SESSIONS;
}

function stateEnd(panes: usize, i: u32): u32 {
  return i + 1 < load<u32>(panes, SPEC_COUNT)
    ? load<u32>(specAt(panes, i + 1), SPEC_OFFSET)
    : load<u32>(panes, CELL_BYTES);
}

function padded(bytes: usize): usize {
  return (bytes + 7) & ~7;
}

/** Entries of a cell's sketch. */
function sketchLength(spec: usize, sketch: usize): u32 {
  if (sketch == 0) return 0;
  return load<u32>(spec, SPEC_KIND) == DISTINCT
    ? registersUsed(sketch, load<u32>(spec, SPEC_PARAMETER))
    : binCount(sketch);
}

/** Writes a cell, or only counts its bytes when `out` is 0. */
function writeCell(panes: usize, cell: usize, out: usize): usize {
  if (out) store<u64>(out, <u64>load<u32>(cell));
  let size: usize = CELL_HEAD;
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const at: u32 = load<u32>(spec, SPEC_OFFSET);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    if (kind < DISTINCT) {
      const bytes: usize = stateEnd(panes, a) - at;
      if (out) {
        memory.copy(out + size, cell + at, bytes);
        // which NaN a sum became depends on the processor
        if (kind == SUM && load<u32>(spec, SPEC_TYPE) == DOUBLE) {
          store<u64>(out + size, canonicalBits(load<u64>(out + size)));
          store<u64>(out + size + 8, canonicalBits(load<u64>(out + size + 8)));
        }
      }
      size += bytes;
      continue;
    }
    const sketch: usize = load<u32>(cell + at);
    const length = sketchLength(spec, sketch);
    const bytes: usize = kind == DISTINCT ? padded((<usize>length) << 2) : (<usize>length) << BIN_SHIFT;
    if (out) {
      memory.fill(out + size, 0, 8 + bytes);
      store<u32>(out + size, length);
      if (length) {
        if (kind == DISTINCT) writeList(sketch, load<u32>(spec, SPEC_PARAMETER), out + size + 8);
        else memory.copy(out + size + 8, binsAt(sketch), bytes);
      }
    }
    size += 8 + bytes;
  }
  return size;
}

/** Writes a key and its cells, or only counts their bytes when `out` is 0. */
function writeKey(panes: usize, record: usize, out: usize): usize {
  const length: u32 = load<u32>(record, KEY_LENGTH);
  const cells: u32 = isSession(panes) ? load<u32>(record, DIRECTORY_LENGTH) : minuteCount(record);
  let size: usize = 8 + padded(length);
  if (out) {
    store<u32>(out, length);
    store<u32>(out, cells, 4);
    memory.copy(out + 8, record + KEY_BYTES, padded(length));
  }
  beginWalk();
  for (let i: u32 = 0; i < cells; i++) {
    let cell: usize;
    if (isSession(panes)) {
      cell = stretchCellAt(record, i);
      if (out) store<i64>(out + size, stretchStart(record, i));
      if (out) store<i64>(out + size, stretchEnd(record, i), 8);
      size += 16;
    } else {
      cell = walk(record);
      if (out) store<i64>(out + size, walkedTime);
      size += 8;
    }
    size += writeCell(panes, cell, out ? out + size : 0);
  }
  return size;
}

/** The key behind the last one that `exportPanes` wrote. */
export let exportedKeys: u32 = 0;

/** Bytes that the key at a place takes in an image. */
export function paneKeyBytes(panes: usize, place: u32): usize {
  sortKeys(panes);
  return writeKey(panes, keyAt(panes, place), 0);
}

/** Writes keys from a place on, as many as fit. @returns bytes; 0 at the end, or when the next key does not fit */
export function exportPanes(panes: usize, from: u32, room: usize, out: usize): usize {
  sortKeys(panes);
  let size: usize = 0;
  exportedKeys = from;
  while (exportedKeys < load<u32>(panes, KEY_COUNT)) {
    const record = keyAt(panes, exportedKeys);
    const bytes = writeKey(panes, record, 0);
    if (size + bytes > room) break;
    writeKey(panes, record, out + size);
    size += bytes;
    exportedKeys++;
  }
  return size;
}

/** Cells that an image holds. */
export function panesCells(panes: usize): u32 {
  return load<u32>(panes, CELL_COUNT) - load<u32>(panes, PARTIALS);
}

export function panesNextEnd(panes: usize): i64 {
  return load<i64>(panes, NEXT_END);
}

export function panesCursor(panes: usize): u32 {
  return load<u32>(panes, CURSOR);
}

// ---- reading: nothing is believed

let readAt: usize = 0;
let readEnd: usize = 0;

/** Takes bytes of the image. @returns their address, 0 when there are not so many */
function next(bytes: usize): usize {
  if (readEnd - readAt < bytes) return 0;
  const at = readAt;
  readAt += bytes;
  return at;
}

function readSketch(panes: usize, spec: usize, slot: usize): i32 {
  const head = next(8);
  if (head == 0 || load<u32>(head, 4) != 0) return DAMAGED;
  const length: u32 = load<u32>(head);
  if (length == 0) return IMPORTED;
  if (length > <u32>(readEnd - readAt) >> 2) return DAMAGED;
  const isDistinct = load<u32>(spec, SPEC_KIND) == DISTINCT;
  const parameter: u32 = load<u32>(spec, SPEC_PARAMETER);
  const from = next(isDistinct ? padded((<usize>length) << 2) : (<usize>length) << BIN_SHIFT);
  if (from == 0) return DAMAGED;
  const sketch = isDistinct
    ? readList(panes, from, length, parameter)
    : readBins(panes, from, length, parameter);
  if (sketch == 0) return NO_MEMORY;
  if (sketch == 1) return DAMAGED;
  store<u32>(slot, <u32>sketch);
  return IMPORTED;
}

function readCell(panes: usize, cell: usize): i32 {
  const head = next(CELL_HEAD);
  if (head == 0 || load<u32>(head, 4) != 0) return DAMAGED;
  const seen: u32 = load<u32>(head);
  store<u32>(cell, seen);
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const at: u32 = load<u32>(spec, SPEC_OFFSET);
    if (load<u32>(spec, SPEC_KIND) >= DISTINCT) {
      const status = readSketch(panes, spec, cell + at);
      if (status != IMPORTED) return status;
      // a sketch is there exactly when it has seen a value
      if ((load<u32>(cell + at) != 0) != ((seen & (1 << a)) != 0)) return DAMAGED;
      continue;
    }
    const bytes: usize = stateEnd(panes, a) - at;
    const from = next(bytes);
    if (from == 0) return DAMAGED;
    memory.copy(cell + at, from, bytes);
  }
  return IMPORTED;
}

function readCells(panes: usize, record: usize, count: u32): i32 {
  for (let i: u32 = 0; i < count; i++) {
    const place = next(isSession(panes) ? 16 : 8);
    if (place == 0) return DAMAGED;
    const time: i64 = load<i64>(place);
    let cell: usize;
    if (isSession(panes)) {
      const end: i64 = load<i64>(place, 8);
      if (end < time || (i > 0 && time <= stretchEnd(record, i - 1))) return DAMAGED;
      cell = insertStretch(panes, record, i, time, end);
    } else {
      cell = minuteCell(panes, record, time);
      if (cell != 0 && (!isNewMinute || time % MINUTE_US != 0)) return DAMAGED;
    }
    if (cell == 0) return NO_MEMORY;
    const status = readCell(panes, cell);
    if (status != IMPORTED) return status;
  }
  return IMPORTED;
}

/**
 * Makes room for all of an image at once, so that it takes no more than it did before, and lifts the budget until
 * `resumePanes`. @returns false when there is no memory
 */
export function reservePanes(panes: usize, keys: u32, cells: u32): bool {
  store<u32>(panes, u32.MAX_VALUE, BYTES_MAX);
  return keys == 0 || (reserveKeys(panes, keys) && reserveCells(panes, cells));
}

/** Adds the keys of an image to an operator that has none behind them. A failed one is to be destroyed. */
export function importPanes(panes: usize, image: usize, length: usize): i32 {
  readAt = image;
  readEnd = image + length;
  while (readAt < readEnd) {
    const head = next(8);
    if (head == 0) return DAMAGED;
    const keyLength: u32 = load<u32>(head);
    const cells: u32 = load<u32>(head, 4);
    if (keyLength > 65535 || cells == 0) return DAMAGED;
    const key = next(padded(keyLength));
    if (key == 0 || findKey(panes, key, keyLength) != 0) return DAMAGED;
    const record = addKey(panes, key, keyLength);
    if (record == 0) return NO_MEMORY;
    const count: u32 = load<u32>(panes, KEY_COUNT);
    if (count > 1 && !isBefore(keyAt(panes, count - 2), record)) return DAMAGED;
    const status = readCells(panes, record, cells);
    if (status != IMPORTED) return status;
  }
  return IMPORTED;
}
