/**
 * The exact decoder: an event's JSON text to one row of typed columns and the text of `extra`, in one pass,
 * without `JSON.parse` and without rounding (design §3; research/encoder.md lists what rounding readers do).
 * A value is exact or the event is rejected. Two columns may hold less than the text, and then the text is
 * kept in `extra`: a double with fewer digits, a timestamp with digits below the microsecond.
 *
 * Given: well-formed UTF-8 JSON objects without duplicate keys, as the kernel's scan has established.
 */
import { Buffer, isAscii } from "node:buffer";
import { assert } from "../../../core/assert.ts";
import type { ColumnPlan, PayloadColumn } from "../../../core/columns.ts";
import { type Field, FieldsReader, SectionReader } from "./nested.ts";
import { IgnoringReader, IgnoringTimeReader, readerOf } from "./readers.ts";
import { type RejectionCode, Scanner } from "./scanner.ts";
import { ValueVector, type Vector } from "./vector.ts";

/** Why an event has no row. */
export interface Rejection {
  readonly code: RejectionCode;
  /** RFC 6901, from the event's root. */
  readonly pointer: string;
  /** For people; never contains the value. */
  readonly detail: string;
}

export interface Decoder {
  /** Rows decoded so far; the next row's slot. */
  readonly rows: number;
  /** By column name: payload columns, those beside the body, and `extra`. */
  readonly vectors: ReadonlyMap<string, Vector>;
  /**
   * Decodes the event at `bytes[at, at + length)` into the next slot. A rejected one leaves no trace.
   * @param bytes not to be changed before `reset`: they are read ahead
   */
  add(bytes: Uint8Array, at: number, length: number): Rejection | undefined;
  /** Forgets all rows; keeps the memory. */
  reset(): void;
}

const CAPACITY_START = 1_024;
/**
 * Bytes made text at a time. Strings in columns are slices of such a window, which the garbage collector never
 * copies, as it would a text per event.
 */
const WINDOW_BYTES = 524_288;

export function compileDecoder(plan: ColumnPlan): Decoder {
  return new CompiledDecoder(plan);
}

class CompiledDecoder implements Decoder {
  readonly vectors = new Map<string, Vector>();
  readonly #event: FieldsReader;
  readonly #all: Vector[];
  readonly #extra: ValueVector<string> = new ValueVector();
  readonly #scanner = new Scanner();
  #capacity = 0;
  #rows = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #buffer: Buffer = Buffer.alloc(0);
  /** Bytes [from, to) are the scanner's window, as Latin-1, so that places in bytes are places in text. */
  #window = { from: 0, to: 0, isAscii: true };

  constructor(plan: ColumnPlan) {
    const [body] = plan.body;
    const payload = this.#fields(plan.payload);
    const fields = [...this.#fields(plan.beside), ...(body === undefined ? payload : [])];
    if (body !== undefined) fields.push({ field: body, reader: new SectionReader(body, payload) });
    fields.push(...heldFields(plan));
    this.#event = new FieldsReader(fields);
    this.vectors.set("extra", this.#extra);
    this.#all = [...this.vectors.values()];
  }

  get rows(): number {
    return this.#rows;
  }

  add(bytes: Uint8Array, at: number, length: number): Rejection | undefined {
    if (this.#rows === this.#capacity) this.#grow();
    const scanner = this.#scanner;
    const slot = this.#rows;
    scanner.begin();
    const start = scanner.skipSpace(this.#turnTo(bytes, at, length));
    assert(scanner.text.charCodeAt(start) === 123, "the decoder was given something else than a JSON object");
    const end = this.#event.read(scanner, start, slot, undefined);
    if (end < 0) {
      for (const vector of this.#all) vector.clear(slot, slot + 1);
      return { code: scanner.code, pointer: scanner.pointer, detail: scanner.detail };
    }
    assert(end - start <= length, "the decoder was given malformed JSON");
    const extra = scanner.extra.text;
    if (extra !== null) this.#extra.set(slot, extra);
    this.#rows++;
    return undefined;
  }

  reset(): void {
    for (const vector of this.#all) vector.clear(0, this.#rows);
    this.#rows = 0;
    this.#read(new Uint8Array(0));
    this.#scanner.release();
  }

  #fields(columns: readonly PayloadColumn[]): Field[] {
    return columns.map(({ name, field, type }) => {
      const reader = readerOf(type);
      assert(reader.vector !== undefined && !this.vectors.has(name), `column ${name} cannot be read`);
      this.vectors.set(name, reader.vector);
      return { field, reader };
    });
  }

  /** Gives the scanner the event's text. @returns where in it the event begins */
  #turnTo(bytes: Uint8Array, at: number, length: number): number {
    if (bytes !== this.#bytes) this.#read(bytes);
    const scanner = this.#scanner;
    if (at < this.#window.from || at + length > this.#window.to) this.#moveWindow(at, length);
    const window = this.#window;
    if (!window.isAscii && !isAscii(this.#buffer.subarray(at, at + length))) {
      scanner.turnToEvent(this.#buffer.toString("utf8", at, at + length));
      return 0;
    }
    const start = at - window.from;
    scanner.turnToWindow(start);
    const { text } = scanner;
    const isUnchanged =
      text.charCodeAt(start + length - 1) === bytes[at + length - 1] &&
      text.charCodeAt(start + (length >> 1)) === bytes[at + (length >> 1)];
    assert(isUnchanged, "bytes given to the decoder were changed before it was reset");
    return start;
  }

  #read(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#window = { from: 0, to: 0, isAscii: true };
  }

  #moveWindow(at: number, length: number): void {
    const to = Math.min(at + Math.max(length, WINDOW_BYTES), this.#buffer.length);
    this.#scanner.setWindow(this.#buffer.toString("latin1", at, to));
    this.#window = { from: at, to, isAscii: isAscii(this.#buffer.subarray(at, to)) };
  }

  #grow(): void {
    this.#capacity = Math.max(CAPACITY_START, this.#capacity * 2);
    for (const vector of this.#all) vector.grow(this.#capacity);
  }
}

/** At the top of the event, or in one object there. */
function heldFields({ held, heldTime }: ColumnPlan): Field[] {
  const ignoring = new IgnoringReader();
  const paths = [
    ...held.map((path) => ({ path, reader: ignoring })),
    ...(heldTime ? [{ path: heldTime, reader: new IgnoringTimeReader() }] : []),
  ];
  const groups = Map.groupBy(paths, ({ path }) => (path.length === 1 ? "" : path[0]!));
  return [...groups].flatMap(([name, group]): Field[] => {
    const fields = group.map(({ path, reader }) => ({ field: path.at(-1)!, reader }));
    return name === "" ? fields : [{ field: name, reader: new SectionReader(name, fields) }];
  });
}
