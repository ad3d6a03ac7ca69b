/** A relation and what becomes of its changes, made ready: names as bytes, places of keys, beginnings of events. */
import { assert } from "../../core/assert.ts";
import { BESIDE_SUFFIX, CHANGE_KINDS, type ChangeKind } from "../../core/change.ts";
import type { SourceBinding, SourceField, SourceRelation } from "../../core/ports/source.ts";
import { type Phrase, phraseOf, SPARE_BYTES } from "./byte-buffer.ts";
import { ChangeHead, type ChangeOrigin } from "./change-head.ts";

const encoder = new TextEncoder();
/** Of an index in a transaction (core/change.ts). */
const INDEX_DIGITS_MAX = 10;
/** Of a field; escaped, with quotes, it is within what a buffer keeps spare. PostgreSQL's own names have 63 bytes. */
const NAME_LENGTH_MAX = Math.floor((SPARE_BYTES - 8) / 6);

export class BoundRelation {
  readonly relation: SourceRelation;
  readonly fields: readonly (SourceField | null)[];
  /** Per column `"name":`; empty where it is left out. */
  readonly firsts: readonly Phrase[];
  /** The same with a comma before it. */
  readonly names: readonly Phrase[];
  /** The same of what goes beside. */
  readonly besides: readonly Phrase[];
  /** Per column `"name"`. */
  readonly quoted: readonly Uint8Array[];
  readonly key: readonly number[];
  /** Per column 1 where it is in `key`. */
  readonly isKey: Uint8Array;
  /** Per column 1 where it is known of a row that was. */
  readonly isIdentity: Uint8Array;
  /** What a record's key begins with: `[` or `["shop1",`. */
  readonly keyHead: Phrase;
  readonly header: Uint8Array;
  readonly slot: number;
  readonly #origin: ChangeOrigin;
  readonly #heads = new Map<ChangeKind, ChangeHead[]>(CHANGE_KINDS.map((kind) => [kind, []]));

  /** @param slot of the binding's stream and partition in the batches */
  constructor(origin: ChangeOrigin, relation: SourceRelation, binding: SourceBinding, slot: number) {
    const { fields, key, keyScope } = binding;
    const { columns, identity, schema, name } = relation;
    const place = `${schema}.${name}`;
    assert(fields.length === columns.length, `${place} has ${columns.length} columns, not ${fields.length}`);
    for (const field of fields)
      assert((field?.name.length ?? 0) <= NAME_LENGTH_MAX, `a field of ${place} has too long a name`);
    for (const i of key) {
      assert(fields[i] != null, `the key of ${place} has a column that is left out`);
      assert(
        identity === "full" || columns[i]!.isKey,
        `"${columns[i]!.name}" of ${place} is not known of a row that was`,
      );
    }
    this.#origin = origin;
    this.relation = relation;
    this.fields = fields;
    this.key = key;
    this.slot = slot;
    const phrases = (before: string, suffix = ""): Phrase[] =>
      fields.map((field) => phraseOf(field ? `${before}${JSON.stringify(field.name + suffix)}:` : ""));
    this.firsts = phrases("");
    this.names = phrases(",");
    this.besides = phrases(",", BESIDE_SUFFIX);
    this.quoted = fields.map((field) => encoder.encode(field ? JSON.stringify(field.name) : ""));
    this.isKey = Uint8Array.from(columns, (_, i) => (key.includes(i) ? 1 : 0));
    this.isIdentity = Uint8Array.from(columns, (column) => (column.isKey ? 1 : 0));
    this.keyHead = phraseOf(keyScope === null ? "[" : `[${JSON.stringify(keyScope)},`);
    this.header = encoder.encode(binding.header);
  }

  head(kind: ChangeKind, index: number): ChangeHead {
    let digits = 1;
    for (let power = 10; index >= power && digits < INDEX_DIGITS_MAX; power *= 10) digits++;
    const heads = this.#heads.get(kind)!;
    const { schema, name } = this.relation;
    return (heads[digits] ??= new ChangeHead(this.#origin, `${schema}.${name}`, kind, digits));
  }
}
