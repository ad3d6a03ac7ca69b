/**
 * Builds the text of the column `extra`: what the plan does not know, at the path where it was, byte for byte.
 * Objects around a leftover are opened only once there is one; elements of lists are keyed by their index:
 * `{"items":{"1":{"note":"x"}}}`.
 */
import { assert } from "../../../core/assert.ts";

export class Extra {
  #text = "";
  /** Raw key of each level being read, or its index in a list. */
  readonly #path: (string | number)[] = [];
  #depth = 0;
  /** How many levels the text has opened. */
  #opened = 0;
  #needsComma = false;

  begin(): void {
    this.#text = "";
    this.#depth = 0;
    this.#opened = 0;
    this.#needsComma = false;
  }

  /** JSON object text, null where nothing is left over. */
  get text(): string | null {
    assert(this.#depth === 0, "extra is asked for before the event was left");
    return this.#text === "" ? null : `{${this.#text}}`;
  }

  /** @param key raw, with its quotes, or the index in a list */
  enter(key: string | number): void {
    this.#path[this.#depth++] = key;
  }

  leave(): void {
    this.#depth--;
    if (this.#opened > this.#depth) {
      this.#text += "}";
      this.#opened = this.#depth;
    }
  }

  add(key: string | number, value: string): void {
    while (this.#opened < this.#depth) {
      this.#text += `${this.#separated(this.#path[this.#opened]!)}{`;
      this.#opened++;
      this.#needsComma = false;
    }
    this.#text += this.#separated(key) + value;
    this.#needsComma = true;
  }

  #separated(key: string | number): string {
    const quoted = typeof key === "number" ? `"${key}"` : key;
    return this.#needsComma ? `,${quoted}:` : `${quoted}:`;
  }
}
