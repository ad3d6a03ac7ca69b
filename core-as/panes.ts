/**
 * Aggregates of events by key and window of event time: tumbling and hopping windows over panes of one minute
 * (pane-hours.ts), or sessions (pane-sessions.ts). The host adds batches, moves the watermark and takes what
 * is over (pane-release.ts).
 *
 * Whether a row counts depends on its time and the watermark alone, and what comes out on the rows that counted;
 * batches, process and restores never show. A batch is taken whole or not at all: first every row finds its cell and
 * every sketch its room, which is all that can fail and is taken back when it does; only then values are added.
 */
import { REGION_PANES, allocate, blockBytes, release, reserve } from "./memory";
import {
  BYTES,
  BYTES_MAX,
  COLUMN_COUNT,
  CURSOR,
  DISTINCT,
  HOP,
  HOUR_CELL,
  KEEPS_PARTIALS,
  KEY_COUNT,
  KIND,
  KIND_SESSIONS,
  LATENESS,
  NEXT_END,
  OLDEST,
  PANES,
  PARTIALS,
  PARTLY,
  PENDING,
  SIZE,
  SPECS,
  SPEC_COUNT,
  SPEC_OFFSET,
  SPEC_QUANTILES,
  SPEC_QUANTILE_COUNT,
  TEXT,
  WATERMARK,
  WINDOW_CELL,
  floorDivide,
  give,
  isOverBudget,
  specAt,
  take,
} from "./pane-store";
import {
  DIRECTORY_LENGTH,
  LAST_CELL,
  LAST_TIME,
  NO_TIME,
  AHEAD,
  addKey,
  dropEmptyKeys,
  dropNewestKey,
  findAhead,
  keyAt,
  lookAhead,
} from "./pane-keys";
import {
  HOUR_US,
  MINUTE_US,
  dropPartials,
  expireMinutes,
  isNewMinute,
  minuteCell,
  removeMinute,
} from "./pane-hours";
import {
  MADE,
  NOTHING,
  endBefore,
  removeStretches,
  restoreStretch,
  startBefore,
  stretchCell,
  stretchChange,
  stretchPlace,
} from "./pane-sessions";
import {
  BATCH_KEYS,
  BATCH_COLUMNS,
  BATCH_LENGTH,
  BATCH_TIMES,
  addRows,
  prepareCells,
  reserveSketches,
  settleSketches,
} from "./aggregate";

// A row's status.
const COUNTED: u8 = 0;
const COUNTED_PARTLY: u8 = 1;
const LATE: u8 = 2;
const BEYOND: u8 = 3;

// What `addToPanes` returns.
const DONE: i32 = 0;
const NO_MEMORY: i32 = -1;
const OVER_BUDGET: i32 = -2;
const NOT_RELEASED: i32 = -3;
const BAD_BATCH: i32 = -4;

/** Times this far from 1970 and farther (µs: 36,500 years) count nowhere: their windows could not be told. */
const FARTHEST: i64 = (<i64>1) << 60;
const KEY_MOST: u32 = 65535;
/** Of the word that the columns' kinds begin at in a description. */
const DESCRIPTION_HEAD: usize = 48;

/**
 * @param description u32 kind (0 windows, 1 sessions), columns, aggregates, all quantiles; i64 size or gap, hop,
 *   lateness (µs), 0; per column u32 type; per aggregate u32 kind, column, parameter, quantiles; the quantiles as f64,
 *   which begin at a multiple of 8
 * @returns the operator's handle, 0 when there is no memory
 */
export function createPanes(description: usize, bytesMost: u32): usize {
  const panes = allocate(PANES);
  if (panes == 0) return 0;
  memory.fill(panes, 0, PANES);
  store<u32>(panes, <u32>blockBytes(panes), BYTES);
  store<u32>(panes, bytesMost, BYTES_MAX);
  const columns: u32 = load<u32>(description, 4);
  const aggregates: u32 = load<u32>(description, 8);
  store<u32>(panes, load<u32>(description), KIND);
  store<u32>(panes, columns, COLUMN_COUNT);
  store<u32>(panes, aggregates, SPEC_COUNT);
  const size: i64 = load<i64>(description, 16);
  const hop: i64 = load<i64>(description, 24);
  store<i64>(panes, size, SIZE);
  store<i64>(panes, hop, HOP);
  store<i64>(panes, load<i64>(description, 32), LATENESS);
  for (let field: usize = WATERMARK; field <= NEXT_END; field += 8) store<i64>(panes + field, NO_TIME);
  store<u32>(panes, hop < size && size >= 2 * HOUR_US ? 1 : 0, KEEPS_PARTIALS);
  // types of columns are kept behind the specs: text columns are checked with every batch
  const specBytes: usize = (<usize>aggregates) << 5;
  const types = description + DESCRIPTION_HEAD;
  const declared = types + ((<usize>columns) << 2);
  const quantiles = (declared + ((<usize>aggregates) << 4) + 7) & ~7;
  const shares: usize = load<u32>(description, 12);
  const specs = take(panes, specBytes + ((<usize>columns) << 3) + (shares << 3));
  store<u32>(panes, <u32>specs, SPECS);
  if (specs == 0) {
    destroyPanes(panes);
    return 0;
  }
  let sharesAt = specs + specBytes + ((<usize>columns) << 3);
  memory.copy(specs + specBytes, types, (<usize>columns) << 2);
  memory.copy(sharesAt, quantiles, shares << 3);
  for (let i: u32 = 0; i < aggregates; i++) {
    const spec = specAt(panes, i);
    const from = declared + ((<usize>i) << 4);
    const column: u32 = load<u32>(from, 4);
    memory.fill(spec, 0, 32);
    store<u32>(spec, load<u32>(from));
    store<u32>(spec, column, 4);
    store<u32>(spec, column < columns ? load<u32>(types + ((<usize>column) << 2)) : 0, 8);
    store<u32>(spec, load<u32>(from, 8), 16);
    store<u32>(spec, <u32>sharesAt, SPEC_QUANTILES);
    store<u32>(spec, load<u32>(from, 12), SPEC_QUANTILE_COUNT);
    sharesAt += (<usize>load<u32>(from, 12)) << 3;
  }
  if (prepareCells(panes)) return panes;
  destroyPanes(panes);
  return 0;
}

/** Removes every key. */
function clearKeys(panes: usize): void {
  const isSession = load<u32>(panes, KIND) == KIND_SESSIONS;
  for (let k: u32 = 0; k < load<u32>(panes, KEY_COUNT); k++) {
    const record = keyAt(panes, k);
    if (isSession) removeStretches(panes, record, load<u32>(record, DIRECTORY_LENGTH));
    else expireMinutes(panes, record, 2 * FARTHEST);
  }
  dropEmptyKeys(panes);
}

function dropAccumulator(panes: usize, field: usize): void {
  const cell: usize = load<u32>(panes + field);
  if (cell == 0) return;
  for (let i: u32 = 0; i < load<u32>(panes, SPEC_COUNT); i++) {
    const spec = specAt(panes, i);
    if (load<u32>(spec) >= DISTINCT) give(panes, load<u32>(cell + load<u32>(spec, SPEC_OFFSET)));
  }
  give(panes, cell);
}

export function destroyPanes(panes: usize): void {
  clearKeys(panes);
  dropAccumulator(panes, WINDOW_CELL);
  dropAccumulator(panes, HOUR_CELL);
  give(panes, load<u32>(panes, SPECS));
  release(panes);
}

export function panesBytes(panes: usize): u32 {
  return load<u32>(panes, BYTES);
}

export function panesKeys(panes: usize): u32 {
  return load<u32>(panes, KEY_COUNT);
}

export function panesWatermark(panes: usize): i64 {
  return load<i64>(panes, WATERMARK);
}

export function panesPending(panes: usize): bool {
  return load<u32>(panes, PENDING) != 0;
}

/**
 * What an image says besides its keys. Blocks of memory are not always of the size asked for, so what was within the
 * budget may be a little over it now; then it stays so until panes leave.
 * @returns false when it is more than an eighth over it
 */
export function resumePanes(
  panes: usize,
  watermark: i64,
  nextEnd: i64,
  cursor: u32,
  isPending: bool,
  bytesMost: u32,
): bool {
  store<u32>(panes, bytesMost, BYTES_MAX);
  if (watermark != NO_TIME) moveWatermark(panes, watermark);
  store<i64>(panes, nextEnd, NEXT_END);
  store<u32>(panes, cursor, CURSOR);
  store<u32>(panes, isPending ? 1 : 0, PENDING);
  return <u64>load<u32>(panes, BYTES) <= <u64>bytesMost + (bytesMost >> 3) + 1024;
}

function moveWatermark(panes: usize, watermark: i64): void {
  store<i64>(panes, watermark, WATERMARK);
  const limit = watermark - load<i64>(panes, LATENESS);
  const size: i64 = load<i64>(panes, SIZE);
  const hop: i64 = load<i64>(panes, HOP);
  if (load<u32>(panes, KIND) == KIND_SESSIONS) {
    store<i64>(panes, limit, OLDEST);
    store<i64>(panes, limit, PARTLY);
    return;
  }
  // the first window that ends behind the limit
  const oldest = (floorDivide(limit - size, hop) + 1) * hop;
  store<i64>(panes, oldest, OLDEST);
  store<i64>(panes, oldest + size - hop, PARTLY);
}

/** Moves the watermark (µs), never back. Nothing can be added until what it ends is released. */
export function advancePanes(panes: usize, watermark: i64): void {
  const bounded = min<i64>(max<i64>(watermark, -2 * FARTHEST), 2 * FARTHEST);
  if (bounded <= load<i64>(panes, WATERMARK)) return;
  const oldest: i64 = load<i64>(panes, OLDEST);
  moveWatermark(panes, bounded);
  // a window is over when the oldest that is open is another one; a session ends anywhere
  if (load<i64>(panes, OLDEST) != oldest || load<u32>(panes, KIND) == KIND_SESSIONS)
    store<u32>(panes, 1, PENDING);
}

// ---- a batch

// What a row of the running call has done to its key's directory, for taking it back.
const UNDO_CHANGE: usize = 4;
const UNDO_PLACE: usize = 8;
const UNDO_START: usize = 16;
const UNDO_END: usize = 24;
const UNDO: usize = 32;
let undoAt: usize = 0;
let undoCount: u32 = 0;

function noteUndo(record: usize, change: u32, place: u32, start: i64, end: i64): void {
  const entry = undoAt + <usize>undoCount * UNDO;
  store<u32>(entry, <u32>record);
  store<u32>(entry, change, UNDO_CHANGE);
  store<u32>(entry, place, UNDO_PLACE);
  store<i64>(entry, start, UNDO_START);
  store<i64>(entry, end, UNDO_END);
  undoCount++;
}

/** Takes back what the running call has done, the latest first: keys leave in reverse order, too. */
function undoAll(panes: usize): void {
  const isSession = load<u32>(panes, KIND) == KIND_SESSIONS;
  while (undoCount > 0) {
    undoCount--;
    const entry = undoAt + <usize>undoCount * UNDO;
    const record: usize = load<u32>(entry);
    const start: i64 = load<i64>(entry, UNDO_START);
    if (isSession) {
      const change: u32 = load<u32>(entry, UNDO_CHANGE);
      restoreStretch(panes, record, change, load<u32>(entry, UNDO_PLACE), start, load<i64>(entry, UNDO_END));
    } else {
      removeMinute(panes, record, start);
    }
    if (load<u32>(record, DIRECTORY_LENGTH) == 0) dropNewestKey(panes);
  }
}

/** Finds every row's cell (0: it does not count), makes those that are missing. @returns as `addToPanes` */
function findCells(panes: usize, count: u32, batch: usize, horizon: i64, cells: usize, statuses: usize): i32 {
  const isSession = load<u32>(panes, KIND) == KIND_SESSIONS;
  const bytes: usize = load<u32>(batch);
  const length: u32 = load<u32>(batch, BATCH_LENGTH);
  const keys: usize = load<u32>(batch, BATCH_KEYS);
  const times: usize = load<u32>(batch, BATCH_TIMES);
  const oldest: i64 = load<i64>(panes, OLDEST);
  const partly: i64 = load<i64>(panes, PARTLY);
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = load<i64>(times + (i << 3));
    const ahead: u32 = <u32>i & (AHEAD - 1);
    if (ahead == 0) lookAhead(panes, bytes, length, keys + (i << 3), min(count - <u32>i, AHEAD));
    store<u32>(cells + (i << 2), 0);
    if (time >= horizon || time > FARTHEST || time < -FARTHEST) {
      store<u8>(statuses + i, BEYOND);
      continue;
    }
    if (time < oldest) {
      store<u8>(statuses + i, LATE);
      continue;
    }
    const start: u32 = load<u32>(keys + (i << 3));
    const keyLength: u32 = load<u32>(keys + (i << 3), 4);
    if (keyLength > KEY_MOST || <u64>start + keyLength > <u64>length) return BAD_BATCH;
    let record = findAhead(panes, bytes + start, keyLength, ahead);
    if (record == 0) {
      record = addKey(panes, bytes + start, keyLength);
      if (record == 0) return NO_MEMORY;
    }
    // most rows are in the minute of their key's last one
    if (!isSession && <u64>(time - load<i64>(record, LAST_TIME)) < <u64>MINUTE_US) {
      store<u32>(cells + (i << 2), load<u32>(record, LAST_CELL));
      store<u8>(statuses + i, time < partly ? COUNTED_PARTLY : COUNTED);
      continue;
    }
    const cell = isSession ? stretchCell(panes, record, time) : minuteCell(panes, record, time);
    if (cell == 0) {
      if (load<u32>(record, DIRECTORY_LENGTH) == 0) dropNewestKey(panes);
      return NO_MEMORY;
    }
    if (isSession) {
      if (stretchChange != NOTHING) noteUndo(record, stretchChange, stretchPlace, startBefore, endBefore);
    } else if (isNewMinute) {
      noteUndo(record, MADE, 0, time, 0);
    }
    store<u32>(cells + (i << 2), <u32>cell);
    store<u8>(statuses + i, time < partly ? COUNTED_PARTLY : COUNTED);
  }
  return DONE;
}

/** Whether all texts lie inside of the batch's bytes. */
function areTextsInside(panes: usize, count: u32, batch: usize): bool {
  const types: usize = <usize>load<u32>(panes, SPECS) + ((<usize>load<u32>(panes, SPEC_COUNT)) << 5);
  const length: u64 = load<u32>(batch, BATCH_LENGTH);
  for (let c: u32 = 0; c < load<u32>(panes, COLUMN_COUNT); c++) {
    if (load<u32>(types + ((<usize>c) << 2)) != TEXT) continue;
    const values: usize = load<u32>(batch + BATCH_COLUMNS + ((<usize>c) << 3));
    const nulls: usize = load<u32>(batch + BATCH_COLUMNS + ((<usize>c) << 3), 4);
    for (let i: usize = 0; i < <usize>count; i++) {
      if (nulls != 0 && load<u8>(nulls + i) != 0) continue;
      if (<u64>load<u32>(values + (i << 3)) + load<u32>(values + (i << 3), 4) > length) return false;
    }
  }
  return true;
}

/**
 * Adds a batch (aggregate.ts) and writes each row's status. `horizon` (µs): the first event time that is
 * too far ahead to count.
 * @returns DONE, or why nothing has changed
 */
export function addToPanes(panes: usize, count: u32, batch: usize, horizon: i64, statuses: usize): i32 {
  if (load<u32>(panes, PENDING)) return NOT_RELEASED;
  const cellBytes: usize = ((<usize>count) << 2) + 16;
  if (<u64>count * (UNDO + 4) > 0xfff00000) return NO_MEMORY;
  const cells = reserve(REGION_PANES, cellBytes + <usize>count * UNDO);
  if (cells == 0) return NO_MEMORY;
  if (!areTextsInside(panes, count, batch)) return BAD_BATCH;
  undoAt = (cells + cellBytes) & ~7;
  while (true) {
    undoCount = 0;
    let status = findCells(panes, count, batch, horizon, cells, statuses);
    if (status == DONE) {
      if (!reserveSketches(panes, count, cells, batch)) status = NO_MEMORY;
      settleSketches(panes, count, cells);
    }
    if (status == DONE) break;
    if (status == NO_MEMORY && isOverBudget) status = OVER_BUDGET;
    undoAll(panes);
    if (status == BAD_BATCH || load<u32>(panes, PARTIALS) == 0) return status;
    dropPartials(panes); // they are but a cache: try again without them
  }
  addRows(panes, count, cells, batch);
  return DONE;
}
