/**
 * One text of a scan, record by record. It asks for the scan's views once, so no kernel function may be called as long
 * as it is in use.
 */
import { isEqual } from "../../core/bytes.ts";
import { VALUE_ABSENT, VALUE_ESCAPED_STRING, VALUE_STRING } from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel-scan.ts";

export class TextReader {
  readonly #scan: Scan;
  readonly #place: number;
  readonly #bytes: Uint8Array;
  readonly #types: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;

  constructor(scan: Scan, place: number) {
    this.#scan = scan;
    this.#place = place;
    this.#bytes = scan.bytes;
    const field = scan.field(place);
    this.#types = field.types;
    this.#starts = field.starts;
    this.#lengths = field.lengths;
  }

  isAbsent(record: number): boolean {
    return this.#types[record] === VALUE_ABSENT;
  }

  equals(record: number, text: Uint8Array): boolean {
    const type = this.#types[record]!;
    if (type === VALUE_ESCAPED_STRING)
      return this.#scan.text(this.#place, record) === new TextDecoder().decode(text);
    const start = this.#starts[record]!;
    return type === VALUE_STRING && isEqual(this.#bytes, start, start + this.#lengths[record]!, text);
  }
}
