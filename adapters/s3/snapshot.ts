/**
 * What is left of a compacted stream: the newest record of each key and those without one, with their offsets and
 * ingest times, as one object. A compacted stream holds declarations, so it is small. A snapshot never changes; the
 * next one has another name.
 */
import { keyOf } from "../../core/record.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { bodyOf, decodeHeader, encodeFrame } from "./frame.ts";
import type { SnapshotReference } from "./group.ts";
import {
  isTombstone,
  mergeSlices,
  type PlacedBatch,
  type Slice,
  storedRecords,
  unpackRecords,
} from "./records.ts";

const PLACE_BYTES = 8;

export interface Snapshot {
  /** [partition] */
  readonly partitions: readonly PlacedBatch[];
}

interface SnapshotHeader {
  /** [partition] count of records, and bytes of index and data */
  readonly partitions: readonly (readonly [count: number, bytes: number])[];
}

/** Loads snapshots, and keeps the last one. */
export class Snapshots {
  readonly #store: ObjectStore;
  #last: { readonly path: string; readonly snapshot: Snapshot } | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** @returns undefined where a newer one took its place. @throws log.corrupt */
  async load({ path }: SnapshotReference): Promise<Snapshot | undefined> {
    if (this.#last?.path === path) return this.#last.snapshot;
    const bytes = await this.#store.get(path);
    if (!bytes) return undefined;
    const snapshot = await decodeSnapshot(bytes, path);
    this.#last = { path, snapshot };
    return snapshot;
  }
}

export async function encodeSnapshot({ partitions }: Snapshot): Promise<Uint8Array> {
  const stored = partitions.map((batch) => storedRecords(batch));
  const header: SnapshotHeader = {
    partitions: partitions.map(({ count }, i) => [count, stored[i]!.length] as const),
  };
  const parts = partitions.flatMap(({ offsets, ingestMs }, i) => [
    new Uint8Array(offsets.buffer, offsets.byteOffset, offsets.byteLength),
    new Uint8Array(ingestMs.buffer, ingestMs.byteOffset, ingestMs.byteLength),
    stored[i]!,
  ]);
  return encodeFrame(header, parts);
}

async function decodeSnapshot(bytes: Uint8Array, path: string): Promise<Snapshot> {
  const frame = await decodeHeader(bytes, path);
  const body = await bodyOf(bytes, frame, path);
  const { partitions } = frame.header as SnapshotHeader;
  let at = 0;
  const take = (length: number): Uint8Array => body.subarray(at, (at += length));
  return {
    partitions: partitions.map(([count, length]) => ({
      offsets: new Float64Array(take(count * PLACE_BYTES).slice().buffer),
      ingestMs: new Float64Array(take(count * PLACE_BYTES).slice().buffer),
      ...unpackRecords(take(length), count),
    })),
  };
}

/**
 * Of the records below `end` keeps the newest of each key and those without one; all others stay. A tombstone goes,
 * too, once it is older than `tombstoneBeforeMs`: nothing that it deletes is left.
 */
export function compactRecords(all: PlacedBatch, end: number, tombstoneBeforeMs: number): PlacedBatch {
  const newest = new Map<string, number>();
  for (let i = 0; i < all.count && all.offsets[i]! < end; i++) {
    const key = keyText(all, i);
    if (key !== undefined) newest.set(key, i);
  }
  const stays = (i: number): boolean => {
    const key = keyText(all, i);
    if (all.offsets[i]! >= end || key === undefined) return true;
    return newest.get(key) === i && (!isTombstone(all, i) || all.ingestMs[i]! > tombstoneBeforeMs);
  };
  const kept: Slice[] = [];
  for (let i = 0; i < all.count; i++) {
    if (!stays(i)) continue;
    const last = kept.at(-1);
    if (last?.to === i) kept[kept.length - 1] = { ...last, to: i + 1 };
    else kept.push({ batch: all, from: i, to: i + 1 });
  }
  return onlyOwnBytes(kept, all);
}

/** Merging would copy the bytes of `all` once per slice; these share them, and are packed when they are stored. */
function onlyOwnBytes(kept: readonly Slice[], all: PlacedBatch): PlacedBatch {
  const empty = new Uint8Array(0);
  const bare = kept.map(({ batch, from, to }) => ({ batch: { ...batch, bytes: empty }, from, to }));
  return { ...mergeSlices(bare), bytes: all.bytes };
}

function keyText(batch: PlacedBatch, i: number): string | undefined {
  const key = keyOf(batch, i);
  return key ? String.fromCharCode(...key) : undefined;
}
