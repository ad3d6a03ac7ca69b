/**
 * What the parts of the pane operator share: its fields, its memory with a hard byte budget, and its cells. A cell
 * holds the aggregates of one key over one stretch of time; all cells of an operator have the same size and never
 * move, so that a batch can find them all first and then add one column after the other.
 */
import { allocate, blockBytes, release } from "./memory";

// The operator.
export const BYTES: usize = 0;
export const BYTES_MAX: usize = 4;
export const KIND: usize = 8;
export const CELL_BYTES: usize = 12;
/** µs: a window's size; of sessions the gap. */
export const SIZE: usize = 16;
export const HOP: usize = 24;
export const LATENESS: usize = 32;
export const WATERMARK: usize = 40;
/** µs: an event before it is late for every window. */
export const OLDEST: usize = 48;
/** µs: an event before it is late for some of its windows. */
export const PARTLY: usize = 56;
/** µs: the end of the first window that is not released yet. */
export const NEXT_END: usize = 64;
/** The key at which a release goes on. */
export const CURSOR: usize = 72;
/** Whether a release has not come to its end since the watermark moved. */
export const PENDING: usize = 76;
export const TABLE: usize = 80;
export const TABLE_BITS: usize = 84;
export const KEY_COUNT: usize = 88;
export const SORTED: usize = 92;
export const SORTED_CAPACITY: usize = 96;
export const SORTED_LENGTH: usize = 100;
const FREE_CELL: usize = 104;
const SLAB: usize = 108;
const SLAB_AT: usize = 112;
const SLAB_END: usize = 116;
const SLAB_CELLS: usize = 120;
export const CELL_COUNT: usize = 124;
export const SPECS: usize = 128;
export const SPEC_COUNT: usize = 132;
export const COLUMN_COUNT: usize = 136;
/** Accumulators: of the window and of the hour that are being summed up. */
export const WINDOW_CELL: usize = 140;
export const HOUR_CELL: usize = 144;
/** Hour partials that are kept. */
export const PARTIALS: usize = 148;
export const KEEPS_PARTIALS: usize = 152;
export const PANES: usize = 160;

export const KIND_WINDOWS: u32 = 0;
export const KIND_SESSIONS: u32 = 1;

// One declared aggregate.
export const SPEC_KIND: usize = 0;
export const SPEC_COLUMN: usize = 4;
export const SPEC_TYPE: usize = 8;
/** Of its state in a cell. */
export const SPEC_OFFSET: usize = 12;
/** HyperLogLog: index bits; DDSketch: most bins. */
export const SPEC_PARAMETER: usize = 16;
/** Bytes of a result. */
export const SPEC_WIDTH: usize = 20;
export const SPEC_QUANTILES: usize = 24;
export const SPEC_QUANTILE_COUNT: usize = 28;
export const SPEC: usize = 32;

export const COUNT_ROWS: u32 = 1;
export const COUNT: u32 = 2;
export const SUM: u32 = 3;
export const MIN: u32 = 4;
export const MAX: u32 = 5;
export const FIRST: u32 = 6;
export const LAST: u32 = 7;
/** These two keep a block of their own; the cell holds its address. */
export const DISTINCT: u32 = 8;
export const QUANTILES: u32 = 9;

export const INTEGER: u32 = 1;
export const DOUBLE: u32 = 2;
export const DECIMAL: u32 = 3;
export const TEXT: u32 = 4;

/** A cell begins with a bit per aggregate: whether it has seen a value. */
export const CELL_HEAD: u32 = 8;

const CELLS_FIRST: u32 = 16;
const SLAB_MOST: u32 = 32768;
const SLAB_HEAD: usize = 16;

/** Whether the last `take` that failed would have gone over the budget. */
export let isOverBudget: bool = false;

export function bump(address: usize, offset: usize, by: i32): void {
  store<u32>(address + offset, load<u32>(address + offset) + <u32>by);
}

/** Memory that counts against the budget; 0 when there is none. */
export function take(panes: usize, bytes: usize): usize {
  const address = allocate(bytes);
  isOverBudget = false;
  if (address == 0) return 0;
  const size = blockBytes(address);
  if (<u64>load<u32>(panes, BYTES) + size > <u64>load<u32>(panes, BYTES_MAX)) {
    release(address);
    isOverBudget = true;
    return 0;
  }
  bump(panes, BYTES, <i32>size);
  return address;
}

export function give(panes: usize, address: usize): void {
  if (address == 0) return;
  bump(panes, BYTES, -(<i32>blockBytes(address)));
  release(address);
}

export function specAt(panes: usize, i: u32): usize {
  return <usize>load<u32>(panes, SPECS) + <usize>i * SPEC;
}

export function floorDivide(value: i64, by: i64): i64 {
  const quotient = value / by;
  return value < 0 && quotient * by != value ? quotient - 1 : quotient;
}

function addSlab(panes: usize): bool {
  const cells: u32 = max<u32>(load<u32>(panes, SLAB_CELLS), CELLS_FIRST);
  if (!reserveCells(panes, cells)) return reserveCells(panes, 1);
  if (cells * load<u32>(panes, CELL_BYTES) < SLAB_MOST) store<u32>(panes, cells << 1, SLAB_CELLS);
  return true;
}

/** Makes room for so many new cells at once. @returns false when there is no memory */
export function reserveCells(panes: usize, cells: u32): bool {
  const cellBytes: u32 = load<u32>(panes, CELL_BYTES);
  if (cells == 0) return true;
  if (<u64>cells * cellBytes > 0xff000000) return false;
  const slab = take(panes, SLAB_HEAD + <usize>cells * cellBytes);
  if (slab == 0) return false;
  store<u32>(slab, load<u32>(panes, SLAB));
  store<u32>(panes, <u32>slab, SLAB);
  store<u32>(panes, <u32>(slab + SLAB_HEAD), SLAB_AT);
  store<u32>(panes, <u32>(slab + SLAB_HEAD) + cells * cellBytes, SLAB_END);
  return true;
}

/** Gives every slab back: no cell may be in use. */
export function dropSlabs(panes: usize): void {
  let slab: usize = load<u32>(panes, SLAB);
  while (slab) {
    const next: usize = load<u32>(slab);
    give(panes, slab);
    slab = next;
  }
  store<u32>(panes, 0, SLAB);
  store<u32>(panes, 0, SLAB_AT);
  store<u32>(panes, 0, SLAB_END);
  store<u32>(panes, 0, SLAB_CELLS);
  store<u32>(panes, 0, FREE_CELL);
}

/** A cell that has seen nothing; 0 when there is no memory. */
export function takeCell(panes: usize): usize {
  let cell: usize = load<u32>(panes, FREE_CELL);
  const bytes: u32 = load<u32>(panes, CELL_BYTES);
  if (cell) {
    store<u32>(panes, load<u32>(cell), FREE_CELL);
  } else {
    if (load<u32>(panes, SLAB_AT) == load<u32>(panes, SLAB_END) && !addSlab(panes)) return 0;
    cell = load<u32>(panes, SLAB_AT);
    store<u32>(panes, <u32>cell + bytes, SLAB_AT);
  }
  for (let at: usize = 0; at < <usize>bytes; at += 8) store<u64>(cell + at, 0);
  bump(panes, CELL_COUNT, 1);
  return cell;
}

/** Puts a cell and its sketches back. */
export function dropCell(panes: usize, cell: usize): void {
  for (let i: u32 = 0; i < load<u32>(panes, SPEC_COUNT); i++) {
    const spec = specAt(panes, i);
    if (load<u32>(spec, SPEC_KIND) >= DISTINCT) give(panes, load<u32>(cell + load<u32>(spec, SPEC_OFFSET)));
  }
  store<u32>(cell, load<u32>(panes, FREE_CELL));
  store<u32>(panes, <u32>cell, FREE_CELL);
  bump(panes, CELL_COUNT, -1);
  if (load<u32>(panes, CELL_COUNT) == 0) dropSlabs(panes);
}
