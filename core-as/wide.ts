/**
 * Blocks for values that no slot holds: the bytes of wide decimals. They stand apart from the texts' blocks, which have
 * the row's `extra`, still being written, at their top.
 */
import { allocate } from "./memory";

const WIDE_BLOCK_BYTES: usize = 1 << 16;
export let wideBlock: usize = 0;
export let wideTop: usize = 0;

/** @returns the address of `width` bytes, 0 without memory */
export function allocateWide(width: usize): usize {
  if (wideBlock == 0 || wideTop + width > wideBlock + WIDE_BLOCK_BYTES) {
    const block = allocate(WIDE_BLOCK_BYTES);
    if (block == 0) return 0;
    store<u32>(block, <u32>wideBlock);
    wideBlock = block;
    wideTop = block + 16;
  }
  wideTop += width;
  return wideTop - width;
}

/** Goes on with the blocks of columns that were filled before. */
export function beginWide(block: usize, top: usize): void {
  wideBlock = block;
  wideTop = top;
}
