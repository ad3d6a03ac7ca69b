/** Places in PostgreSQL's log: `16/B374D848`, two halves of 64 bits in hexadecimal digits. */
import { assert } from "../../core/assert.ts";

export function lsnOf(text: string): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  assert(match !== null, `no place in the log: ${text}`);
  return (BigInt(`0x${match[1]!}`) << 32n) | BigInt(`0x${match[2]!}`);
}

export function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
