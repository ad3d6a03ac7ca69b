/**
 * The split block bloom filter of Parquet: blocks of 256 bits, one bit in each of eight words (Putze, Sanders and
 * Singler, "Cache-, hash- and space-efficient bloom filters", 2007). At 8 to 16 bits a value one absent value in
 * thirty, or fewer, is taken for present. The number of blocks is a power of two: Arrow refuses others.
 */
import { isUuidAt } from "./identity";
import { xxHash } from "./xxhash";

export const BLOCK_BYTES: usize = 32;

const salts = memory.data<u32>([
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
]);

/** Blocks for `values` different values. */
export function bloomBlocks(values: u32): u32 {
  const wanted = <u32>((<u64>values * 8 + 255) >> 8);
  return wanted <= 1 ? 1 : (<u32>1) << (32 - <u32>clz(wanted - 1));
}

/** @param filter `blocks` × 32 bytes, zero before the first value */
export function bloomAdd(filter: usize, blocks: u32, from: usize, length: usize): void {
  const hash = xxHash(from, length);
  const block = filter + <usize>(((hash >> 32) * <u64>blocks) >> 32) * BLOCK_BYTES;
  const key = <u32>hash;
  for (let word: usize = 0; word < 8; word++) {
    const bit: u32 = (<u32>1) << ((key * load<u32>(salts + (word << 2))) >> 27);
    store<u32>(block + (word << 2), load<u32>(block + (word << 2)) | bit);
  }
}

const CASE: i8 = 32;
const lowerCase = memory.data(64, 16);

/** Adds a text; of a UUID with capitals also its lower case: as an id it is the same. */
export function bloomAddId(filter: usize, blocks: u32, from: usize, length: usize): void {
  bloomAdd(filter, blocks, from, length);
  if (length != 36) return;
  const all = v128.and(v128.and(v128.load(from), v128.load(from, 16)), v128.load(from, 20));
  const hasCapitals = !i8x16.all_true(v128.and(all, i8x16.splat(CASE)));
  if (!hasCapitals || !isUuidAt(from)) return;
  // digits and dashes have that bit, too
  for (let i: usize = 0; i < 36; i++) store<u8>(lowerCase + i, load<u8>(from + i) | <u8>CASE);
  bloomAdd(filter, blocks, lowerCase, 36);
}
