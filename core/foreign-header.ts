/**
 * The header of a record that no door of ours wrote: the headers which its own client gave it (Kafka's), as JSON. They
 * are kept, for whoever looks the record up; of the event they say nothing that has been judged.
 */
import { isEqual } from "./bytes.ts";

/** A name and its value: text, `{"base64": …}` where it is none, null. */
export type ForeignHeader = readonly [name: string, value: unknown];

const PREFIX = new TextEncoder().encode('{"headers":');

export function foreignHeader(headers: readonly ForeignHeader[]): string {
  return JSON.stringify({ headers });
}

/** Whether the header at `bytes[at, at + length)` is one of these. */
export function isForeignHeader(bytes: Uint8Array, at: number, length: number): boolean {
  return length > PREFIX.length && isEqual(bytes, at, at + PREFIX.length, PREFIX);
}
