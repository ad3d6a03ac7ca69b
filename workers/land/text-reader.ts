/**
 * One text of a scan, record by record. It asks for the scan's views once, so no kernel function may be called as long
 * as it is in use.
 */
import { Buffer } from "node:buffer";
import {
  FLAG_UUID,
  VALUE_ABSENT,
  VALUE_ESCAPED_STRING,
  VALUE_NULL,
  VALUE_STRING,
} from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel-scan.ts";

export class TextReader {
  readonly #scan: Scan;
  readonly #place: number;
  readonly #bytes: Buffer;
  readonly #types: Uint8Array;
  readonly #flags: Uint8Array;
  readonly #verdicts: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;

  constructor(scan: Scan, place: number) {
    this.#scan = scan;
    this.#place = place;
    const { buffer, byteOffset, byteLength } = scan.bytes;
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
    const field = scan.field(place);
    this.#types = field.types;
    this.#flags = field.flags;
    this.#verdicts = scan.verdicts;
    this.#starts = field.starts;
    this.#lengths = field.lengths;
  }

  isAbsent(record: number): boolean {
    return this.#types[record] === VALUE_ABSENT;
  }

  /** Text of a string, raw JSON of anything else and where the record is broken; null where it is absent or null. */
  read(record: number): string | null {
    const type = this.#types[record]!;
    if (type === VALUE_ABSENT || type === VALUE_NULL) return null;
    if (type === VALUE_ESCAPED_STRING && this.#verdicts[record] === 0)
      return this.#scan.text(this.#place, record);
    const start = this.#starts[record]!;
    const encoding = this.#flags[record]! & FLAG_UUID ? "latin1" : "utf8";
    return this.#bytes.toString(encoding, start, start + this.#lengths[record]!);
  }

  equals(record: number, text: Uint8Array): boolean {
    const type = this.#types[record]!;
    if (type === VALUE_ESCAPED_STRING)
      return this.#scan.text(this.#place, record) === new TextDecoder().decode(text);
    const start = this.#starts[record]!;
    const end = start + this.#lengths[record]!;
    return type === VALUE_STRING && this.#bytes.compare(text, 0, text.length, start, end) === 0;
  }
}
