/** Variable-length integers of Parquet's encodings (LEB128, zigzag), least significant seven bits first. */

/** @returns the address behind it */
export function putVarint(to: usize, value: u64): usize {
  let at = to;
  let rest = value;
  while (rest >= 128) {
    store<u8>(at++, <u8>(rest | 128));
    rest >>= 7;
  }
  store<u8>(at, <u8>rest);
  return at + 1;
}

export function zigzag(value: i64): u64 {
  return ((<u64>value) << 1) ^ <u64>(value >> 63);
}
