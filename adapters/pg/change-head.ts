/**
 * What stands in an event before its values: `{"metadata":…,"change":"update"`. Of one relation, kind of change and
 * count of digits of the index it always has the same form, so it is kept, and only what differs is written into it.
 */
import { type ChangeKind, DATA_OPS } from "../../core/change.ts";
import { TIME_LENGTH, type Transaction } from "./transaction.ts";

const HEX = new TextEncoder().encode("0123456789abcdef");
const EID = "00000000-0000-8000-8000-000000000000";
/** Places of the digits in an id, dashes left out, from the last. */
const EID_PLACES = Uint8Array.from(Array.from(EID).flatMap((letter, i) => (letter === "-" ? [] : [i])));
const encoder = new TextEncoder();

/** Of everything that a capture's changes have in common. */
export interface ChangeOrigin {
  readonly shard: string;
  readonly incarnation: number;
}

export class ChangeHead {
  readonly #origin: ChangeOrigin;
  readonly #kind: ChangeKind;
  readonly #dataType: string;
  readonly #indexDigits: number;
  bytes: Uint8Array = new Uint8Array(0);
  #serial = -1;
  #eidAt = 0;
  #timeAt = 0;
  #lsnAt = 0;
  #indexAt = 0;
  #xidAt = 0;
  #lsnDigits = 0;
  #xidDigits = 0;

  constructor(origin: ChangeOrigin, dataType: string, kind: ChangeKind, indexDigits: number) {
    this.#origin = origin;
    this.#dataType = dataType;
    this.#kind = kind;
    this.#indexDigits = indexDigits;
  }

  /** @param index with as many digits as this head has. @returns valid until it is asked for again */
  of(transaction: Transaction, index: number): Uint8Array {
    if (transaction.serial !== this.#serial) this.#enter(transaction);
    const { bytes } = this;
    // The low 32 bits of the id: two of the incarnation, 30 of the index.
    hex(bytes, this.#eidAt, 24, ((this.#origin.incarnation << 30) | index) >>> 0);
    let left = index;
    for (let at = this.#indexAt + this.#indexDigits - 1; at >= this.#indexAt; at--) {
      const tenth = (left / 10) | 0;
      bytes[at] = 0x30 + left - tenth * 10;
      left = tenth;
    }
    return bytes;
  }

  #enter(transaction: Transaction): void {
    const { lsnText, xidText, timeText, lsnHigh, lsnLow } = transaction;
    if (lsnText.length !== this.#lsnDigits || xidText.length !== this.#xidDigits)
      this.#build(lsnText.length, xidText.length);
    const { bytes } = this;
    const { incarnation } = this.#origin;
    hex(bytes, this.#eidAt, 0, lsnHigh);
    hex(bytes, this.#eidAt, 8, ((lsnLow & 0xffff_0000) | 0x8000 | ((lsnLow >>> 4) & 0xfff)) >>> 0);
    hex(bytes, this.#eidAt, 16, (0x8000_0000 | ((lsnLow & 0xf) << 26) | (incarnation >>> 2)) >>> 0);
    for (let i = 0; i < TIME_LENGTH; i++) bytes[this.#timeAt + i] = timeText[i]!;
    for (let i = 0; i < lsnText.length; i++) bytes[this.#lsnAt + i] = lsnText[i]!;
    for (let i = 0; i < xidText.length; i++) bytes[this.#xidAt + i] = xidText[i]!;
    this.#serial = transaction.serial;
  }

  #build(lsnDigits: number, xidDigits: number): void {
    const { shard, incarnation } = this.#origin;
    const kind = this.#kind;
    let length = 0;
    const parts: Uint8Array[] = [];
    /** @returns where it stands */
    const add = (text: string): number => {
      const part = encoder.encode(text);
      parts.push(part);
      length += part.length;
      return length - part.length;
    };
    add('{"metadata":{"eid":"');
    this.#eidAt = add(EID);
    add('","occurred_at":"');
    this.#timeAt = add("0".repeat(TIME_LENGTH));
    add(`"},"data_op":"${DATA_OPS[kind]}","data_type":${JSON.stringify(this.#dataType)},"source":{`);
    add(`"shard":${JSON.stringify(shard)},"incarnation":${incarnation},"lsn":`);
    this.#lsnAt = add("0".repeat(lsnDigits));
    add(',"index":');
    this.#indexAt = add("0".repeat(this.#indexDigits));
    add(',"xid":');
    this.#xidAt = add("0".repeat(xidDigits));
    add(`,"change":"${kind}"`);
    this.#lsnDigits = lsnDigits;
    this.#xidDigits = xidDigits;
    this.bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
  }
}

/** Eight digits of an id, from digit `first` on. */
function hex(bytes: Uint8Array, eidAt: number, first: number, word: number): void {
  for (let i = 0; i < 8; i++) bytes[eidAt + EID_PLACES[first + i]!] = HEX[(word >>> (28 - i * 4)) & 15]!;
}
