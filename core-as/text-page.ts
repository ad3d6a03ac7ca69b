/**
 * The values of a page of texts as DELTA_LENGTH_BYTE_ARRAY: all lengths, packed, then all bytes. The bytes are written
 * first, with room in front: texts may lose their escapes on the way, and only then their lengths are known.
 */
import { REGION_LENGTHS, reserve } from "./memory";
import { deltaBytesMax, encodeDelta } from "./delta";
import { ESCAPED } from "./leaf";
import { copyText, unescape } from "./text";

/** The texts of the page as they are in it: u32 address, u32 length, like slots. */
export let plainTexts: usize = 0;
let lengths: usize = 0;

/** What a text of a slot takes in a page at most, where its length is packed. */
export function textBytes(slot: usize): usize {
  return 1 + <usize>(load<u32>(slot, 4) & ~ESCAPED);
}

/** @returns false when there is no memory for the notes of `count` texts */
export function beginTexts(count: u32): bool {
  plainTexts = reserve(REGION_LENGTHS, (<usize>count) << 4);
  lengths = plainTexts + ((<usize>count) << 3);
  return plainTexts != 0;
}

/** Bytes that the lengths of `count` texts take at most. */
export function lengthBytesMax(count: u32): usize {
  return deltaBytesMax(count);
}

/** Writes the bytes of texts. @returns the address behind them; up to 32 more are written */
export function putBytes(slots: usize, count: u32, to: usize): usize {
  let at = to;
  for (let i: usize = 0; i < <usize>count; i++) {
    const slot = slots + (i << 3);
    const text: usize = load<u32>(slot);
    const length: usize = load<u32>(slot, 4);
    let plain = length;
    if (length & ESCAPED) plain = unescape(text, length & ~ESCAPED, at);
    else copyText(at, text, length);
    store<u32>(plainTexts + (i << 3), <u32>at);
    store<u32>(plainTexts + (i << 3), <u32>plain, 4);
    store<u64>(lengths + (i << 3), plain);
    at += plain;
  }
  return at;
}

/** Writes the lengths of the texts of the last `putBytes`. @returns the address behind them */
export function putLengths(count: u32, to: usize): usize {
  return encodeDelta(lengths, count, true, to);
}
