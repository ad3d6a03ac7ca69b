/** Writes changes as events (core/change.ts) into a batch. Used for what is decoded and for what is copied alike. */
import { assert } from "../../core/assert.ts";
import { type ChangeKind, INDEX_MAX } from "../../core/change.ts";
import type { BatchBuilder } from "./batch-builder.ts";
import type { BoundRelation } from "./bound-relation.ts";
import { type ByteBuffer, phraseOf } from "./byte-buffer.ts";
import type { Transaction } from "./transaction.ts";
import { NULL, TEXT, type Tuple, UNCHANGED } from "./tuple.ts";
import { writeText } from "./text-value.ts";
import { writeValue } from "./value.ts";

const NULL_TEXT = phraseOf("null");
const DATA = phraseOf('},"data":{');
const BEFORE = phraseOf('},"before":{');
const UNCHANGED_LIST = phraseOf(',"unchanged":[');
const COMMA = 0x2c;
const CLOSE = 0x7d;
const CLOSE_LIST = 0x5d;

/** A row that was, and which of its columns are known: null for all. */
export interface Before {
  readonly tuple: Tuple;
  readonly only: Uint8Array | null;
}

export class ChangeWriter {
  readonly #batch: BatchBuilder;
  readonly transaction: Transaction;

  constructor(batch: BatchBuilder, transaction: Transaction) {
    this.#batch = batch;
    this.transaction = transaction;
  }

  /**
   * Writes one event.
   * @param tuple its row; undefined: it has none (a truncate)
   * @param only columns that are in `data`, as 1; null: all
   */
  write(
    bound: BoundRelation,
    kind: ChangeKind,
    index: number,
    tuple: Tuple | undefined,
    only: Uint8Array | null,
    before: Before | null,
  ): void {
    assert(index <= INDEX_MAX, "more changes in a transaction than an id can tell apart");
    const arena = this.#batch.arena(bound.slot);
    const { out } = arena;
    const start = out.length;
    out.put(bound.head(kind, index).of(this.transaction, index));
    if (tuple?.hasUnchanged && only === null) writeUnchanged(out, bound, tuple);
    if (before) {
      out.say(BEFORE);
      writeFields(out, bound, before.tuple, before.only);
    }
    out.say(DATA);
    if (tuple) writeFields(out, bound, tuple, only);
    out.reserve(2);
    out.bytes[out.length++] = CLOSE;
    out.bytes[out.length++] = CLOSE;
    const keyAt = out.length;
    const hasKey = tuple !== undefined && bound.key.length > 0;
    if (hasKey) writeKey(out, bound, tuple);
    arena.add(start, keyAt, hasKey, bound.header);
    this.#batch.bytes += out.length - start;
    this.#batch.changes++;
    this.#batch.total++;
  }
}

function writeFields(out: ByteBuffer, bound: BoundRelation, tuple: Tuple, only: Uint8Array | null): void {
  const { fields } = bound;
  const { kinds, starts, ends } = tuple;
  let names = bound.firsts;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i];
    const kind = kinds[i];
    if (!field || kind === UNCHANGED || (only !== null && only[i] === 0)) continue;
    out.say(names[i]!);
    names = bound.names;
    if (kind === NULL) out.say(NULL_TEXT);
    else if (!writeValue(out, field, tuple, starts[i]!, ends[i]!)) {
      out.say(NULL_TEXT);
      out.say(bound.besides[i]!);
      writeText(out, tuple, starts[i]!, ends[i]!);
    }
  }
}

function writeUnchanged(out: ByteBuffer, bound: BoundRelation, tuple: Tuple): void {
  let isFirst = true;
  for (let i = 0; i < bound.fields.length; i++) {
    if (tuple.kinds[i] !== UNCHANGED || !bound.fields[i]) continue;
    if (isFirst) out.say(UNCHANGED_LIST);
    else writeByte(out, COMMA);
    isFirst = false;
    out.put(bound.quoted[i]!);
  }
  if (!isFirst) writeByte(out, CLOSE_LIST);
}

/** A value that its form cannot hold is its text here: keys that differ stay different. */
function writeKey(out: ByteBuffer, bound: BoundRelation, tuple: Tuple): void {
  const { key, fields, keyHead } = bound;
  const { kinds, starts, ends } = tuple;
  out.say(keyHead);
  for (let k = 0; k < key.length; k++) {
    const i = key[k]!;
    if (k > 0) writeByte(out, COMMA);
    if (kinds[i] !== TEXT) out.say(NULL_TEXT);
    else if (!writeValue(out, fields[i]!, tuple, starts[i]!, ends[i]!))
      writeText(out, tuple, starts[i]!, ends[i]!);
  }
  writeByte(out, CLOSE_LIST);
}

function writeByte(out: ByteBuffer, byte: number): void {
  out.reserve(1);
  out.bytes[out.length++] = byte;
}
