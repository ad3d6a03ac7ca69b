/**
 * The scanner: records of a batch, or the items of a body that is one JSON array.
 *
 * Records may be anywhere in the input, so the byte behind each is set to 0 while it is scanned (text.ts says
 * why) and put back afterwards.
 */
import {
  BAD_INDEX,
  BROKEN,
  DONE,
  NOT_JSON,
  OK,
  OUT_OF_MEMORY,
  TOO_LARGE,
  TOO_MANY,
  beginRecord,
  broken,
  brokenAt,
  exhausted,
  isExhausted,
  verdict,
  verdictAt,
} from "./verdict";
import { setReplaceLineBreaks, skipSpace } from "./text";
import { beginKeys } from "./keys";
import {
  clearRows,
  errorsOf,
  framesOf,
  layOut,
  lengthsOf,
  maxBytes,
  startsOf,
  verdictsOf,
  violationsOf,
} from "./plan";
import { abandonFields, beginFields, beginRow, finishFields } from "./fields";
import { beginColumnRow, beginColumns, endColumnRow, endColumns } from "./columns";
import { beginCheckRow, beginChecks, isViolated } from "./check";
import { beginText, beginValues, scanValue, textEnd } from "./value";

/** Items whose entries are zeroed together, a power of two. */
const CLEARED: usize = 64;

let plan: usize = 0;

function begin(scanPlan: usize, bytes: usize, secret: usize, replacesLineBreaks: bool): void {
  plan = scanPlan;
  beginValues(plan);
  beginChecks(plan, framesOf(plan));
  setReplaceLineBreaks(replacesLineBreaks);
  beginFields(plan, bytes, secret);
}

function conclude(row: usize, code: u8, at: usize): void {
  store<u8>(verdictsOf(plan) + row, code);
  store<u32>(errorsOf(plan) + (row << 2), <u32>at);
}

/**
 * Scans `count` records of a batch of `length` bytes at `bytes` (one more byte behind them is writable).
 * @param index per record `stride` bytes that begin with u32 start, u32 length; length 2^32 - 1 is no payload
 */
export function scanRecords(
  scanPlan: usize,
  secret: usize,
  bytes: usize,
  length: usize,
  index: usize,
  stride: usize,
  count: usize,
  replacesLineBreaks: bool,
): i32 {
  if (!layOut(scanPlan, count, true) || !beginColumns(scanPlan, <u32>count)) return OUT_OF_MEMORY;
  begin(scanPlan, bytes, secret, replacesLineBreaks);
  const status = scanEach(bytes, length, index, stride, count);
  endColumns(status == DONE);
  return status;
}

function scanEach(bytes: usize, length: usize, index: usize, stride: usize, count: usize): i32 {
  const limit = maxBytes(plan);
  const starts = startsOf(plan);
  const lengths = lengthsOf(plan);
  for (let row: usize = 0; row < count; row++) {
    const start: u32 = load<u32>(index + row * stride);
    let size: u32 = load<u32>(index + row * stride, 4);
    if (size == 0xffffffff) size = 0;
    else if (<u64>start + size > <u64>length) return BAD_INDEX;
    store<u32>(starts + (row << 2), start);
    store<u32>(lengths + (row << 2), size);
    beginRow(row);
    beginColumnRow();
    if (size > limit || size == 0) {
      conclude(row, size ? TOO_LARGE : NOT_JSON, size ? <usize>limit : 0);
      abandonFields();
      if (!endColumnRow()) return OUT_OF_MEMORY;
      continue;
    }
    const text = bytes + start;
    beginText(text + size);
    const kept = load<u8>(textEnd);
    store<u8>(textEnd, 0);
    beginRecord();
    beginKeys();
    beginCheckRow();
    let end = scanValue(skipSpace(text));
    if (end) {
      end = skipSpace(end);
      if (end != textEnd) end = broken(end);
      else if (!finishFields()) end = exhausted();
    }
    store<u8>(textEnd, kept);
    if (isExhausted || !endColumnRow()) return OUT_OF_MEMORY;
    if (end == 0) {
      conclude(row, NOT_JSON, brokenAt - text);
      abandonFields();
    } else if (verdict != OK) {
      conclude(row, verdict, verdictAt - text);
    }
    if (isViolated) store<u8>(violationsOf(plan) + row, 1);
  }
  return DONE;
}

/** How many items the last `scanArray` found; where a BROKEN body breaks or the item is that is TOO_MANY. */
export let itemCount: usize = 0;
export let bodyBrokenAt: usize = 0;

function breakBody(bytes: usize, at: usize): i32 {
  bodyBrokenAt = at - bytes;
  return BROKEN;
}

/**
 * Scans a body that is one JSON array (`bytes[length]` is writable): its items are the records. A syntax
 * error anywhere breaks the whole body, any other error only its item.
 */
export function scanArray(
  scanPlan: usize,
  secret: usize,
  bytes: usize,
  length: usize,
  maxItems: usize,
  replacesLineBreaks: bool,
): i32 {
  itemCount = 0;
  const capacity = min<usize>(maxItems, (length >> 1) + 1);
  if (!layOut(scanPlan, capacity, false) || !beginColumns(scanPlan, 0)) return OUT_OF_MEMORY;
  begin(scanPlan, bytes, secret, replacesLineBreaks);
  store<u8>(bytes + length, 0);
  const limit = maxBytes(plan);
  const starts = startsOf(plan);
  const lengths = lengthsOf(plan);
  let at = skipSpace(bytes);
  if (load<u8>(at) != 91) return breakBody(bytes, at);
  at = skipSpace(at + 1);
  if (load<u8>(at) == 93) return endBody(bytes, at + 1, bytes + length);
  let row: usize = 0;
  while (true) {
    if (row == maxItems) {
      breakBody(bytes, at);
      return TOO_MANY;
    }
    const text = at;
    if ((row & (CLEARED - 1)) == 0) clearRows(plan, row, min(CLEARED, capacity - row));
    beginText(bytes + length);
    beginRecord();
    beginRow(row);
    beginKeys();
    beginCheckRow();
    at = scanValue(text);
    if (at == 0) return isExhausted ? OUT_OF_MEMORY : breakBody(bytes, brokenAt);
    if (!finishFields()) return OUT_OF_MEMORY;
    store<u32>(starts + (row << 2), <u32>(text - bytes));
    store<u32>(lengths + (row << 2), <u32>(at - text));
    if (at - text > limit) conclude(row, TOO_LARGE, limit);
    else if (verdict != OK) conclude(row, verdict, verdictAt - text);
    if (isViolated) store<u8>(violationsOf(plan) + row, 1);
    row++;
    itemCount = row;
    at = skipSpace(at);
    const c: u32 = load<u8>(at);
    if (c == 93) return endBody(bytes, at + 1, bytes + length);
    if (c != 44) return breakBody(bytes, at);
    at = skipSpace(at + 1);
  }
}

function endBody(bytes: usize, at: usize, bodyEnd: usize): i32 {
  const end = skipSpace(at);
  return end == bodyEnd ? DONE : breakBody(bytes, end);
}
