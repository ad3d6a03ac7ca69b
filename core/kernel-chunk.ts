/**
 * Column chunks of a Parquet file, page by page, from the rows of `KernelColumns`. One chunk is encoded at a time in
 * a kernel: whoever waits between two pages holds `Kernel.alone`.
 */
import { assert } from "./assert.ts";
import {
  LEAF_BOOLEAN,
  LEAF_DOUBLE,
  LEAF_NARROW,
  LEAF_TEXT,
  LEAF_WIDE,
  type LeafLayout,
} from "./column-layout.ts";
import type { KernelColumns } from "./kernel-columns.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** A value of a column: whole numbers, times and unscaled decimals as bigint (of at most 32 bits as number). */
export type Bound = bigint | number | boolean | string;

export interface Bounds {
  readonly least: Bound;
  readonly greatest: Bound;
}

export interface EncodedPage {
  /** A view: valid until the next call of any kernel function. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Values and NULLs; elements of lists count one by one. */
  readonly entries: number;
  readonly values: number;
  readonly rows: number;
  /** Of a page of NULLs only, or where the column has none: undefined. */
  readonly bounds: Bounds | undefined;
}

export type ChunkEncoding = "PLAIN" | "RLE_DICTIONARY" | "DELTA_BINARY_PACKED" | "DELTA_LENGTH_BYTE_ARRAY";

const ENCODINGS: ReadonlyMap<number, ChunkEncoding> = new Map([
  [0, "PLAIN"],
  [5, "DELTA_BINARY_PACKED"],
  [6, "DELTA_LENGTH_BYTE_ARRAY"],
  [8, "RLE_DICTIONARY"],
]);
/** Where the chunk's bounds stand, behind those of the page. */
const CHUNK_BOUNDS = 16;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class KernelChunk {
  readonly encoding: ChunkEncoding;
  /** Values and NULLs, elements of lists included. */
  readonly entries: number;
  readonly values: number;
  readonly #memory: KernelMemory;
  readonly #leaf: LeafLayout;

  /**
   * @param rows [n] rows of `columns`, in the order in which they are written
   * @param isPlain no encoding but PLAIN
   * @throws kernel.memory
   */
  constructor(
    memory: KernelMemory,
    columns: KernelColumns,
    leaf: number,
    rows: Uint32Array,
    isPlain: boolean,
  ) {
    const { exports } = memory;
    const [at] = memory.place(rows.byteLength);
    memory.words(at, rows.length).set(rows);
    if (!exports.beginChunk(columns.address(leaf), at, rows.length, isPlain ? 1 : 0))
      throw memory.exhausted();
    const encoding = ENCODINGS.get(exports.chunkEncoding());
    assert(encoding !== undefined, "the kernel has an encoding that the host does not know");
    this.encoding = encoding;
    this.entries = exports.chunkEntries() >>> 0;
    this.values = exports.chunkValues() >>> 0;
    this.#memory = memory;
    this.#leaf = columns.layout.leaves[leaf]!;
  }

  /** The dictionary of a chunk whose encoding says so. @throws kernel.memory */
  dictionary(): { readonly bytes: Uint8Array<ArrayBuffer>; readonly entries: number } {
    const { exports } = this.#memory;
    if (exports.encodeDictionary() === 0) throw this.#memory.exhausted();
    return { bytes: this.#page(), entries: exports.valuesInPage() >>> 0 };
  }

  /** The next page; undefined after the last. @throws kernel.memory */
  next(): EncodedPage | undefined {
    const { exports } = this.#memory;
    const isEncoded = exports.encodePage() !== 0;
    const entries = exports.entriesInPage() >>> 0;
    if (!isEncoded && entries > 0) throw this.#memory.exhausted();
    if (!isEncoded) return undefined;
    return {
      bounds: exports.pageHasBounds() === 0 ? undefined : this.#bounds(0),
      bytes: this.#page(),
      entries,
      values: exports.valuesInPage() >>> 0,
      rows: exports.rowsInPage() >>> 0,
    };
  }

  /** Least and greatest value of all pages so far. */
  bounds(): Bounds | undefined {
    return this.#memory.exports.chunkHasBounds() === 0 ? undefined : this.#bounds(CHUNK_BOUNDS);
  }

  /**
   * The bits of a split block bloom filter of a text column, UUIDs also in lower case; a view.
   * @throws kernel.memory
   */
  bloomFilter(): Uint8Array<ArrayBuffer> {
    assert(this.#leaf.kind === LEAF_TEXT, "only texts have a bloom filter");
    const { exports } = this.#memory;
    const length = exports.encodeBloom() >>> 0;
    if (length === 0) throw this.#memory.exhausted();
    return this.#memory.bytes(exports.pageAddress() >>> 0, length);
  }

  #page(): Uint8Array<ArrayBuffer> {
    const { exports } = this.#memory;
    return this.#memory.bytes(exports.pageAddress() >>> 0, exports.pageBytes() >>> 0);
  }

  #bounds(offset: number): Bounds {
    const at = (this.#memory.exports.boundsAt() >>> 0) + offset;
    return { least: this.#bound(at), greatest: this.#bound(at + 8) };
  }

  #bound(at: number): Bound {
    const { kind, width } = this.#leaf;
    if (kind === LEAF_DOUBLE) return this.#memory.doubles(at, 1)[0]!;
    if (kind === LEAF_TEXT || kind === LEAF_WIDE) {
      const [text, length] = this.#memory.words(at, 2);
      if (kind === LEAF_TEXT) return decoder.decode(this.#memory.bytes(text!, length!));
      return wideValue(this.#memory.bytes(text!, width));
    }
    const value = this.#memory.longs(at, 1)[0]!;
    if (kind === LEAF_BOOLEAN) return value !== 0n;
    return kind === LEAF_NARROW && this.#leaf.type.kind === "date" ? Number(value) : value;
  }
}

/** Big-endian two's complement. */
function wideValue(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, value);
}
