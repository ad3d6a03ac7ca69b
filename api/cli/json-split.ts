/**
 * Cuts a byte stream into its JSON objects: NDJSON, pretty-printed objects one after the other, or one array of
 * them. Bytes stay as they are (a parser would round long numbers), so this only counts brackets outside of strings;
 * whether an object is well-formed is the server's to say.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const WHITE = new Set([0x20, 0x09, 0x0a, 0x0d]);
/** A byte order mark may stand at the start. */
const BOM = [0xef, 0xbb, 0xbf];

export class JsonSplitter {
  #kept: Uint8Array[] = [];
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #isArray = false;
  #line = 1;
  #bomAt = 0;

  /** @returns the objects that `chunk` completes @throws SyntaxError at anything else between objects */
  push(chunk: Uint8Array): Uint8Array[] {
    const objects: Uint8Array[] = [];
    let start = this.#depth > 0 ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === 0x0a) this.#line++;
      if (this.#depth === 0) {
        if (this.#between(byte)) start = at;
      } else if (this.#closes(byte)) {
        objects.push(this.#take(chunk.subarray(start, at + 1)));
        start = -1;
      }
    }
    if (start >= 0) this.#kept.push(chunk.slice(start));
    return objects;
  }

  /** @throws SyntaxError where the input breaks off inside an object */
  end(): void {
    if (this.#depth > 0) throw new SyntaxError(`line ${this.#line}: the input ends inside an object`);
  }

  /** Whether an object begins here. */
  #between(byte: number): boolean {
    if (byte === OPEN_OBJECT) {
      this.#depth = 1;
      return true;
    }
    if (WHITE.has(byte)) return false;
    if (byte === OPEN_ARRAY && !this.#isArray) this.#isArray = true;
    else if (byte === CLOSE_ARRAY && this.#isArray) this.#isArray = false;
    else if (this.#bomAt < BOM.length && byte === BOM[this.#bomAt]) this.#bomAt++;
    else if (byte !== COMMA || !this.#isArray)
      throw new SyntaxError(`line ${this.#line}: an event is a JSON object that starts with {`);
    return false;
  }

  /** Whether the object ends with this byte. */
  #closes(byte: number): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#isInString = false;
      return false;
    }
    if (byte === QUOTE) this.#isInString = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#depth--;
    return this.#depth === 0;
  }

  #take(last: Uint8Array): Uint8Array {
    if (this.#kept.length === 0) return last;
    const whole = Buffer.concat([...this.#kept, last]);
    this.#kept = [];
    return whole;
  }
}
