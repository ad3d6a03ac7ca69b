/** SipHash-2-4 with BigInt, straight from the paper (Aumasson and Bernstein, 2012): slow and plain. */

const MASK = 0xffff_ffff_ffff_ffffn;
const rotate = (x: bigint, bits: bigint): bigint => ((x << bits) | (x >> (64n - bits))) & MASK;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** @returns one 64-bit word, or two (low, high) when `wide` */
export function sipHashModel(key: Uint8Array, message: Uint8Array, wide: boolean): readonly bigint[] {
  const k0 = littleEndian(key.subarray(0, 8));
  const k1 = littleEndian(key.subarray(8, 16));
  const state = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ (wide ? 0xeen : 0n),
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      let [a, b, c, d] = state as [bigint, bigint, bigint, bigint];
      a = (a + b) & MASK;
      b = rotate(b, 13n) ^ a;
      a = rotate(a, 32n);
      c = (c + d) & MASK;
      d = rotate(d, 16n) ^ c;
      a = (a + d) & MASK;
      d = rotate(d, 21n) ^ a;
      c = (c + b) & MASK;
      b = rotate(b, 17n) ^ c;
      c = rotate(c, 32n);
      state.splice(0, 4, a, b, c, d);
    }
  };
  const padded = new Uint8Array(Math.floor(message.length / 8) * 8 + 8);
  padded.set(message);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const word = littleEndian(padded.subarray(at, at + 8));
    state[3]! ^= word;
    rounds(2);
    state[0]! ^= word;
  }
  const fold = (): bigint => state.reduce((sum, word) => sum ^ word, 0n);
  state[2]! ^= wide ? 0xeen : 0xffn;
  rounds(4);
  const low = fold();
  if (!wide) return [low];
  state[1]! ^= 0xddn;
  rounds(4);
  return [low, fold()];
}

/** The identity of an id as core-as/identity.ts defines it. */
export function identityModel(secret: Uint8Array, id: string): readonly bigint[] {
  const isUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id);
  const bytes = isUuid
    ? Uint8Array.from(id.replaceAll("-", "").match(/../g)!, (pair) => Number.parseInt(pair, 16))
    : new TextEncoder().encode(id);
  return sipHashModel(secret, Uint8Array.of(isUuid ? 1 : 2, ...bytes), true);
}
