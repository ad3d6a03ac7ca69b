/**
 * Readers of objects and arrays. Keys are recognised by prediction: after this key came that one last time
 * (simdjson's "on-demand" field order and our kernel use the same idea); a wrong guess costs one look-up.
 *
 * Surprising rule: structs become plain objects in which every field is an own property from the start, so
 * that a field named `__proto__` or `constructor` is a field like any other.
 */
import { assert } from "../../../core/assert.ts";
import { pointerStep, unescapeString } from "./json-text.ts";
import type { ValueReader } from "./value-reader.ts";
import { FAILED, type Scanner } from "./scanner.ts";
import { ValueVector } from "./vector.ts";

/** Unknown keys remembered per object; more (an object used as a map) are looked up each time. */
const ENTRIES_MAX = 4_096;

export interface Field {
  readonly field: string;
  readonly reader: ValueReader;
}

/** A key as it was seen in the text. */
interface Entry {
  /** With quotes and escapes. */
  readonly raw: string;
  readonly name: string;
  /** Undefined: not in the plan. */
  readonly reader: ValueReader | undefined;
  /** The key that followed last time. */
  next: Entry | undefined;
}

type Struct = Record<string, unknown>;

/** Reads an object whose fields go to vectors: the event, its body, its metadata. */
export class FieldsReader {
  readonly #readers = new Map<string, ValueReader>();
  /** By raw key. */
  readonly #entries = new Map<string, Entry>();
  #first: Entry | undefined;

  constructor(fields: readonly Field[]) {
    for (const { field, reader } of fields) this.#readers.set(field, reader);
  }

  /**
   * Reads the object at `i` into row `slot`, or into `struct` where one is given.
   * @returns behind the object, or FAILED
   */
  read(scanner: Scanner, i: number, slot: number, struct: Struct | undefined): number {
    const { text } = scanner;
    i = scanner.skipSpace(i + 1);
    if (text.charCodeAt(i) === 125) return i + 1;
    let previous: Entry | undefined;
    let entry = this.#first;
    for (;;) {
      if (entry === undefined || !startsWith(text, entry.raw, i)) {
        entry = this.#find(scanner, i);
        if (previous === undefined) this.#first = entry;
        else previous.next = entry;
      }
      i = scanner.skipSpace(i + entry.raw.length);
      assert(text.charCodeAt(i) === 58, "the decoder was given malformed JSON");
      i = this.#readValue(scanner, scanner.skipSpace(i + 1), slot, struct, entry);
      if (i < 0) return i;
      i = scanner.skipSpace(i);
      const delimiter = text.charCodeAt(i);
      if (delimiter === 125) return i + 1;
      assert(delimiter === 44, "the decoder was given malformed JSON");
      i = scanner.skipSpace(i + 1);
      previous = entry;
      entry = entry.next;
    }
  }

  #readValue(scanner: Scanner, i: number, slot: number, struct: Struct | undefined, entry: Entry): number {
    const { reader } = entry;
    if (reader === undefined) {
      const end = scanner.endOfValue(i);
      scanner.extra.add(entry.raw, scanner.text.slice(i, end));
      return end;
    }
    if (scanner.text.charCodeAt(i) === 110) return i + 4; // null
    const isNested = reader instanceof StructReader || reader instanceof ListReader;
    if (isNested) scanner.extra.enter(entry.raw);
    let end: number;
    if (struct === undefined) end = reader.store(scanner, i, slot);
    else {
      end = reader.value(scanner, i);
      struct[entry.name] = scanner.result;
    }
    if (end < 0) {
      scanner.pointer = pointerStep(entry.name) + scanner.pointer;
      return FAILED;
    }
    if (isNested) scanner.extra.leave();
    else if (scanner.isCut) {
      scanner.isCut = false;
      scanner.extra.add(entry.raw, scanner.text.slice(i, end));
    }
    return end;
  }

  #find(scanner: Scanner, i: number): Entry {
    const end = scanner.endOfString(i + 1);
    const raw = scanner.text.slice(i, end + 1);
    // Remembering anything else would spoil the events that follow.
    assert(
      raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"'),
      "the decoder was given malformed JSON",
    );
    const known = this.#entries.get(raw);
    if (known) return known;
    const name = unescapeString(raw, 1, raw.length - 1);
    const entry: Entry = { raw, name, reader: this.#readers.get(name), next: undefined };
    if (this.#entries.size < ENTRIES_MAX) this.#entries.set(raw, entry);
    return entry;
  }
}

/** An object inside the event whose fields go to vectors of their own. */
export class SectionReader implements ValueReader {
  readonly vector = undefined;
  readonly #fields: FieldsReader;
  readonly #name: string;

  constructor(name: string, fields: readonly Field[]) {
    this.#name = name;
    this.#fields = new FieldsReader(fields);
  }

  store(scanner: Scanner, i: number, slot: number): number {
    if (scanner.text.charCodeAt(i) !== 123) return scanner.mismatch(i, "an object");
    scanner.extra.enter(`"${this.#name}"`);
    const end = this.#fields.read(scanner, i, slot, undefined);
    if (end >= 0) scanner.extra.leave();
    return end;
  }

  value(): number {
    return (assert(false, "a section is no value"), FAILED);
  }
}

export class StructReader implements ValueReader {
  readonly vector: ValueVector<Struct> = new ValueVector();
  readonly #fields: FieldsReader;
  /** All fields NULL; copied for each struct. */
  readonly #empty: Struct = {};

  constructor(fields: readonly Field[]) {
    this.#fields = new FieldsReader(fields);
    for (const { field } of fields)
      Object.defineProperty(this.#empty, field, {
        value: null,
        enumerable: true,
        writable: true,
        configurable: true,
      });
  }

  store(scanner: Scanner, i: number, slot: number): number {
    const struct = { ...this.#empty };
    const end = this.#read(scanner, i, struct);
    if (end >= 0) this.vector.set(slot, struct);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const struct = { ...this.#empty };
    const end = this.#read(scanner, i, struct);
    scanner.result = struct;
    return end;
  }

  #read(scanner: Scanner, i: number, struct: Struct): number {
    if (scanner.text.charCodeAt(i) !== 123) return scanner.mismatch(i, "an object");
    return this.#fields.read(scanner, i, 0, struct);
  }
}

export class ListReader implements ValueReader {
  readonly vector: ValueVector<unknown[]> = new ValueVector();
  readonly #element: ValueReader;
  readonly #isNested: boolean;

  constructor(element: ValueReader) {
    this.#element = element;
    this.#isNested = element instanceof StructReader || element instanceof ListReader;
  }

  store(scanner: Scanner, i: number, slot: number): number {
    const list: unknown[] = [];
    const end = this.#read(scanner, i, list);
    if (end >= 0) this.vector.set(slot, list);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const list: unknown[] = [];
    const end = this.#read(scanner, i, list);
    scanner.result = list;
    return end;
  }

  #read(scanner: Scanner, i: number, list: unknown[]): number {
    const { text } = scanner;
    if (text.charCodeAt(i) !== 91) return scanner.mismatch(i, "an array");
    i = scanner.skipSpace(i + 1);
    if (text.charCodeAt(i) === 93) return i + 1;
    for (;;) {
      i = this.#readElement(scanner, i, list);
      if (i < 0) return i;
      i = scanner.skipSpace(i);
      const delimiter = text.charCodeAt(i);
      if (delimiter === 93) return i + 1;
      assert(delimiter === 44, "the decoder was given malformed JSON");
      i = scanner.skipSpace(i + 1);
    }
  }

  #readElement(scanner: Scanner, i: number, list: unknown[]): number {
    if (scanner.text.charCodeAt(i) === 110) {
      list.push(null);
      return i + 4;
    }
    const index = list.length;
    if (this.#isNested) scanner.extra.enter(index);
    const end = this.#element.value(scanner, i);
    if (end < 0) {
      scanner.pointer = pointerStep(index) + scanner.pointer;
      return FAILED;
    }
    list.push(scanner.result);
    if (this.#isNested) scanner.extra.leave();
    else if (scanner.isCut) {
      scanner.isCut = false;
      scanner.extra.add(index, scanner.text.slice(i, end));
    }
    return end;
  }
}

/** As `String.startsWith`, which costs a call into the runtime. */
function startsWith(text: string, part: string, i: number): boolean {
  for (let k = 0; k < part.length; k++) if (text.charCodeAt(i + k) !== part.charCodeAt(k)) return false;
  return true;
}
