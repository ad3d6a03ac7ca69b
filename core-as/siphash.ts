/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) with 64 or 128 bits of output, over bytes in memory that may be
 * preceded by one tag byte which is not in memory. Reads up to 8 bytes behind the input.
 */

export const NO_TAG: i32 = -1;

/** The result of the last call; `hashHigh` only when it was a wide one. */
export let hashLow: u64 = 0;
export let hashHigh: u64 = 0;

/** Hashes tag ‖ bytes under the key (k0, k1: the key's 16 bytes, little endian). */
export function sipHash(bytes: usize, length: usize, k0: u64, k1: u64, tag: i32, wide: bool): void {
  let v0: u64 = k0 ^ (((<u64>0x736f6d65) << 32) | 0x70736575);
  let v1: u64 = k1 ^ (((<u64>0x646f7261) << 32) | 0x6e646f6d) ^ (wide ? 0xee : 0);
  let v2: u64 = k0 ^ (((<u64>0x6c796765) << 32) | 0x6e657261);
  let v3: u64 = k1 ^ (((<u64>0x74656462) << 32) | 0x79746573);
  const total: usize = length + (tag >= 0 ? 1 : 0);
  const shift: usize = total - length;
  const messages: usize = (total >> 3) + 1;
  // two rounds a step: one step for each word, then two, and two more, for each half of the result
  const steps: usize = messages + (wide ? 4 : 2);
  for (let step: usize = 0; step < steps; step++) {
    let word: u64 = 0;
    if (step < messages) {
      if (shift == 0) word = load<u64>(bytes + (step << 3));
      else if (step == 0) word = (load<u64>(bytes) << 8) | <u64>tag;
      else word = load<u64>(bytes + (step << 3) - 1);
      if (step == messages - 1)
        word = (word & (((<u64>1) << ((<u64>(total & 7)) << 3)) - 1)) | ((<u64>total) << 56);
      v3 ^= word;
    } else if (step == messages) {
      v2 ^= wide ? 0xee : 0xff;
    } else if (step == messages + 2) {
      hashLow = v0 ^ v1 ^ v2 ^ v3;
      v1 ^= 0xdd;
    }
    v0 += v1;
    v2 += v3;
    v1 = rotl(v1, 13) ^ v0;
    v3 = rotl(v3, 16) ^ v2;
    v0 = rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = rotl(v1, 17) ^ v2;
    v3 = rotl(v3, 21) ^ v0;
    v2 = rotl(v2, 32);
    v0 += v1;
    v2 += v3;
    v1 = rotl(v1, 13) ^ v0;
    v3 = rotl(v3, 16) ^ v2;
    v0 = rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = rotl(v1, 17) ^ v2;
    v3 = rotl(v3, 21) ^ v0;
    v2 = rotl(v2, 32);
    v0 ^= word;
  }
  if (wide) hashHigh = v0 ^ v1 ^ v2 ^ v3;
  else hashLow = v0 ^ v1 ^ v2 ^ v3;
}
