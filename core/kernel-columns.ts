/**
 * Rows of events as columns in the kernel's memory: filled while batches are scanned, written as chunks of a Parquet
 * file in whatever order. What was scanned stays in the kernel's memory until `reset` where long texts point into it.
 *
 * A row exists for each scanned record, usable or not; which of them are written is for the caller to say.
 */
import { assert } from "./assert.ts";
import { ESCAPED_TEXT, type ColumnLayout, LEAF_TEXT } from "./column-layout.ts";
import type { ScanPlan } from "./kernel-plan.ts";
import { type Scan, scanRecords } from "./kernel-scan.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { RECORD_WORDS, type RecordBatch } from "./record.ts";

/** The kernel may load a few bytes behind a text. */
const MARGIN = 64;
/** The leaf that says of each row why it has no values; the rest is in core-as/columns.ts. */
const REJECTIONS = 0;
// What the kernel answers when it took keys.
const KEYS_WIDE = 1;
const KEYS_NO_MEMORY = 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface RowRejection {
  /** REJECTED_*; core/column-layout.ts has them. */
  readonly code: number;
  /** Of the value that is to blame: bytes from the record's start. */
  readonly at: number;
}

export class KernelColumns {
  readonly layout: ColumnLayout;
  readonly plan: ScanPlan;
  readonly #memory: KernelMemory;
  /** What was scanned, and texts that the host added. */
  readonly #held: number[] = [];
  readonly #rejected = new Map<number, RowRejection>();
  #first = 0;
  #input = 0;
  #isInputKept = true;
  #batch: RecordBatch | undefined;

  /** @throws kernel.memory */
  constructor(memory: KernelMemory, plan: ScanPlan, layout: ColumnLayout) {
    this.#memory = memory;
    this.plan = plan;
    this.layout = layout;
    const { description } = layout;
    const [at] = memory.place(description.length);
    memory.bytes(at, description.length).set(description);
    if (!memory.exports.createColumns(plan.address, at, description.length)) throw memory.exhausted();
  }

  /** Rows so far. */
  get rows(): number {
    return this.#memory.exports.rowCount(this.plan.address) >>> 0;
  }

  /** The first row of the last scan. */
  get firstRow(): number {
    return this.#first;
  }

  /**
   * Adds a row per record.
   * @param secret the table's 16 bytes, which key the identities
   * @throws kernel.memory; then no row was added, and `reset` is due
   */
  scan(batch: RecordBatch, secret: Uint8Array): Scan {
    this.#first = this.rows;
    this.#letInputGo();
    this.#input = this.#hold(batch.bytes.length + MARGIN);
    const scan = scanRecords(this.#memory, this.plan, batch, secret, { inputAt: this.#input });
    this.#batch = batch;
    this.#isInputKept = this.#memory.exports.keepsInput() !== 0;
    this.#noteRejections(scan);
    return scan;
  }

  /** By record of the last scan: why its row has no values. Records with a verdict are left out. */
  get rejections(): ReadonlyMap<number, RowRejection> {
    return this.#rejected;
  }

  /** The value at path `place` of the scanned records becomes a text column. @throws kernel.memory; `reset` is due */
  takeField(leaf: number, place: number): void {
    const { exports } = this.#memory;
    const count = this.rows - this.#first;
    const to = this.#leaf(leaf);
    if (!exports.takeField(this.plan.address, place, to, this.#input, this.#first, count))
      throw this.#memory.exhausted();
    this.#noteInput();
  }

  /**
   * The keys of the scanned records become a text column; what is no UTF-8 in them is replaced.
   * @throws kernel.memory; `reset` is due
   */
  takeKeys(leaf: number): void {
    const { exports } = this.#memory;
    const batch = this.#batch!;
    const words = batch.count * RECORD_WORDS;
    const [index] = this.#memory.place(words * 4);
    this.#memory.words(index, words).set(batch.index.subarray(0, words));
    const outcome = exports.takeKeys(
      this.#leaf(leaf),
      this.#input,
      batch.bytes.length,
      index,
      RECORD_WORDS * 4,
      this.#first,
      batch.count,
    );
    if (outcome === KEYS_NO_MEMORY) throw this.#memory.exhausted();
    this.#noteInput();
    if (outcome === KEYS_WIDE) for (let row = this.#first; row < this.rows; row++) this.#repair(leaf, row);
  }

  /** One whole number, or nothing at all, for the rows of the last scan. */
  fill(leaf: number, value: bigint | null): void {
    this.fillFrom(leaf, this.#first, value);
  }

  /** The same for all rows from `first` on. */
  fillFrom(leaf: number, first: number, value: bigint | null): void {
    const count = this.rows - first;
    this.#memory.exports.fillLong(this.#leaf(leaf), first, count, value ?? 0n, value === null ? 0 : 1);
  }

  /**
   * Whole numbers for rows from `first` on.
   * @param values [row - first]
   * @param factor that each is multiplied by; the product is below 2^53
   */
  setNumbers(leaf: number, first: number, values: Float64Array, factor: number): void {
    assert(first + values.length <= this.rows, "there are fewer rows than numbers");
    const [at] = this.#memory.place(values.byteLength);
    this.#memory.doubles(at, values.length).set(values);
    this.#memory.exports.fillDoubles(this.#leaf(leaf), first, values.length, at, factor);
  }

  /** 64-bit integers for all rows of a column without NULLs. */
  setLongs(leaf: number, values: BigInt64Array): void {
    assert(values.length === this.rows && this.layout.leaves[leaf]!.definition === 0, "one long per row");
    this.#memory.longs(this.#slots(leaf), values.length).set(values);
  }

  /** A text of one row; null for none. */
  setText(leaf: number, row: number, text: string | null): void {
    this.setTexts(leaf, row, row + 1, text);
  }

  /** One text, kept once, for the rows `[from, to)`. */
  setTexts(leaf: number, from: number, to: number, text: string | null): void {
    assert(this.layout.leaves[leaf]?.kind === LEAF_TEXT, "a text goes into a text column");
    let at = 0;
    let length = 0;
    if (text !== null) {
      const bytes = encoder.encode(text);
      at = this.#hold(bytes.length + MARGIN);
      ({ length } = bytes);
      this.#memory.bytes(at, length).set(bytes);
    }
    this.#point(leaf, from, to, at, length);
  }

  /** Texts of the rows of the last scan, one each. @param texts [record] */
  setTextList(leaf: number, texts: readonly string[]): void {
    const encoded = texts.map((text) => encoder.encode(text));
    const total = encoded.reduce((sum, { length }) => sum + length, 0);
    let at = this.#hold(total + MARGIN);
    encoded.forEach((bytes, i) => {
      this.#memory.bytes(at, bytes.length).set(bytes);
      this.#point(leaf, this.#first + i, this.#first + i + 1, at, bytes.length);
      at += bytes.length;
    });
  }

  /** Rows `[first, to)` of a text column that have none: the host looks for it elsewhere. */
  missingTexts(leaf: number, first: number): Uint32Array {
    const { rows } = this;
    const slots = this.#memory.words(this.#slots(leaf), rows * 2);
    const missing = new Uint32Array(rows - first);
    let count = 0;
    for (let row = first; row < rows; row++) if (slots[row * 2] === 0) missing[count++] = row;
    return missing.subarray(0, count);
  }

  /** A row's text, without escapes; null for none. Of a record with a verdict, what is no UTF-8 is replaced. */
  text(leaf: number, row: number): string | null {
    assert(row < this.rows, `there is no row ${row}`);
    const [at, length] = this.#memory.words(this.#slots(leaf) + row * 8, 2);
    if (at === 0) return null;
    const raw = decoder.decode(this.#memory.bytes(at!, length! % ESCAPED_TEXT));
    return length! >= ESCAPED_TEXT ? String(JSON.parse(`"${raw}"`)) : raw;
  }

  /** The address of a leaf, for the encoder. */
  address(leaf: number): number {
    return this.#leaf(leaf);
  }

  /** Forgets all rows and gives their memory back. */
  reset(): void {
    this.#memory.exports.resetColumns(this.plan.address);
    for (const address of this.#held) this.#memory.exports.letGo(address);
    this.#held.length = 0;
    this.#isInputKept = true;
    this.#rejected.clear();
    this.#batch = undefined;
    this.#memory.scanSerial++;
  }

  #noteInput(): void {
    this.#isInputKept ||= this.#memory.exports.keepsInput() !== 0;
  }

  /** What was scanned last, where no row points into it. */
  #letInputGo(): void {
    if (this.#isInputKept) return;
    this.#memory.exports.letGo(this.#input);
    this.#held.splice(this.#held.lastIndexOf(this.#input), 1);
    this.#isInputKept = true;
  }

  #hold(bytes: number): number {
    this.#memory.checkSize(bytes);
    const at = this.#memory.address(this.#memory.exports.hold(bytes));
    this.#held.push(at);
    return at;
  }

  #leaf(leaf: number): number {
    assert(leaf > REJECTIONS && leaf < this.layout.leaves.length, `there is no leaf ${leaf}`);
    return this.#memory.exports.leafOf(this.plan.address, leaf) >>> 0;
  }

  #slots(leaf: number): number {
    return this.#memory.exports.slotsOf(this.#leaf(leaf)) >>> 0;
  }

  #point(leaf: number, from: number, to: number, at: number, length: number): void {
    const { definition } = this.layout.leaves[leaf]!;
    const levels = this.#memory.exports.definitionsOf(this.#leaf(leaf)) >>> 0;
    this.#memory.bytes(levels + from, to - from).fill(at === 0 ? 0 : definition);
    const slots = this.#memory.words(this.#slots(leaf) + from * 8, (to - from) * 2);
    for (let i = 0; i < slots.length; i += 2) {
      slots[i] = at;
      slots[i + 1] = length;
    }
  }

  #repair(leaf: number, row: number): void {
    const [at, length] = this.#memory.words(this.#slots(leaf) + row * 8, 2);
    if (at === 0) return;
    const bytes = this.#memory.bytes(at!, length!);
    const text = decoder.decode(bytes);
    if (text.includes("\u{fffd}")) this.setText(leaf, row, text);
  }

  #noteRejections(scan: Scan): void {
    const { exports } = this.#memory;
    this.#rejected.clear();
    const leaf = exports.leafOf(this.plan.address, REJECTIONS) >>> 0;
    const codes = this.#memory.bytes((exports.definitionsOf(leaf) >>> 0) + this.#first, scan.count);
    const places = this.#memory.words((exports.slotsOf(leaf) >>> 0) + this.#first * 8, scan.count * 2);
    const { verdicts, starts } = scan;
    for (let i = 0; i < scan.count; i++) {
      if (codes[i] === 0 || verdicts[i] !== 0) continue;
      const at = places[i * 2]! - this.#input - starts[i]!;
      this.#rejected.set(i, { code: codes[i]!, at });
    }
  }
}
