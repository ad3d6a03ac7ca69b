/**
 * A Parquet file of events, pages encoded by the kernel: compressed one by one as they come, so that no more than one
 * exists uncompressed. Of a chunk with several pages readers find an index (least, greatest, NULLs, where each page
 * is), of the event ids a bloom filter.
 *
 * Source: apache/parquet-format, README, PageIndex.md, BloomFilter.md.
 */
import type { ColumnChunk, ColumnMetaData, OffsetIndex, RowGroup, SchemaElement } from "hyparquet";
import { writeIndexes } from "hyparquet-writer/src/indexes.js";
import { writeMetadata } from "hyparquet-writer/src/metadata.js";
import { serializeTCompactProtocol } from "hyparquet-writer/src/thrift.js";
import { unconvertMinMax } from "hyparquet-writer/src/unconvert.js";
import { assert } from "../../core/assert.ts";
import { hasBounds, type LeafLayout } from "../../core/column-layout.ts";
import type { ColumnPlan } from "../../core/columns.ts";
import type { Bound, EncodedPage, KernelChunk } from "../../core/kernel-chunk.ts";
import type { KernelColumns } from "../../core/kernel-columns.ts";
import type { Kernel } from "../../core/kernel.ts";
import { deltaStats } from "./delta-stats.ts";
import { PartWriter } from "./part-writer.ts";
import { CREATED_BY, type EncodedFile, ROW_GROUP_ROWS } from "./encoded-file.ts";
import { ID_FILTER_NOTE } from "./id-filter.ts";
import { parquetSchemaOf } from "./parquet-schema.ts";

/** How pages are compressed: `name` is Parquet's. */
export interface PageCodec {
  readonly name: ColumnMetaData["codec"];
  /** Values are written PLAIN, whatever the column: for readers that know nothing else. */
  readonly isPlain?: boolean;
  /** @param areShortTexts of texts of few bytes each, most of them different: only long matches are worth a search */
  readonly compress: (page: Uint8Array, areShortTexts?: boolean) => Uint8Array;
}

/** For runtimes without compression, and for readers that know as little as a reader may. */
export const UNCOMPRESSED: PageCodec = {
  name: "UNCOMPRESSED",
  isPlain: true,
  compress: (page) => page.slice(),
};

/** Bytes of a text that is short, on average. */
const SHORT_TEXT = 64;
/** Bytes compressed before others get a turn: some milliseconds. */
const BYTES_PER_TURN = 2_097_152;
const MAGIC = new TextEncoder().encode("PAR1");
// Thrift's numbers of what hyparquet names.
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const ENCODINGS = {
  PLAIN: 0,
  RLE: 3,
  DELTA_BINARY_PACKED: 5,
  DELTA_LENGTH_BYTE_ARRAY: 6,
  RLE_DICTIONARY: 8,
} as const;

type PageIndexes = Parameters<typeof writeIndexes>[1][number];
type Boundary = NonNullable<PageIndexes["columnIndex"]>["boundary_order"];

/**
 * @param rows [n] rows of `columns`, in the order of the file; at least one
 * @param turn called every few milliseconds
 * @throws kernel.memory
 */
export async function encodeEventFile(
  kernel: Kernel,
  columns: KernelColumns,
  plan: ColumnPlan,
  rows: Uint32Array,
  codec: PageCodec,
  turn: () => Promise<void>,
): Promise<EncodedFile> {
  const file = new EventFile(kernel, columns, plan, codec, turn);
  for (let from = 0; from < rows.length; from += ROW_GROUP_ROWS)
    await file.add(rows.subarray(from, from + ROW_GROUP_ROWS));
  return file.finish();
}

/** A file that is written row group by row group: the columns may be reset in between. */
export class EventFile {
  readonly #kernel: Kernel;
  readonly #columns: KernelColumns;
  readonly #plan: ColumnPlan;
  readonly #codec: PageCodec;
  readonly #turn: () => Promise<void>;
  readonly #writer = new PartWriter();
  readonly #groups: RowGroup[] = [];
  readonly #indexes: PageIndexes[] = [];
  readonly #filters: { readonly chunk: ColumnMetaData; readonly bits: Uint8Array }[] = [];
  readonly #schema: SchemaElement[];
  readonly #elements: ReadonlyMap<string, SchemaElement>;
  #rows = 0;
  #sinceTurn = 0;

  /** @param turn called every few milliseconds */
  constructor(
    kernel: Kernel,
    columns: KernelColumns,
    plan: ColumnPlan,
    codec: PageCodec,
    turn: () => Promise<void>,
  ) {
    this.#kernel = kernel;
    this.#columns = columns;
    this.#plan = plan;
    this.#codec = codec;
    this.#turn = turn;
    this.#schema = parquetSchemaOf(plan.columns);
    this.#elements = leafElements(this.#schema);
    this.#writer.appendBytes(MAGIC);
  }

  /**
   * Adds a row group of the given rows, in this order.
   * @throws kernel.memory; then the file is worth nothing
   */
  async add(rows: Uint32Array): Promise<void> {
    const start = this.#writer.offset;
    const chunks: ColumnChunk[] = [];
    let bytes = 0n;
    for (const { name } of this.#plan.columns) {
      for (const leaf of this.#columns.layout.leavesOf.get(name) ?? []) {
        const chunk = await this.#kernel.alone(() => this.#writeChunk(leaf, rows));
        bytes += chunk.meta_data!.total_uncompressed_size;
        chunks.push(chunk);
      }
    }
    this.#groups.push({
      columns: chunks,
      total_byte_size: bytes,
      num_rows: BigInt(rows.length),
      file_offset: BigInt(start),
      total_compressed_size: BigInt(this.#writer.offset - start),
    });
    this.#rows += rows.length;
  }

  finish(): EncodedFile {
    assert(this.#rows > 0, "a data file needs at least one row");
    const writer = this.#writer;
    for (const { chunk, bits } of this.#filters) this.#writeFilter(chunk, bits);
    writeIndexes(writer, this.#indexes);
    writeMetadata(writer, {
      version: this.#codec.isPlain ? 1 : 2,
      schema: this.#schema,
      num_rows: BigInt(this.#rows),
      row_groups: this.#groups,
      created_by: CREATED_BY,
      key_value_metadata: [ID_FILTER_NOTE],
      metadata_length: 0,
    });
    writer.appendBytes(MAGIC);
    const stats = deltaStats(this.#plan.columns, this.#rows, this.#groups);
    return { bytes: writer.getBytes(), rows: this.#rows, stats };
  }

  async #writeChunk(leaf: number, rows: Uint32Array): Promise<ColumnChunk> {
    const layout = this.#columns.layout.leaves[leaf]!;
    const encoded = this.#kernel.chunk(this.#columns, leaf, rows, this.#codec.isPlain);
    const element = this.#elements.get(layout.path.join("\0"))!;
    const data = newMetaData(element, layout, encoded, this.#codec.name, this.#writer.offset);
    if (encoded.encoding === "RLE_DICTIONARY") {
      const { bytes, entries } = encoded.dictionary();
      data.dictionary_page_offset = BigInt(this.#writer.offset);
      this.#writePage(data, DICTIONARY_PAGE, bytes, {
        field_7: { field_1: entries, field_2: ENCODINGS.PLAIN },
      });
    }
    data.data_page_offset = BigInt(this.#writer.offset);
    const pages = new PageNotes(element, hasBounds(layout));
    for (let page = encoded.next(); page; page = encoded.next()) {
      const offset = this.#writer.offset;
      const header = {
        field_1: page.entries,
        field_2: ENCODINGS[encoded.encoding],
        field_3: ENCODINGS.RLE,
        field_4: ENCODINGS.RLE,
      };
      const areShortTexts =
        encoded.encoding === "DELTA_LENGTH_BYTE_ARRAY" && page.bytes.length <= page.values * SHORT_TEXT;
      this.#writePage(data, DATA_PAGE, page.bytes, { field_5: header }, areShortTexts);
      pages.note(page, offset, this.#writer.offset - offset);
      if (this.#sinceTurn >= BYTES_PER_TURN) {
        this.#sinceTurn = 0;
        await this.#turn();
      }
    }
    if (layout.path.length === 1 && layout.path[0] === "event_id")
      this.#filters.push({ chunk: data, bits: encoded.bloomFilter().slice() });
    data.total_compressed_size = BigInt(this.#writer.offset) - data.total_compressed_size;
    data.num_values = BigInt(encoded.entries);
    this.#noteBounds(data, layout, encoded);
    const chunk: ColumnChunk = { file_offset: 0n, meta_data: data };
    this.#indexes.push(pages.indexes(chunk));
    return chunk;
  }

  #noteBounds(data: ColumnMetaData, layout: LeafLayout, encoded: KernelChunk): void {
    if (!hasBounds(layout)) return;
    const bounds = encoded.bounds();
    data.statistics = {
      null_count: BigInt(encoded.entries - encoded.values),
      ...(bounds ? { min_value: bounds.least, max_value: bounds.greatest } : {}),
    };
  }

  #writePage(
    data: ColumnMetaData,
    type: number,
    bytes: Uint8Array<ArrayBuffer>,
    header: object,
    areShortTexts = false,
  ): void {
    const writer = this.#writer;
    const compressed = this.#codec.compress(bytes, areShortTexts);
    const before = writer.offset;
    serializeTCompactProtocol(writer, {
      field_1: type,
      field_2: bytes.length,
      field_3: compressed.length,
      ...header,
    });
    data.total_uncompressed_size += BigInt(writer.offset - before + bytes.length);
    this.#sinceTurn += bytes.length;
    writer.appendPart(compressed);
  }

  #writeFilter(chunk: ColumnMetaData, bits: Uint8Array): void {
    const writer = this.#writer;
    const start = writer.offset;
    // block algorithm, xxHash, uncompressed
    const header = { field_2: { field_1: {} }, field_3: { field_1: {} }, field_4: { field_1: {} } };
    serializeTCompactProtocol(writer, { field_1: bits.length, ...header });
    writer.appendBytes(bits);
    chunk.bloom_filter_offset = BigInt(start);
    chunk.bloom_filter_length = writer.offset - start;
  }
}

/** @param offset where the chunk begins; `total_compressed_size` holds it until the chunk is written */
function newMetaData(
  { type }: SchemaElement,
  { path }: LeafLayout,
  { encoding }: KernelChunk,
  codec: ColumnMetaData["codec"],
  offset: number,
): ColumnMetaData {
  assert(type !== undefined, "a leaf of the schema has a physical type");
  return {
    type,
    encodings: encoding === "RLE_DICTIONARY" ? ["PLAIN", "RLE", "RLE_DICTIONARY"] : ["RLE", encoding],
    path_in_schema: [...path],
    codec,
    num_values: 0n,
    total_uncompressed_size: 0n,
    total_compressed_size: BigInt(offset),
    data_page_offset: 0n,
  };
}

/** Schema elements of leaves by their path. */
function leafElements(schema: readonly SchemaElement[]): Map<string, SchemaElement> {
  const leaves = new Map<string, SchemaElement>();
  let next = 1;
  const visit = (path: readonly string[]): void => {
    const element = schema[next++]!;
    const here = [...path, element.name];
    if (element.num_children === undefined) leaves.set(here.join("\0"), element);
    else for (let i = 0; i < element.num_children; i++) visit(here);
  };
  while (next < schema.length) visit([]);
  return leaves;
}

/** What the index of a chunk says of its pages. */
class PageNotes {
  readonly #element: SchemaElement;
  readonly #hasBounds: boolean;
  readonly #locations: OffsetIndex["page_locations"] = [];
  readonly #bounds: EncodedPage["bounds"][] = [];
  readonly #nulls: bigint[] = [];
  #rows = 0n;

  constructor(element: SchemaElement, hasPageBounds: boolean) {
    this.#element = element;
    this.#hasBounds = hasPageBounds;
  }

  note(page: EncodedPage, offset: number, length: number): void {
    this.#locations.push({
      offset: BigInt(offset),
      compressed_page_size: length,
      first_row_index: this.#rows,
    });
    this.#rows += BigInt(page.rows);
    this.#bounds.push(page.bounds);
    this.#nulls.push(BigInt(page.entries - page.values));
  }

  indexes(chunk: ColumnChunk): PageIndexes {
    const offsetIndex = { page_locations: this.#locations };
    if (!this.#hasBounds || this.#locations.length < 2) return { chunk, offsetIndex };
    const bytes = (bound: Bound | undefined, isMax: boolean): Uint8Array =>
      unconvertMinMax(bound, this.#element, isMax) ?? new Uint8Array(0);
    const columnIndex = {
      null_pages: this.#bounds.map((bounds) => bounds === undefined),
      min_values: this.#bounds.map((bounds) => bytes(bounds?.least, false)),
      max_values: this.#bounds.map((bounds) => bytes(bounds?.greatest, true)),
      boundary_order: this.#order(),
      null_counts: this.#nulls,
    };
    return { chunk, columnIndex, offsetIndex };
  }

  #order(): Boundary {
    const known = this.#bounds.filter((bounds) => bounds !== undefined);
    const follows = (isUp: boolean): boolean =>
      known.every((bounds, i) => {
        const before = known[i - 1];
        if (!before) return true;
        const [low, high] = isUp ? [before, bounds] : [bounds, before];
        return isOrdered(low.least, high.least) && isOrdered(low.greatest, high.greatest);
      });
    if (follows(true)) return "ASCENDING";
    return follows(false) ? "DESCENDING" : "UNORDERED";
  }
}

/** Of texts only what is the same in bytes and in UTF-16 is said to be in order. */
function isOrdered(a: Bound, b: Bound): boolean {
  if (typeof a === "string" && typeof b === "string") return isPlain(a) && isPlain(b) && a <= b;
  return a <= b;
}

function isPlain(text: string): boolean {
  return !/[\ud800-\uffff]/.test(text);
}
