/**
 * The newest groups in memory, so that landing the live tail never touches the disk. Groups are encoded straight
 * into its chunks and written to disk from there. Chunks are used again: whoever reads gets a copy.
 */
import { assert } from "../../core/assert.ts";

const CHUNK_BYTES = 4 << 20;

interface CachedGroup {
  readonly segment: number; // first sequence of its segment
  readonly position: number; // in the file
  readonly at: number; // in the chunk
  readonly length: number;
}

interface Chunk {
  readonly bytes: Uint8Array;
  used: number;
  readonly groups: CachedGroup[];
}

export class TailCache {
  readonly #bytesMax: number;
  #chunks: Chunk[] = []; // oldest first
  #bytes = 0;
  #spare: Chunk | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Room for one group; only the last reservation may be open. Not zeroed. */
  reserve(length: number): Uint8Array {
    let chunk = this.#chunks.at(-1);
    if (!chunk || chunk.bytes.length - chunk.used < length) chunk = this.#addChunk(length);
    return chunk.bytes.subarray(chunk.used, chunk.used + length);
  }

  /** Keeps the group last reserved, which is now durable at `position`. */
  keep(segment: number, position: number, length: number): void {
    if (this.#bytesMax === 0) return;
    const chunk = this.#chunks.at(-1);
    assert(chunk !== undefined && chunk.bytes.length - chunk.used >= length, "keeping a group without room");
    chunk.groups.push({ segment, position, at: chunk.used, length });
    chunk.used += length;
  }

  /** Forgets the groups of a segment: it says other things now. */
  forget(segment: number): void {
    for (const { groups } of this.#chunks) {
      const kept = groups.filter((group) => group.segment !== segment);
      if (kept.length < groups.length) groups.splice(0, groups.length, ...kept);
    }
  }

  /** Copies what it has from `position` on into `target`. @returns bytes copied, 0 where it has nothing */
  copy(segment: number, position: number, target: Uint8Array): number {
    let copied = 0;
    while (copied < target.length) {
      const found = this.#find(segment, position + copied);
      if (!found) break;
      const { chunk, group } = found;
      const from = group.at + position + copied - group.position;
      const end = Math.min(group.at + group.length, from + target.length - copied);
      target.set(chunk.bytes.subarray(from, end), copied);
      copied += end - from;
    }
    return copied;
  }

  #find(segment: number, position: number): { chunk: Chunk; group: CachedGroup } | undefined {
    const chunk = this.#chunks.findLast(({ groups }) => groups[0] && !isAfter(groups[0], segment, position));
    if (!chunk) return undefined;
    let low = 0;
    let high = chunk.groups.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter(chunk.groups[middle]!, segment, position)) high = middle;
      else low = middle + 1;
    }
    const group = chunk.groups[low - 1];
    const isHit = group && group.segment === segment && position < group.position + group.length;
    return isHit ? { chunk, group } : undefined;
  }

  #addChunk(length: number): Chunk {
    // Whole chunks: memory that was used before costs much less than memory that the system has to give.
    const size = Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES;
    while (this.#chunks.length > 0 && this.#bytes + size > this.#bytesMax) {
      const oldest = this.#chunks.shift()!;
      this.#bytes -= oldest.bytes.length;
      if (!this.#spare || this.#spare.bytes.length < size) this.#spare = oldest;
    }
    const chunk = this.#spare && this.#spare.bytes.length >= size ? this.#spare : newChunk(size);
    this.#spare = undefined;
    chunk.used = 0;
    chunk.groups.length = 0;
    this.#chunks.push(chunk);
    this.#bytes += chunk.bytes.length;
    return chunk;
  }
}

function newChunk(length: number): Chunk {
  const buffer = Buffer.allocUnsafeSlow(length);
  return { bytes: new Uint8Array(buffer.buffer, 0, length), used: 0, groups: [] };
}

function isAfter(group: CachedGroup, segment: number, position: number): boolean {
  return group.segment > segment || (group.segment === segment && group.position > position);
}
