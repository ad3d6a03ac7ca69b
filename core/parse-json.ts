/**
 * JSON.parse for text that anybody may have written. V8 (seen in 13.6 to 15.0) misreads a key that is one escaped
 * character: once some object had the keys "x" and "\\" in this order, `{"x":1,"\u0061":2}` comes back with "\\"
 * in place of "a". So a sender could make another's fields disappear. Text with such a key is rare and is parsed
 * here piece by piece; all other text goes to JSON.parse.
 */

/** May also match inside of a string: then the slow way is taken for nothing. */
const ONE_ESCAPED_CHARACTER_KEY = /"\\(?:u[0-9a-fA-F]{4}|[^u])"\s*:/;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const SCALAR = /[^\s,\]}]+/y;
const SPACE = /\s*/y;

/** @throws SyntaxError where the text is not JSON */
export function parseJson(text: string): unknown {
  if (!ONE_ESCAPED_CHARACTER_KEY.test(text)) return JSON.parse(text);
  JSON.parse(text); // its result may be wrong, its verdict on the syntax is not
  return new Pieces(text).value();
}

/** Reads text that is known to be JSON. */
class Pieces {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#take(SPACE);
  }

  value(): unknown {
    const first = this.#text[this.#at];
    if (first === "{") return this.#object();
    if (first === "[") return this.#array();
    const scalar = this.#take(first === '"' ? STRING : SCALAR);
    this.#take(SPACE);
    return JSON.parse(scalar);
  }

  #object(): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    while (this.#goesOn("}")) {
      const key = String(JSON.parse(this.#take(STRING)));
      this.#take(SPACE);
      this.#skip(); // the colon
      entries.push([key, this.value()]);
    }
    return Object.fromEntries(entries);
  }

  #array(): unknown[] {
    const items: unknown[] = [];
    while (this.#goesOn("]")) items.push(this.value());
    return items;
  }

  /** Steps over the opening bracket or a comma; over the closing bracket, too, and then says no. */
  #goesOn(closing: string): boolean {
    if (this.#text[this.#at] !== closing) this.#skip();
    if (this.#text[this.#at] !== closing) return true;
    this.#skip();
    return false;
  }

  #skip(): void {
    this.#at++;
    this.#take(SPACE);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const taken = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += taken.length;
    return taken;
  }
}
