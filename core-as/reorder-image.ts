/**
 * The reorder buffer's records in one order that depends on nothing but what it holds: time, partition, offset, then
 * arrival. To get there every chain is sorted where it lies, which changes nothing that can be seen from outside.
 */
import {
  BASE,
  OUTSIDE,
  OUTSIDE_AT,
  OUTSIDE_BLOCK,
  READY,
  READY_AT,
  RING_AT,
  RING_BLOCK,
  RING_STEP,
  SLICES,
  chainOf,
  distanceToFull,
} from "./reorder-state";
import { RECORD, copyRecord, countIn, firstBlock, nextBlock, recordAt, sortChain } from "./reorder-chain";

/** Makes ready for `exportRecords` from the start. @returns false when there is no memory */
export function beginExport(reorder: usize): bool {
  for (let i: u32 = 0; i < load<u32>(reorder, SLICES); i++)
    if (!sortChain(chainOf(reorder, <i64>i))) return false;
  if (!sortChain(reorder + OUTSIDE)) return false;
  store<u32>(reorder, <u32>firstBlock(reorder + READY), RING_BLOCK);
  store<u32>(reorder, load<u32>(reorder, READY_AT), RING_AT);
  store<u32>(reorder, 0, RING_STEP);
  store<u32>(reorder, <u32>firstBlock(reorder + OUTSIDE), OUTSIDE_BLOCK);
  store<u32>(reorder, 0, OUTSIDE_AT);
  return true;
}

/** The next record of what is ready and then of the ring; 0 at the end. */
function nextInside(reorder: usize): usize {
  let block: usize = load<u32>(reorder, RING_BLOCK);
  while (block == 0) {
    const step: u32 = load<u32>(reorder, RING_STEP);
    const slices: u32 = load<u32>(reorder, SLICES);
    if (step >= slices) return 0;
    const from: i64 = load<i64>(reorder, BASE) + <i64>step;
    const distance = distanceToFull(reorder, from);
    // beyond the last slice the search comes around to the first again
    if (distance >= slices - step) {
      store<u32>(reorder, slices, RING_STEP);
      return 0;
    }
    block = firstBlock(chainOf(reorder, from + <i64>distance));
    store<u32>(reorder, step + distance + 1, RING_STEP);
    store<u32>(reorder, <u32>block, RING_BLOCK);
    store<u32>(reorder, 0, RING_AT);
  }
  return recordAt(block, load<u32>(reorder, RING_AT));
}

function stepOver(reorder: usize, blockWord: usize, atWord: usize): void {
  const block: usize = load<u32>(reorder + blockWord);
  const at: u32 = load<u32>(reorder + atWord) + 1;
  store<u32>(reorder + atWord, at);
  if (at < countIn(block)) return;
  store<u32>(reorder + blockWord, <u32>nextBlock(block));
  store<u32>(reorder + atWord, 0);
}

/** Writes the next records, 24 bytes each, at most `most`. @returns how many, 0 at the end */
export function exportRecords(reorder: usize, most: u32, out: usize): u32 {
  let count: u32 = 0;
  for (; count < most; count++) {
    const inside = nextInside(reorder);
    const block: usize = load<u32>(reorder, OUTSIDE_BLOCK);
    const outside = block ? recordAt(block, load<u32>(reorder, OUTSIDE_AT)) : 0;
    if (inside == 0 && outside == 0) break;
    const to = out + <usize>count * RECORD;
    if (outside != 0 && (inside == 0 || comesBefore(outside, inside))) {
      copyRecord(to, outside);
      stepOver(reorder, OUTSIDE_BLOCK, OUTSIDE_AT);
    } else {
      copyRecord(to, inside);
      stepOver(reorder, RING_BLOCK, RING_AT);
    }
  }
  return count;
}

/** Of equals those inside came first. */
function comesBefore(outside: usize, inside: usize): bool {
  const outsideTime: i64 = load<i64>(outside);
  const insideTime: i64 = load<i64>(inside);
  if (outsideTime != insideTime) return outsideTime < insideTime;
  const outsidePartition: u32 = load<u32>(outside, 16);
  const insidePartition: u32 = load<u32>(inside, 16);
  if (outsidePartition != insidePartition) return outsidePartition < insidePartition;
  return load<u64>(outside, 8) < load<u64>(inside, 8);
}
