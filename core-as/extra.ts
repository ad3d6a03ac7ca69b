/**
 * The text of the column `extra`: what no column holds, at the path where it was, byte for byte. The objects around a
 * leftover are opened only once there is one; elements of lists are keyed by their index:
 * `{"items":{"1":{"note":"x"}}}`.
 *
 * Texts stand in blocks that live until all rows are forgotten. The text of a row stays in one piece: where a block
 * has no room for it, it moves to the next.
 */
import { allocate, release } from "./memory";
import { FRAME } from "./plan";

/** Of a frame, beside what value.ts keeps there: the container's raw key, or 0 and its index in a list. */
export const KEY_AT: usize = 20;
export const KEY_LENGTH: usize = 24;

/** Room behind a value for all the braces that may have to be closed: containers with columns are at most 16 deep. */
const BRACES: usize = 64;
const BLOCK_BYTES: usize = 1 << 20;
/** A block starts with the address of the one before it. */
const BLOCK_HEAD: usize = 16;

let frames: usize = 0;
let start: usize = 0;
let top: usize = 0;
let end: usize = 0;
/** Frames whose objects the text has opened; the record's own frame, 0, is open from the start. */
let opened: u32 = 0;
let needsComma: bool = false;

/** The newest block of the columns that are filled. */
export let lastBlock: usize = 0;

/** @param block what `lastBlock` was when the same columns were filled before */
export function beginTexts(scanFrames: usize, block: usize, used: usize, size: usize): void {
  frames = scanFrames;
  lastBlock = block;
  top = block + used;
  end = block + size;
}

export function releaseTexts(block: usize): void {
  let at = block;
  while (at) {
    const before: usize = load<u32>(at);
    release(at);
    at = before;
  }
}

/** Where the newest block is used up to, and how large it is; from its address. */
export function usedTexts(): usize {
  return top - lastBlock;
}
export function sizeTexts(): usize {
  return end - lastBlock;
}

export function beginExtra(): void {
  start = top;
  opened = 0;
  needsComma = false;
}

function makeRoom(bytes: usize): bool {
  if (top + bytes <= end) return true;
  const written = top - start;
  const size = max<usize>(BLOCK_BYTES, (written + bytes) * 2 + BLOCK_HEAD);
  const block = allocate(size);
  if (block == 0) return false;
  store<u32>(block, <u32>lastBlock);
  memory.copy(block + BLOCK_HEAD, start, written);
  lastBlock = block;
  start = block + BLOCK_HEAD;
  top = start + written;
  end = block + size;
  return true;
}

function putKey(key: usize, length: u32): bool {
  if (!makeRoom(<usize>length + 16)) return false;
  store<u8>(top, needsComma ? 44 : 123);
  // the brace of the record's own object stands in front of its first key alone
  if (needsComma || top == start) top++;
  if (key) {
    memory.copy(top, key, length);
    top += length;
  } else putIndex(length);
  store<u8>(top++, 58);
  return true;
}

function putIndex(index: u32): void {
  store<u8>(top++, 34);
  let digits: u32 = 1;
  for (let rest = index; rest >= 10; rest /= 10) digits++;
  let rest = index;
  for (let i = digits; i > 0; i--) {
    store<u8>(top + i - 1, <u8>(48 + (rest % 10)));
    rest /= 10;
  }
  top += digits;
  store<u8>(top++, 34);
}

/**
 * Adds a value of the container whose frame is `depth`.
 * @param key the raw key, with its quotes; 0 in a list, whose index `length` is then
 * @returns false when there is no memory
 */
export function addExtra(depth: u32, key: usize, length: u32, value: usize, size: usize): bool {
  while (opened < depth) {
    opened++;
    const frame = frames + <usize>opened * FRAME;
    if (!putKey(load<u32>(frame, KEY_AT), load<u32>(frame, KEY_LENGTH)) || !makeRoom(8)) return false;
    store<u8>(top++, 123);
    needsComma = false;
  }
  if (!putKey(key, length) || !makeRoom(size + BRACES)) return false;
  memory.copy(top, value, size);
  top += size;
  needsComma = true;
  return true;
}

/** The container of frame `depth` (not the record's) ends. */
export function closeExtra(depth: u32): void {
  if (opened < depth) return;
  store<u8>(top++, 125); // putKey and addExtra leave room for it
  opened = depth - 1;
}

/** Ends the record. @returns the address of its text, 0 where nothing was left over; sets `extraLength` */
export function finishExtra(): usize {
  if (top == start) return 0;
  store<u8>(top++, 125);
  extraLength = <u32>(top - start);
  const text = start;
  top = (top + 7) & ~7;
  return text;
}
export let extraLength: u32 = 0;
