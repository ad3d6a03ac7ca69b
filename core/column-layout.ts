/**
 * How a plan of columns lies in the kernel and in a Parquet file: its leaves, each with its levels (Dremel's, Melnik
 * et al., 2010), and the tree of JSON values that fill them. Lists are Parquet's three levels, every value is nullable.
 */
import { assert } from "./assert.ts";
import type { Column, ColumnPlan, ColumnType, PayloadColumn } from "./columns.ts";

export const LEAF_BOOLEAN = 0;
export const LEAF_INTEGER = 1;
export const LEAF_NARROW = 2;
export const LEAF_DOUBLE = 3;
export const LEAF_TEXT = 4;
export const LEAF_WIDE = 5;

/** Added to the length of a text that has JSON escapes. */
export const ESCAPED_TEXT = 0x8000_0000;

// Why a row has no values (core-as/columns.ts).
export const REJECTED_TYPE = 1;
export const REJECTED_INEXACT = 2;
export const REJECTED_RANGE = 3;
/** A string that is no plain decimal, no time, no date. */
export const REJECTED_MALFORMED = 4;

export interface LeafLayout {
  /** Names from the column inwards, as in the Parquet schema. */
  readonly path: readonly string[];
  readonly kind: number;
  /** Of the definition and repetition levels the highest. */
  readonly definition: number;
  readonly repetition: number;
  /** Bytes of a wide decimal; else 0. */
  readonly width: number;
  readonly type: ColumnType;
}

export interface ColumnLayout {
  /** [leaf] the first is the kernel's own, the second `extra`. */
  readonly leaves: readonly LeafLayout[];
  /** For the kernel's `createColumns`. */
  readonly description: Uint8Array<ArrayBuffer>;
  /** [leaf] of a column. */
  readonly leavesOf: ReadonlyMap<string, readonly number[]>;
}

// What a value becomes (core-as/columns.ts).
const SECTION = 1;
const STRUCT = 2;
const LIST = 3;
const IGNORED = 13;
const IGNORED_TIME = 14;
const UNKNOWN = 15;
const KINDS = {
  json: 4,
  string: 5,
  long: 6,
  double: 7,
  boolean: 8,
  timestamp: 9,
  date: 10,
  decimal: 11,
} as const;
const WIDE_DECIMAL = 12;

/** Digits that 32 and 64 bits hold. */
export const NARROW_PRECISION = 9;
export const LONG_PRECISION = 18;

interface Node {
  readonly kind: number;
  readonly type: ColumnType | undefined;
  readonly level: number;
  readonly repetition: number;
  readonly firstLeaf: number;
  readonly leafCount: number;
  readonly children: Map<string, Node>;
  readonly element: Node | undefined;
}

/** The fewest bytes whose two's complement holds `precision` nines. */
export function decimalBytes(precision: number): number {
  let bytes = 1;
  while (2n ** BigInt(8 * bytes - 1) < 10n ** BigInt(precision)) bytes++;
  return bytes;
}

/** @param paths of the scan: what they lead to that no column is for is kept in `extra` all the same */
export function layOutColumns(plan: ColumnPlan, paths: readonly (readonly string[])[]): ColumnLayout {
  return new Builder(plan).layOut(paths);
}

class Builder {
  readonly #plan: ColumnPlan;
  readonly #leaves: LeafLayout[] = [];
  readonly #leavesOf = new Map<string, number[]>();

  constructor(plan: ColumnPlan) {
    this.#plan = plan;
  }

  layOut(paths: readonly (readonly string[])[]): ColumnLayout {
    const { columns, envelope, beside, payload, body, held, heldTime } = this.#plan;
    this.#leaf({
      path: [],
      kind: LEAF_INTEGER,
      definition: 0,
      repetition: 0,
      width: 0,
      type: { kind: "long" },
    });
    const extra = columns.at(-1)!;
    this.#envelopeColumn(extra);
    for (const column of envelope) this.#envelopeColumn(column);
    const root = this.#section();
    for (const column of beside) root.children.set(column.field, this.#column(column));
    const inner = body[0] === undefined ? root : this.#section();
    for (const column of payload) inner.children.set(column.field, this.#column(column));
    if (body[0] !== undefined) root.children.set(body[0], inner);
    for (const path of held) ignore(root, path, IGNORED);
    if (heldTime) ignore(root, heldTime, IGNORED_TIME);
    for (const path of paths) keepUnknown(root, path);
    return { leaves: this.#leaves, leavesOf: this.#leavesOf, description: describe(this.#leaves, root) };
  }

  #leaf(leaf: LeafLayout): number {
    const [name] = leaf.path;
    const number = this.#leaves.push(leaf) - 1;
    if (name !== undefined) this.#leavesOf.set(name, [...(this.#leavesOf.get(name) ?? []), number]);
    return number;
  }

  #envelopeColumn({ name, type, nullable }: Column): void {
    this.#leaf({ path: [name], ...leafKind(type), definition: nullable ? 1 : 0, repetition: 0, type });
  }

  #section(): Node {
    return plain(SECTION);
  }

  #column({ name, type }: PayloadColumn): Node {
    return this.#node([name], type, 1, 0);
  }

  /** @param level definition level of a value that is there */
  #node(path: readonly string[], type: ColumnType, level: number, repetition: number): Node {
    const firstLeaf = this.#leaves.length;
    const children = new Map<string, Node>();
    let kind: number;
    let element: Node | undefined;
    let ownRepetition = repetition;
    if (type.kind === "struct") {
      kind = STRUCT;
      for (const field of type.fields)
        children.set(field.name, this.#node([...path, field.name], field.type, level + 1, repetition));
    } else if (type.kind === "list") {
      kind = LIST;
      ownRepetition = repetition + 1;
      element = this.#node([...path, "list", "element"], type.element, level + 2, ownRepetition);
    } else {
      assert(type.kind !== "binary", "JSON has no bytes: no payload column is binary");
      kind = type.kind === "decimal" && type.precision > LONG_PRECISION ? WIDE_DECIMAL : KINDS[type.kind];
      this.#leaf({ path, ...leafKind(type), definition: level, repetition, type });
    }
    const leafCount = this.#leaves.length - firstLeaf;
    return { kind, type, level, repetition: ownRepetition, firstLeaf, leafCount, children, element };
  }
}

function plain(kind: number): Node {
  return {
    kind,
    type: undefined,
    level: 0,
    repetition: 0,
    firstLeaf: 0,
    leafCount: 0,
    children: new Map(),
    element: undefined,
  };
}

/** A path that leads to what an envelope column holds. */
function ignore(root: Node, path: readonly string[], kind: number): void {
  let node = root;
  for (const key of path.slice(0, -1)) {
    const child = node.children.get(key) ?? plain(SECTION);
    node.children.set(key, child);
    node = child;
  }
  node.children.set(path.at(-1)!, plain(kind));
}

/** A path that leads to what no column is for. */
function keepUnknown(root: Node, path: readonly string[]): void {
  let node = root;
  for (const key of path) {
    if (node.kind !== SECTION && node.kind !== STRUCT) return;
    const child = node.children.get(key) ?? plain(UNKNOWN);
    node.children.set(key, child);
    node = child;
  }
}

/** Least and greatest JSON text help nobody; of values in lists, no reader asks. */
export function hasBounds({ type, repetition }: LeafLayout): boolean {
  return repetition === 0 && type.kind !== "json";
}

function leafKind(type: ColumnType): { kind: number; width: number } {
  switch (type.kind) {
    case "boolean":
      return { kind: LEAF_BOOLEAN, width: 0 };
    case "long":
    case "timestamp":
      return { kind: LEAF_INTEGER, width: 0 };
    case "date":
      return { kind: LEAF_NARROW, width: 0 };
    case "double":
      return { kind: LEAF_DOUBLE, width: 0 };
    case "decimal":
      if (type.precision <= NARROW_PRECISION) return { kind: LEAF_NARROW, width: 0 };
      if (type.precision <= LONG_PRECISION) return { kind: LEAF_INTEGER, width: 0 };
      return { kind: LEAF_WIDE, width: decimalBytes(type.precision) };
    default:
      return { kind: LEAF_TEXT, width: 0 };
  }
}

/** The description that core-as/columns.ts reads. */
function describe(leaves: readonly LeafLayout[], root: Node): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  const short = (value: number): void => void bytes.push(value & 0xff, value >> 8);
  let nodes = 0;
  const add = ({ kind, type, level, repetition, firstLeaf, leafCount, children, element }: Node): void => {
    nodes++;
    const decimal = type?.kind === "decimal" ? type : undefined;
    bytes.push(
      kind,
      decimal?.precision ?? 0,
      decimal?.scale ?? 0,
      decimal?.quoted ? 1 : 0,
      level,
      repetition,
    );
    short(firstLeaf);
    short(leafCount);
    short(children.size);
    if (element) add(element);
    for (const [key, child] of children) {
      const text = encoder.encode(key);
      short(text.length);
      for (const byte of text) bytes.push(byte);
      add(child);
    }
  };
  for (const leaf of leaves)
    bytes.push(leaf.kind, leaf.definition, leaf.repetition, leaf.width, hasBounds(leaf) ? 1 : 0, 0, 0, 0);
  add(root);
  const words = new Uint32Array([nodes, leaves.length]);
  return Uint8Array.from([...new Uint8Array(words.buffer), ...bytes]);
}
