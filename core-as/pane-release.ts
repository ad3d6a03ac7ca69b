/**
 * Results of windows and sessions that are over, in the order (window end, key), in batches: a batch is bounded by
 * rows and by bytes of keys, and the next one goes on where it ended. Only windows with rows have a result. When all
 * are out, panes that no open window needs leave.
 */
import { REGION_PANES, reserve } from "./memory";
import {
  CURSOR,
  HOP,
  KEY_COUNT,
  KIND,
  KIND_SESSIONS,
  LATENESS,
  NEXT_END,
  OLDEST,
  PENDING,
  SIZE,
  WATERMARK,
  WINDOW_CELL,
  floorDivide,
} from "./pane-store";
import {
  DIRECTORY_LENGTH,
  KEY_BYTES,
  KEY_LENGTH,
  NO_TIME,
  dropEmptyKeys,
  keyAt,
  sortKeys,
} from "./pane-keys";
import { expireMinutes, firstMinute, sumWindow } from "./pane-hours";
import {
  DUE_BYTES,
  collectDue,
  removeSessions,
  sessionKey,
  sessionLast,
  sessionStart,
  sumSession,
} from "./pane-sessions";
import { resultsEnd, writeResults } from "./aggregate";

const NO_MEMORY: i32 = -1;
/** A key alone is longer than the room for keys. */
const NO_ROOM: i32 = -5;

// Where the running call writes.
let outAt: usize = 0;
let outMost: u32 = 0;
let outRow: u32 = 0;
let keysAt: usize = 0;
let keysUsed: u32 = 0;
let keysRoom: u32 = 0;

/** Columns: start and end (i64), key (u32 start among the keys, u32 length), results, bytes of keys. */
function beginOutput(panes: usize, most: u32, keyRoom: u32, out: usize): void {
  outAt = out;
  outMost = most;
  outRow = 0;
  keysAt = resultsEnd(panes, out + <usize>most * 24, most);
  keysUsed = 0;
  keysRoom = keyRoom;
}

function hasRoom(record: usize): bool {
  return outRow < outMost && keysRoom - keysUsed >= load<u32>(record, KEY_LENGTH);
}

function writeRow(panes: usize, record: usize, start: i64, end: i64): void {
  const length: u32 = load<u32>(record, KEY_LENGTH);
  const row: usize = outRow;
  const most: usize = outMost;
  store<i64>(outAt + (row << 3), start);
  store<i64>(outAt + ((most + row) << 3), end);
  store<u32>(outAt + ((most * 2 + row) << 3), keysUsed);
  store<u32>(outAt + ((most * 2 + row) << 3), length, 4);
  memory.copy(keysAt + keysUsed, record + KEY_BYTES, length);
  keysUsed += length;
  writeResults(panes, load<u32>(panes, WINDOW_CELL), outAt + most * 24, outRow, outMost);
  outRow++;
}

/**
 * Writes results that are due. @returns how many; 0 when there are no more, which ends the release; NO_MEMORY and
 * NO_ROOM change nothing
 */
export function releasePanes(panes: usize, most: u32, keyRoom: u32, out: usize): i32 {
  if (load<u32>(panes, PENDING) == 0) return 0;
  sortKeys(panes);
  beginOutput(panes, most, keyRoom, out);
  if (load<u32>(panes, KIND) == KIND_SESSIONS) return releaseSessions(panes);
  return releaseWindows(panes);
}

function releaseSessions(panes: usize): i32 {
  const heap = reserve(REGION_PANES, <usize>(outMost + 1) * DUE_BYTES);
  if (heap == 0) return NO_MEMORY;
  const count = collectDue(panes, heap, outMost);
  for (let i: u32 = 0; i < count; i++) {
    const due = heap + <usize>i * DUE_BYTES;
    sumSession(panes, due);
    if (!hasRoom(sessionKey)) break;
    writeRow(panes, sessionKey, sessionStart, sessionLast + load<i64>(panes, SIZE));
  }
  if (outRow == 0 && count > 0) return NO_ROOM;
  if (outRow > 0) removeSessions(panes, heap, outRow);
  if (count == 0) store<u32>(panes, 0, PENDING);
  return outRow;
}

/** The end of the first window that has a row and is not released, where that is due; NO_TIME when there is none. */
function nextEnd(panes: usize): i64 {
  const size: i64 = load<i64>(panes, SIZE);
  const hop: i64 = load<i64>(panes, HOP);
  const known: i64 = load<i64>(panes, NEXT_END);
  const from: i64 = known == NO_TIME ? NO_TIME : known - size;
  let first: i64 = i64.MAX_VALUE;
  for (let k: u32 = 0; k < load<u32>(panes, KEY_COUNT); k++)
    first = min<i64>(first, firstMinute(keyAt(panes, k), from, i64.MAX_VALUE));
  if (first == i64.MAX_VALUE) return NO_TIME;
  const end = max<i64>((floorDivide(first - size, hop) + 1) * hop + size, known);
  return end + load<i64>(panes, LATENESS) <= load<i64>(panes, WATERMARK) ? end : NO_TIME;
}

function releaseWindows(panes: usize): i32 {
  const size: i64 = load<i64>(panes, SIZE);
  const due: i64 = load<i64>(panes, WATERMARK) - load<i64>(panes, LATENESS);
  const count: u32 = load<u32>(panes, KEY_COUNT);
  let wasEmpty = true; // then look for the next window with rows, else just try the next one
  while (true) {
    let k: u32 = load<u32>(panes, CURSOR);
    if (k == 0) {
      const end = wasEmpty ? nextEnd(panes) : load<i64>(panes, NEXT_END);
      if (end == NO_TIME || end > due) {
        if (outRow == 0) finishWindows(panes);
        return outRow;
      }
      store<i64>(panes, end, NEXT_END);
    }
    wasEmpty = true;
    const end: i64 = load<i64>(panes, NEXT_END);
    for (; k < count; k++) {
      const record = keyAt(panes, k);
      // full: go on with this key, should it have rows at all
      if (!hasRoom(record)) {
        store<u32>(panes, k, CURSOR);
        return outRow > 0 ? outRow : NO_ROOM;
      }
      if (!sumWindow(panes, record, end - size, end)) continue;
      writeRow(panes, record, end - size, end);
      wasEmpty = false;
    }
    store<u32>(panes, 0, CURSOR);
    store<i64>(panes, end + load<i64>(panes, HOP), NEXT_END);
  }
}

function finishWindows(panes: usize): void {
  const oldest: i64 = load<i64>(panes, OLDEST);
  store<u32>(panes, 0, PENDING);
  if (oldest == NO_TIME) return;
  store<i64>(panes, oldest + load<i64>(panes, SIZE), NEXT_END);
  let isAnyEmpty = false;
  for (let k: u32 = 0; k < load<u32>(panes, KEY_COUNT); k++) {
    expireMinutes(panes, keyAt(panes, k), oldest);
    if (load<u32>(keyAt(panes, k), DIRECTORY_LENGTH) == 0) isAnyEmpty = true;
  }
  if (isAnyEmpty) dropEmptyKeys(panes);
}
