/** The columns of the lines that `encoder.ts` encodes, as every side declares them in its own words. */
import type { ColumnType } from "../core/columns.ts";

export type Field = readonly [string, ColumnType["kind"]];

export const ENVELOPE: readonly Field[] = [
  ["eid", "string"],
  ["event_type", "string"],
  ["occurred_at", "timestamp"],
  ["received_at", "timestamp"],
  ["partition", "long"],
  ["offset", "long"],
  ["key", "string"],
];
/** Of the payload of `typed`, which has an object `customer` of `CUSTOMER` as well. */
export const TYPED: readonly Field[] = [
  ["order_id", "string"],
  ["amount", "double"],
  ["currency", "string"],
  ["note", "string"],
  ["paid", "boolean"],
  ["shipped_at", "timestamp"],
  ["weight", "double"],
  ["score", "double"],
  ["qty", "long"],
  ["ref", "long"],
];
export const CUSTOMER: readonly Field[] = [
  ["id", "long"],
  ["name", "string"],
];
