/**
 * The aggregates that an operator declares, and what is done to all of them: room for a batch, adding its rows column
 * by column, merging cells, results. Adding cannot fail: sketches get their room before the first value changes.
 */
import {
  CELL_BYTES,
  CELL_HEAD,
  COUNT,
  COUNT_ROWS,
  DECIMAL,
  DISTINCT,
  DOUBLE,
  FIRST,
  HOUR_CELL,
  INTEGER,
  LAST,
  MAX,
  MIN,
  QUANTILES,
  SPEC,
  SPEC_COLUMN,
  SPEC_COUNT,
  SPEC_KIND,
  SPEC_OFFSET,
  SPEC_PARAMETER,
  SPEC_QUANTILES,
  SPEC_QUANTILE_COUNT,
  SPEC_TYPE,
  SPEC_WIDTH,
  SUM,
  TEXT,
  WINDOW_CELL,
  specAt,
  take,
} from "./pane-store";
import {
  addHash,
  clearDense,
  cloneRegisters,
  createDense,
  estimateDistinct,
  mergeRegisters,
  mixValue,
  reserveRegister,
  settleRegisters,
} from "./hyperloglog";
import {
  addNumber,
  clearBins,
  cloneBins,
  createBins,
  mergeBins,
  quantileOf,
  reserveBin,
  settleBins,
} from "./ddsketch";
import {
  fitsDecimal,
  mergeDecimals,
  mergeDoubles,
  mergeIntegers,
  sumDecimals,
  sumDoubles,
  sumIntegers,
  totalOf,
} from "./sum";
import {
  PLACED_BYTES,
  canonicalBits,
  mergeExtreme,
  mergePlaced,
  placedValue,
  takeExtremes,
  takePlaced,
} from "./extreme";
import { NO_TAG, hashLow, sipHash } from "./siphash";

// A batch, as u32 words: addresses, 0 where there is no such column.
export const BATCH_BYTES: usize = 0;
export const BATCH_LENGTH: usize = 4;
export const BATCH_KEYS: usize = 8;
export const BATCH_TIMES: usize = 12;
const BATCH_PARTITIONS: usize = 16;
const BATCH_OFFSETS: usize = 20;
/** Per column: values, nulls. */
export const BATCH_COLUMNS: usize = 24;

// A result's flag.
const RESULT_NULL: u8 = 0;
const RESULT_VALUE: u8 = 1;
const RESULT_OVERFLOW: u8 = 2;

/** Bytes 0 to 15, the fixed key of text (as in core/kernel.ts). */
const TEXT_KEY_LOW: u64 = ((<u64>0x07060504) << 32) | 0x03020100;
const TEXT_KEY_HIGH: u64 = ((<u64>0x0f0e0d0c) << 32) | 0x0b0a0908;

/** Bytes of an aggregate's state in a cell. */
function stateBytes(kind: u32, type: u32): u32 {
  if (kind == SUM) return type == DECIMAL ? 24 : 16;
  if (kind == MIN || kind == MAX) return type == DECIMAL ? 16 : 8;
  return kind == FIRST || kind == LAST ? PLACED_BYTES : 8;
}

function resultBytes(kind: u32, type: u32, quantiles: u32): u32 {
  if (kind == SUM) return type == DOUBLE ? 8 : 16;
  if (kind == QUANTILES) return quantiles << 3;
  return type == DECIMAL && kind >= MIN && kind <= LAST ? 16 : 8;
}

/** Lays out the cell, and makes the two accumulators. @returns false when there is no memory */
export function prepareCells(panes: usize): bool {
  let bytes: u32 = CELL_HEAD;
  const count: u32 = load<u32>(panes, SPEC_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const spec = specAt(panes, i);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    const type: u32 = load<u32>(spec, SPEC_TYPE);
    store<u32>(spec, bytes, SPEC_OFFSET);
    store<u32>(spec, resultBytes(kind, type, load<u32>(spec, SPEC_QUANTILE_COUNT)), SPEC_WIDTH);
    bytes += stateBytes(kind, type);
  }
  store<u32>(panes, bytes, CELL_BYTES);
  return prepareAccumulator(panes, WINDOW_CELL) && prepareAccumulator(panes, HOUR_CELL);
}

function prepareAccumulator(panes: usize, field: usize): bool {
  const bytes: u32 = load<u32>(panes, CELL_BYTES);
  const cell = take(panes, bytes);
  if (cell == 0) return false;
  memory.fill(cell, 0, bytes);
  store<u32>(panes + field, <u32>cell);
  for (let i: u32 = 0; i < load<u32>(panes, SPEC_COUNT); i++) {
    const spec = specAt(panes, i);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    if (kind < DISTINCT) continue;
    const parameter: u32 = load<u32>(spec, SPEC_PARAMETER);
    const sketch = kind == DISTINCT ? createDense(panes, parameter) : createBins(panes, parameter << 1);
    if (sketch == 0) return false;
    store<u32>(cell + load<u32>(spec, SPEC_OFFSET), <u32>sketch);
  }
  return true;
}

function columnAt(batch: usize, spec: usize): usize {
  return batch + BATCH_COLUMNS + ((<usize>load<u32>(spec, SPEC_COLUMN)) << 3);
}

// ---- a batch

/** Makes room for all values of a batch in the sketches of its cells. @returns false when there is no memory */
export function reserveSketches(panes: usize, count: u32, cells: usize, batch: usize): bool {
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    if (kind < DISTINCT) continue;
    const at: usize = load<u32>(spec, SPEC_OFFSET);
    const parameter: u32 = load<u32>(spec, SPEC_PARAMETER);
    const nulls: usize = load<u32>(columnAt(batch, spec), 4);
    for (let i: usize = 0; i < <usize>count; i++) {
      const cell: usize = load<u32>(cells + (i << 2));
      if (cell == 0 || (nulls != 0 && load<u8>(nulls + i) != 0)) continue;
      const isDone =
        kind == DISTINCT
          ? reserveRegister(panes, cell + at, parameter)
          : reserveBin(panes, cell + at, parameter);
      if (!isDone) return false;
    }
  }
  return true;
}

/** Ends what `reserveSketches` began, done or not. */
export function settleSketches(panes: usize, count: u32, cells: usize): void {
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    if (kind < DISTINCT) continue;
    const at: usize = load<u32>(spec, SPEC_OFFSET);
    for (let i: usize = 0; i < <usize>count; i++) {
      const cell: usize = load<u32>(cells + (i << 2));
      if (cell == 0) continue;
      if (kind == DISTINCT) settleRegisters(load<u32>(cell + at));
      else settleBins(load<u32>(cell + at));
    }
  }
}

/** Rows that are added to all aggregates before the next ones: their cells stay in the first cache. */
const BLOCK: u32 = 256;
const valued = memory.data(1024, 16);

/** Adds a batch's rows to their cells (u32 addresses, 0 for a row that does not count). */
export function addRows(panes: usize, count: u32, cells: usize, batch: usize): void {
  for (let from: u32 = 0; from < count; from += BLOCK)
    addBlock(panes, min(count - from, BLOCK), cells + ((<usize>from) << 2), batch, from);
}

/** The cells of a block's rows, 0 where the column has no value: no aggregate has to look for nulls. */
function cellsOf(count: u32, cells: usize, nulls: usize): usize {
  for (let i: usize = 0; i < <usize>count; i++)
    store<u32>(valued + (i << 2), load<u8>(nulls + i) != 0 ? 0 : load<u32>(cells + (i << 2)));
  return valued;
}

/** @param from the block's first row in the batch */
function addBlock(panes: usize, count: u32, cells: usize, batch: usize, from: usize): void {
  let known: u32 = 0xffffffff;
  let rows = cells;
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    const type: u32 = load<u32>(spec, SPEC_TYPE);
    const at: usize = load<u32>(spec, SPEC_OFFSET);
    const bit: u32 = 1 << a;
    if (kind == COUNT_ROWS) {
      countRows(count, cells, at);
      continue;
    }
    const nulls: usize = load<u32>(columnAt(batch, spec), 4);
    const values: usize = <usize>load<u32>(columnAt(batch, spec)) + (from << (type == DECIMAL ? 4 : 3));
    if (load<u32>(spec, SPEC_COLUMN) != known) rows = nulls ? cellsOf(count, cells, nulls + from) : cells;
    known = load<u32>(spec, SPEC_COLUMN);
    if (kind == COUNT) {
      countRows(count, rows, at);
    } else if (kind == SUM) {
      if (type == INTEGER) sumIntegers(count, rows, values, at, bit);
      else if (type == DECIMAL) sumDecimals(count, rows, values, at, bit);
      else sumDoubles(count, rows, values, at, bit);
    } else if (kind == MIN || kind == MAX) {
      takeExtremes(count, rows, values, at, bit, type, kind == MAX);
    } else if (kind == FIRST || kind == LAST) {
      const times: usize = <usize>load<u32>(batch, BATCH_TIMES) + (from << 3);
      let partitions: usize = load<u32>(batch, BATCH_PARTITIONS);
      let offsets: usize = load<u32>(batch, BATCH_OFFSETS);
      if (partitions) partitions += from << 2;
      if (offsets) offsets += from << 3;
      takePlaced(count, rows, values, at, bit, type, kind == LAST, times, partitions, offsets);
    } else {
      addToSketches(count, rows, values, spec, bit, load<u32>(batch));
    }
  }
}

function countRows(count: u32, cells: usize, at: usize): void {
  const end = cells + ((<usize>count) << 2);
  for (let cellAt = cells; cellAt < end; cellAt += 4) {
    const cell: usize = load<u32>(cellAt);
    if (cell != 0) store<u64>(cell + at, load<u64>(cell + at) + 1);
  }
}

function addToSketches(count: u32, cells: usize, values: usize, spec: usize, bit: u32, bytes: usize): void {
  const isDistinct = load<u32>(spec, SPEC_KIND) == DISTINCT;
  const type: u32 = load<u32>(spec, SPEC_TYPE);
  const at: usize = load<u32>(spec, SPEC_OFFSET);
  const parameter: u32 = load<u32>(spec, SPEC_PARAMETER);
  const shift: usize = type == DECIMAL ? 4 : 3;
  for (let i: usize = 0; i < <usize>count; i++) {
    const cell: usize = load<u32>(cells + (i << 2));
    if (cell == 0) continue;
    const value = values + (i << shift);
    const sketch: usize = load<u32>(cell + at);
    store<u32>(cell, load<u32>(cell) | bit);
    if (isDistinct) addHash(sketch, hashOf(value, type, bytes), parameter);
    else addNumber(sketch, type == DOUBLE ? load<f64>(value) : <f64>load<i64>(value), parameter);
  }
}

/** A value's hash for counting different ones: equal values, equal hashes. */
function hashOf(value: usize, type: u32, bytes: usize): u64 {
  if (type == TEXT) {
    sipHash(bytes + load<u32>(value), load<u32>(value, 4), TEXT_KEY_LOW, TEXT_KEY_HIGH, NO_TAG, false);
    return hashLow;
  }
  const low: u64 = load<u64>(value);
  if (type == DECIMAL) return mixValue(mixValue(low) ^ load<u64>(value, 8));
  if (type == DOUBLE) return mixValue(low << 1 == 0 ? 0 : canonicalBits(low)); // -0 equals 0
  return mixValue(low);
}

// ---- cells

/** Empties an accumulator. */
export function clearAccumulator(panes: usize, cell: usize): void {
  const bytes: u32 = load<u32>(panes, CELL_BYTES);
  const seen: u32 = load<u32>(cell);
  store<u64>(cell, 0);
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    const at = cell + load<u32>(spec, SPEC_OFFSET);
    if (kind == DISTINCT) {
      if (seen & (1 << a)) clearDense(load<u32>(at), load<u32>(spec, SPEC_PARAMETER));
    } else if (kind == QUANTILES) {
      clearBins(load<u32>(at));
    } else {
      const end = a + 1 < load<u32>(panes, SPEC_COUNT) ? load<u32>(specAt(panes, a + 1), SPEC_OFFSET) : bytes;
      for (let to = at; to < cell + end; to += 8) store<u64>(to, 0);
    }
  }
}

/** Adds a cell to an accumulator. */
export function mergeCell(panes: usize, into: usize, from: usize): void {
  const seen: u32 = load<u32>(from);
  const count: u32 = load<u32>(panes, SPEC_COUNT);
  const specs = specAt(panes, 0);
  for (let a: u32 = 0; a < count; a++) {
    const spec = specs + <usize>a * SPEC;
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    const type: u32 = load<u32>(spec, SPEC_TYPE);
    const at: usize = load<u32>(spec, SPEC_OFFSET);
    const bit: u32 = 1 << a;
    if (kind <= COUNT) {
      store<u64>(into + at, load<u64>(into + at) + load<u64>(from + at));
      continue;
    }
    if ((seen & bit) == 0) continue;
    const parameter: u32 = load<u32>(spec, SPEC_PARAMETER);
    if (kind == SUM) {
      if (type == INTEGER) mergeIntegers(into + at, from + at);
      else if (type == DECIMAL) mergeDecimals(into + at, from + at);
      else mergeDoubles(into + at, from + at);
    } else if (kind == MIN || kind == MAX) {
      mergeExtreme(into, from, at, bit, type, kind == MAX);
    } else if (kind == FIRST || kind == LAST) {
      mergePlaced(into, from, at, bit, type, kind == LAST);
    } else if (kind == DISTINCT) {
      mergeRegisters(load<u32>(into + at), load<u32>(from + at), parameter);
    } else {
      mergeBins(load<u32>(into + at), load<u32>(from + at), parameter);
    }
    store<u32>(into, load<u32>(into) | bit);
  }
}

/** Copies an accumulator into a cell that is empty. @returns false when there is no memory */
export function copyAccumulator(panes: usize, cell: usize, from: usize): bool {
  const count: u32 = load<u32>(panes, SPEC_COUNT);
  memory.copy(cell, from, load<u32>(panes, CELL_BYTES));
  for (let a: u32 = 0; a < count; a++) {
    const spec = specAt(panes, a);
    if (load<u32>(spec, SPEC_KIND) >= DISTINCT) store<u32>(cell + load<u32>(spec, SPEC_OFFSET), 0);
  }
  for (let a: u32 = 0; a < count; a++) {
    const spec = specAt(panes, a);
    const kind: u32 = load<u32>(spec, SPEC_KIND);
    if (kind < DISTINCT || (load<u32>(from) & (1 << a)) == 0) continue;
    const at: usize = load<u32>(spec, SPEC_OFFSET);
    const sketch: usize = load<u32>(from + at);
    const copy =
      kind == DISTINCT
        ? cloneRegisters(panes, sketch, load<u32>(spec, SPEC_PARAMETER))
        : cloneBins(panes, sketch);
    if (copy == 0) return false;
    store<u32>(cell + at, <u32>copy);
  }
  return true;
}

// ---- results

/** Bytes of the result columns of `most` rows behind start, end and key; each begins at a multiple of 8. */
function flagBytes(most: u32): usize {
  return (<usize>most + 7) & ~7;
}

/** Counting nothing gives 0, everything else gives null. */
function isCount(kind: u32): bool {
  return kind <= COUNT || kind == DISTINCT;
}

/** Writes an accumulator as row `row` of the result columns at `out`, which have room for `most` rows. */
export function writeResults(panes: usize, cell: usize, out: usize, row: u32, most: u32): void {
  let flags = out;
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++) {
    const spec = specAt(panes, a);
    const width: usize = load<u32>(spec, SPEC_WIDTH);
    const to = flags + flagBytes(most) + <usize>row * width;
    const hasValue = isCount(load<u32>(spec, SPEC_KIND)) || (load<u32>(cell) & (1 << a)) != 0;
    let flag = RESULT_NULL;
    if (hasValue) flag = writeResult(spec, cell + load<u32>(spec, SPEC_OFFSET), to);
    if (flag != RESULT_VALUE) memory.fill(to, 0, width);
    store<u8>(flags + row, flag);
    flags += flagBytes(most) + <usize>most * width;
  }
}

/** The address behind the result columns. */
export function resultsEnd(panes: usize, out: usize, most: u32): usize {
  let end = out;
  for (let a: u32 = 0; a < load<u32>(panes, SPEC_COUNT); a++)
    end += flagBytes(most) + <usize>most * load<u32>(specAt(panes, a), SPEC_WIDTH);
  return end;
}

function writeResult(spec: usize, state: usize, to: usize): u8 {
  const kind: u32 = load<u32>(spec, SPEC_KIND);
  const type: u32 = load<u32>(spec, SPEC_TYPE);
  if (kind == SUM && type == DOUBLE) {
    store<f64>(to, totalOf(state));
  } else if (kind == SUM && type == DECIMAL && !fitsDecimal(state)) {
    return RESULT_OVERFLOW;
  } else if (kind == DISTINCT) {
    store<f64>(to, estimateDistinct(load<u32>(state), load<u32>(spec, SPEC_PARAMETER)));
  } else if (kind == QUANTILES) {
    const shares: usize = load<u32>(spec, SPEC_QUANTILES);
    for (let i: usize = 0; i < <usize>load<u32>(spec, SPEC_QUANTILE_COUNT); i++)
      store<f64>(to + (i << 3), quantileOf(load<u32>(state), load<f64>(shares + (i << 3))));
  } else {
    const value = kind == FIRST || kind == LAST ? placedValue(state) : state;
    store<u64>(to, load<u64>(value));
    if (load<u32>(spec, SPEC_WIDTH) == 16) store<u64>(to, load<u64>(value, 8), 8);
  }
  return RESULT_VALUE;
}
