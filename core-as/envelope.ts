/**
 * Columns that do not come from a record's payload alone: captured fields, the keys of records, and numbers that the
 * host knows. They are filled for the rows of the scan that was the last.
 *
 * A text that is absent has the address 0, whatever its column's levels say: the host asks for texts of records that
 * have no row, too.
 */
import { beginInput, definitionsOf, keepText, maxDefinition, slotsOf, storeText, textRoom } from "./leaf";
import { LENGTHS_COLUMN, SCOPE, STARTS_COLUMN, TYPES_COLUMN, columnOf, fieldAt, verdictsOf } from "./plan";
import { TYPE_ABSENT, TYPE_ESCAPED, TYPE_NULL, TYPE_STRING } from "./fields";
import { SCOPE_ROOM, joinScope, joinedAt, joinedLength } from "./scope";
import { OK } from "./verdict";

/** Of a record in the index of a batch: where its key is, and how long; the length of none. */
const KEY_AT: usize = 8;
const KEY_LENGTH: usize = 12;
const NO_KEY: u32 = 0xffffffff;

// What `takeKeys` answers.
const KEYS_ASCII: u32 = 0;
const KEYS_WIDE: u32 = 1;
const KEYS_NO_MEMORY: u32 = 2;

function putNothing(leaf: usize, row: usize): void {
  store<u8>(definitionsOf(leaf) + row, 0);
  store<u64>(slotsOf(leaf) + (row << 3), 0);
}

/**
 * The text at path `place` of each of `count` scanned records: of a string what it says, of another value its JSON,
 * none of null. Of an id with a scope, both together (scope.ts).
 * @param bytes what was scanned
 * @param first the row of the first record
 * @returns false when there is no memory
 */
export function takeField(
  plan: usize,
  place: u32,
  leaf: usize,
  bytes: usize,
  first: usize,
  count: usize,
): bool {
  const field = fieldAt(plan, place);
  const types = columnOf(field, TYPES_COLUMN);
  const starts = columnOf(field, STARTS_COLUMN);
  const lengths = columnOf(field, LENGTHS_COLUMN);
  const verdicts = verdictsOf(plan);
  const scope: u32 = load<u8>(field, SCOPE);
  beginInput();
  if (scope) return takeScoped(leaf, field, fieldAt(plan, scope - 1), bytes, verdicts, first, count);
  for (let i: usize = 0; i < count; i++) {
    const type: u8 = load<u8>(types + i);
    if (type == TYPE_ABSENT || type == TYPE_NULL) {
      putNothing(leaf, first + i);
      continue;
    }
    const isEscaped = type == TYPE_ESCAPED && load<u8>(verdicts + i) == OK;
    const slot = slotsOf(leaf) + ((first + i) << 3);
    store<u8>(definitionsOf(leaf) + first + i, maxDefinition(leaf));
    const start = bytes + load<u32>(starts + (i << 2));
    if (!storeText(leaf, slot, isEscaped, start, load<u32>(lengths + (i << 2)))) return false;
  }
  return true;
}

/** Records that cannot be read, and those where the id or its scope is no text, have none. */
function takeScoped(
  leaf: usize,
  field: usize,
  scope: usize,
  bytes: usize,
  verdicts: usize,
  first: usize,
  count: usize,
): bool {
  for (let i: usize = 0; i < count; i++) {
    const type: u8 = load<u8>(columnOf(field, TYPES_COLUMN) + i);
    const scopeType: u8 = load<u8>(columnOf(scope, TYPES_COLUMN) + i);
    const isJoined = isText(type) && isText(scopeType) && load<u8>(verdicts + i) == OK;
    if (!isJoined) {
      putNothing(leaf, first + i);
      continue;
    }
    const length: usize = load<u32>(columnOf(field, LENGTHS_COLUMN) + (i << 2));
    const scopeLength: usize = load<u32>(columnOf(scope, LENGTHS_COLUMN) + (i << 2));
    const room = textRoom(leaf, SCOPE_ROOM + scopeLength + length);
    if (room == 0) return false;
    const id = bytes + load<u32>(columnOf(field, STARTS_COLUMN) + (i << 2));
    const scopeAt = bytes + load<u32>(columnOf(scope, STARTS_COLUMN) + (i << 2));
    joinScope(room, scopeAt, scopeLength, scopeType == TYPE_ESCAPED, id, length, type == TYPE_ESCAPED);
    store<u8>(definitionsOf(leaf) + first + i, maxDefinition(leaf));
    keepText(leaf, slotsOf(leaf) + ((first + i) << 3), joinedAt, joinedLength);
  }
  return true;
}

function isText(type: u8): bool {
  return type == TYPE_STRING || type == TYPE_ESCAPED;
}

/**
 * The keys of `count` records.
 * @param index of the batch, `stride` bytes a record
 * @returns KEYS_ASCII, KEYS_WIDE where some byte is no ASCII: then it may be no UTF-8, and the host looks at the keys;
 *   KEYS_NO_MEMORY
 */
export function takeKeys(
  leaf: usize,
  bytes: usize,
  length: usize,
  index: usize,
  stride: usize,
  first: usize,
  count: usize,
): u32 {
  let bits: u8 = 0;
  beginInput();
  for (let i: usize = 0; i < count; i++) {
    const size: u32 = load<u32>(index + i * stride, KEY_LENGTH);
    const at: usize = load<u32>(index + i * stride, KEY_AT);
    if (size == NO_KEY || <u64>at + size > <u64>length) {
      putNothing(leaf, first + i);
      continue;
    }
    store<u8>(definitionsOf(leaf) + first + i, maxDefinition(leaf));
    if (!storeText(leaf, slotsOf(leaf) + ((first + i) << 3), false, bytes + at, size)) return KEYS_NO_MEMORY;
    for (let j: usize = 0; j < size; j++) bits |= load<u8>(bytes + at + j);
  }
  return bits > 127 ? KEYS_WIDE : KEYS_ASCII;
}

/** One value, or none, for `count` rows. */
export function fillLong(leaf: usize, first: usize, count: usize, value: i64, isThere: bool): void {
  memory.fill(definitionsOf(leaf) + first, isThere ? maxDefinition(leaf) : 0, count);
  const slots = slotsOf(leaf) + (first << 3);
  for (let i: usize = 0; i < count; i++) store<i64>(slots + (i << 3), value);
}

/** Whole numbers [count], each times `factor`: products below 2^53 are exact. */
export function fillDoubles(leaf: usize, first: usize, count: usize, values: usize, factor: f64): void {
  memory.fill(definitionsOf(leaf) + first, maxDefinition(leaf), count);
  const slots = slotsOf(leaf) + (first << 3);
  for (let i: usize = 0; i < count; i++)
    store<i64>(slots + (i << 3), <i64>(load<f64>(values + (i << 3)) * factor));
}
