/**
 * A sealed part read by its description alone (core-as/README.md): plain numbers and BigInt, nothing of the kernel.
 * And what a part of that many ids should look like.
 */

const MASK = 0xffff_ffff_ffff_ffffn;
const FIRST = 0xff51_afd7_ed55_8ccdn;
const SECOND = 0xc4ce_b9fe_1a85_ec53n;
const STEP = 0x9e37_79b9_7f4a_7c15n;

interface Shard {
  readonly fingerprints: readonly number[];
  readonly span: number;
  readonly segmentBits: number;
  readonly attempt: bigint;
  readonly count: number;
}

export class PartModel {
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly shardBits: number;
  /** Empty: blind. */
  readonly shards: readonly Shard[];

  /** @param bytes as `IdentitySet.exportPart` gives them */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const word = (at: number): number => view.getUint32(at, true);
    this.count = word(0);
    this.firstMs = word(4);
    this.lastMs = word(8);
    this.shardBits = word(12);
    const bodyBytes = word(16);
    if (bytes.length !== 20 + bodyBytes) throw new Error(`a part of ${bytes.length} bytes says ${bodyBytes}`);
    this.shards = Array.from({ length: bodyBytes === 0 ? 0 : 2 ** this.shardBits }, (_, i) => {
      const heading = 20 + i * 16;
      const span = word(heading + 4);
      const segmentBits = word(heading + 8) & 255;
      const slots = span === 0 ? 0 : span + 2 * 2 ** segmentBits;
      return {
        fingerprints: Array.from({ length: slots }, (__, slot) =>
          view.getUint16(20 + word(heading) + slot * 2, true),
        ),
        span,
        segmentBits,
        attempt: BigInt(word(heading + 8) >>> 8),
        count: word(heading + 12),
      };
    });
  }

  mayHold(low: bigint, high: bigint): boolean {
    if (this.shards.length === 0) return true;
    const bits = BigInt(this.shardBits);
    const shard = keyOf(low, high, 0n) >> (64n - bits);
    const { fingerprints, span, segmentBits, attempt } = this.shards[Number(shard)]!;
    if (span === 0) return false;
    const key = keyOf(low, high, attempt);
    const segment = 1n << BigInt(segmentBits);
    const first = ((((key << bits) & MASK) >> 32n) * BigInt(span)) >> 32n;
    const second = (first + segment) ^ ((key >> 18n) & (segment - 1n));
    const third = (first + 2n * segment) ^ (key & (segment - 1n));
    const found = [first, second, third].reduce((sum, slot) => sum ^ fingerprints[Number(slot)]!, 0);
    return found === Number((key ^ (key >> 32n)) & 0xffffn);
  }
}

function keyOf(low: bigint, high: bigint, attempt: bigint): bigint {
  let key = ((low ^ (((attempt + 1n) * STEP) & MASK)) * FIRST) & MASK;
  key ^= key >> 32n;
  key = ((key ^ high) * SECOND) & MASK;
  key ^= key >> 29n;
  key = (key * FIRST) & MASK;
  return key ^ (key >> 32n);
}
