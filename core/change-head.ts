/**
 * What stands before the row in a change's bytes (core/change.ts), read without parsing them: for those who must know
 * of many changes where they belong and little else.
 *
 * Surprising rule: text that a source may choose (shard, names) stands before some of it, but always within quotes,
 * where a quote is escaped; so a name with its quotes and colon is only ever found where it is meant.
 */
import { assert } from "./assert.ts";
import { CHANGE_KINDS, type ChangeKind } from "./change.ts";

export interface ChangeHead {
  readonly xid: number;
  readonly kind: ChangeKind;
  /** Columns are absent that the change has left alone. */
  readonly isPartial: boolean;
}

/** Where every change's id begins. */
const ID_AT = '{"metadata":{"eid":"'.length;
const XID = asciiBytes('"xid":');
const KIND = asciiBytes(',"change":"');
const PARTIAL = asciiBytes(',"unchanged":[');
const QUOTE = 0x22;
const [ZERO, NINE, SMALL_A] = [0x30, 0x39, 0x61];
const KINDS: readonly (readonly [ChangeKind, Uint8Array])[] = CHANGE_KINDS.map((kind) => [
  kind,
  asciiBytes(kind),
]);

/** Where the change belongs in the source's log; the first 64 bits of its id, without what says that it is one. */
export function changeLsn(payload: Uint8Array): bigint {
  const digits = (from: number, count: number): number => {
    let value = 0;
    for (let i = from; i < from + count; i++) value = value * 16 + hexDigit(payload[ID_AT + i]!);
    return value;
  };
  // xxxxxxxx-xxxx-8yyy-[89ab]z..: x 48 bits, y the next 12, of the variant's four digits two bits and z's first two.
  const high = BigInt(digits(0, 8)) * 65_536n + BigInt(digits(9, 4));
  const low = (digits(19, 2) >> 2) & 0xf;
  return high * 65_536n + BigInt(digits(15, 3)) * 16n + BigInt(low);
}

/** Of a change that is no copy. */
export function changeHead(payload: Uint8Array): ChangeHead {
  let at = find(payload, XID, ID_AT);
  assert(at >= 0, "a change without xid");
  at += XID.length;
  let xid = 0;
  for (; payload[at]! >= ZERO && payload[at]! <= NINE; at++) xid = xid * 10 + payload[at]! - ZERO;
  assert(isAt(payload, KIND, at), "a change without kind");
  at += KIND.length;
  const kind = KINDS.find(([, name]) => isAt(payload, name, at) && payload[at + name.length] === QUOTE);
  assert(kind !== undefined, "a change of no known kind");
  return { xid, kind: kind[0], isPartial: isAt(payload, PARTIAL, at + kind[1].length + 1) };
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function isAt(bytes: Uint8Array, wanted: Uint8Array, at: number): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

function find(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(wanted[0]!, from); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1))
    if (isAt(bytes, wanted, at)) return at;
  return -1;
}

function hexDigit(letter: number): number {
  const digit = letter <= NINE ? letter - ZERO : letter - SMALL_A + 10;
  assert(digit >= 0 && digit < 16, "a change's id is made of hexadecimal digits");
  return digit;
}
