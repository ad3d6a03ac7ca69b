/**
 * A change: one row-level insert, update or delete of a captured table, as the event that it becomes. Decoders write
 * it (adapters/pg), landing reads it, current states, deliveries and reconciliation depend on its form (decision 039):
 *
 *   {"metadata":{"eid":"…","occurred_at":"2026-11-22T13:45:00.123456Z"},"data_op":"U","data_type":"public.accounts",
 *    "source":{"shard":"shop1","incarnation":7,"lsn":26707016,"index":3,"xid":987,"change":"update",
 *              "unchanged":["bio"]},
 *    "before":{…},"data":{"id":42,"balance":"12.50"}}
 *
 * - `data`: the new row; of a delete what is known of its key, of a truncate {}.
 * - `before`: the row that was, all of it, where the replica identity is full; after a change of the key, on the
 *   `create` that follows the `delete`, at least the old key, so that `unchanged` columns can be found. Else absent.
 * - `source.unchanged`: names in `data` of columns that the change has left alone and that the source did not send;
 *   they are absent from `data`. Absent where there are none.
 * - within a shard, (incarnation, lsn, index) orders all changes. lsn is where the record of the transaction's commit
 *   begins in the source's log: known before the first change is sent, while its end is only known after the last.
 *   index grows within a transaction, with gaps (every update takes two, for it may become a delete and a create).
 *   All changes of one table of one shard are in one partition, in that order. Copied rows have places between them
 *   (core/copy-place.ts), and 0 as xid.
 * - a value that its column or an event cannot hold (NaN, infinity, a date before Christ, an array with other bounds,
 *   JSON with a key twice in an object or nested beyond 60) is null in its column, and `NAME__text` beside it has the
 *   text as the source shows it.
 * - the record's key is a JSON array of the key's values as they stand in `data`, the shard first unless keys are
 *   global: ["shop1",42]; of a value that stands beside, its text. Without a key in the source there is none.
 */
import { assert } from "./assert.ts";

export const CHANGE_KINDS = ["create", "update", "delete", "copy", "truncate"] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** `data_op` of each kind, as Nakadi has them. */
export const DATA_OPS: Readonly<Record<ChangeKind, "C" | "U" | "D" | "S">> = {
  create: "C",
  update: "U",
  delete: "D",
  copy: "S",
  truncate: "D",
};

/** Annotation of an event type that a capture feeds: its value is "on". */
export const CAPTURED_ANNOTATION = "muara/captured";
/** Stands behind a column's name where its value went beside. */
export const BESIDE_SUFFIX = "__text";

/** An incarnation is a number that no other slot of this Muara has ever had. */
export const INCARNATION_MAX = 2 ** 28 - 1;
/** Changes of one transaction. */
export const INDEX_MAX = 2 ** 30 - 1;

/** Of a change: unique among the changes of all captures, of a copied row within its table; always the same. */
export interface ChangePlace {
  readonly incarnation: number;
  readonly lsn: bigint;
  readonly index: number;
}

/**
 * The id of a change: a UUID of version 8 (RFC 9562) that holds 64 bits of lsn, 28 of incarnation and 30 of index.
 * @returns as text, lower case
 */
export function changeId({ incarnation, lsn, index }: ChangePlace): string {
  assert(incarnation >= 0 && incarnation <= INCARNATION_MAX, `incarnation ${incarnation}`);
  assert(index >= 0 && index <= INDEX_MAX, `index ${index}`);
  const high = ((lsn >> 16n) << 16n) | 0x8000n | ((lsn >> 4n) & 0xfffn);
  const low = (2n << 62n) | ((lsn & 0xfn) << 58n) | (BigInt(incarnation) << 30n) | BigInt(index);
  const text = high.toString(16).padStart(16, "0") + low.toString(16).padStart(16, "0");
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

/** @returns undefined where the text is no id of a change */
export function changePlace(id: string): ChangePlace | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)) return undefined;
  const bits = BigInt(`0x${id.replaceAll("-", "")}`);
  const low = bits & 0xffff_ffff_ffff_ffffn;
  const high = bits >> 64n;
  return {
    lsn: ((high >> 16n) << 16n) | ((high & 0xfffn) << 4n) | ((low >> 58n) & 0xfn),
    incarnation: Number((low >> 30n) & 0xfff_ffffn),
    index: Number(low & 0x3fff_ffffn),
  };
}
