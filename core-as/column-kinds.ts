/** What the value at a node of a plan becomes in columns. */
import { columnKind, isQuoted } from "./plan";

export const NONE: u8 = 0;
/** An object inside of the record whose fields are columns of their own; the record itself. */
export const SECTION: u8 = 1;
export const STRUCT: u8 = 2;
export const LIST: u8 = 3;
/** The text of any value. */
export const JSON: u8 = 4;
export const STRING: u8 = 5;
export const LONG: u8 = 6;
export const DOUBLE: u8 = 7;
export const BOOLEAN: u8 = 8;
export const TIME: u8 = 9;
export const DATE: u8 = 10;
/** At most 18 digits. */
export const DECIMAL: u8 = 11;
export const WIDE_DECIMAL: u8 = 12;
/** A column by another way; of a time, what the column does not hold is kept nevertheless. */
export const IGNORED: u8 = 13;
export const IGNORED_TIME: u8 = 14;
/** Kept in `extra`. */
export const UNKNOWN: u8 = 15;

/** No column, but a check of its text's length alone, which mostly its bytes decide (check.ts). */
export const CHECKED_TEXT: u8 = 16;

/** Whether it is a column of its own, whose value is no container. */
export function isValue(node: usize): bool {
  const kind = columnKind(node);
  return kind >= JSON && kind <= WIDE_DECIMAL;
}

/** Whether the column takes a JSON number. */
export function isNumeric(node: usize): bool {
  const kind = columnKind(node);
  return kind == LONG || kind == DOUBLE || ((kind == DECIMAL || kind == WIDE_DECIMAL) && !isQuoted(node));
}
