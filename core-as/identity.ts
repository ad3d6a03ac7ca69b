/**
 * The 128-bit identity of an event: SipHash-2-4-128 under the table's secret, of one tag byte and the id. A
 * UUID in its 8-4-4-4-12 form counts as its 16 bytes, so that upper and lower case are one identity; any other
 * id counts as its UTF-8 text. The tag keeps the two apart.
 */
import { sipHash } from "./siphash";

const TAG_UUID: i32 = 1;
const TAG_TEXT: i32 = 2;
const uuidBytes = memory.data(32, 16);

/** Whether the last `identify` saw a UUID. */
export let isUuid: bool = false;

function areHexDigits(bytes: v128): bool {
  const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(48)), i8x16.splat(10));
  const lower = v128.or(bytes, i8x16.splat(32));
  const letters = i8x16.lt_u(i8x16.sub(lower, i8x16.splat(97)), i8x16.splat(6));
  return i8x16.all_true(v128.or(digits, letters));
}

/** Sixteen hexadecimal digits as 8 bytes, the first digit highest, in memory order. */
function packHex(digits: v128): u64 {
  const isLetter = v128.and(i8x16.shr_u(digits, 6), i8x16.splat(1));
  const nibbles = i8x16.add(v128.and(digits, i8x16.splat(15)), i8x16.add(isLetter, i8x16.shl(isLetter, 3)));
  const high = i16x8.shl(v128.and(nibbles, i16x8.splat(255)), 4);
  const pairs = v128.or(high, i16x8.shr_u(nibbles, 8));
  return i64x2.extract_lane(i8x16.narrow_i16x8_u(pairs, pairs), 0);
}

/** The first and the last sixteen digits of a UUID's 36 bytes. */
function upperDigits(at: usize): v128 {
  return i8x16.shuffle(
    v128.load(at),
    v128.load(at, 16),
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    9,
    10,
    11,
    12,
    14,
    15,
    16,
    17,
  );
}
function lowerDigits(at: usize): v128 {
  const middle = v128.load(at, 16);
  return i8x16.shuffle(middle, v128.load(at, 20), 3, 4, 5, 6, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

/** Whether 36 bytes are a UUID. */
export function isUuidAt(at: usize): bool {
  if (load<u8>(at, 8) != 45 || load<u8>(at, 13) != 45) return false;
  if (load<u8>(at, 18) != 45 || load<u8>(at, 23) != 45) return false;
  return areHexDigits(upperDigits(at)) && areHexDigits(lowerDigits(at));
}

/** Hashes an id of at least one byte into `hashLow`, `hashHigh` (siphash.ts). */
export function identify(text: usize, length: usize, secretLow: u64, secretHigh: u64): void {
  isUuid = length == 36 && isUuidAt(text);
  if (isUuid) {
    store<u64>(uuidBytes, packHex(upperDigits(text)));
    store<u64>(uuidBytes, packHex(lowerDigits(text)), 8);
    sipHash(uuidBytes, 16, secretLow, secretHigh, TAG_UUID, true);
  } else sipHash(text, length, secretLow, secretHigh, TAG_TEXT, true);
}
