/**
 * A second opinion on JSON, written from RFC 8259 as plainly as possible: one character after the other, no regular
 * expression, no `JSON.parse`, nothing of the kernel. It says whether text is JSON, what it means, and which of the
 * stricter rules it breaks: the same key twice in an object, half of a surrogate pair, levels of nesting.
 */
export interface Reading {
  /** Undefined where the text is no JSON. */
  readonly value: unknown;
  readonly isObject: boolean;
  /** Objects and arrays inside each other, at most. */
  readonly depth: number;
  readonly hasRepeatedKey: boolean;
  readonly hasLoneSurrogate: boolean;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const WORDS: readonly (readonly [string, unknown])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];
const HEX = "0123456789abcdef";

class NoJson extends Error {}
const NO_JSON = new NoJson();

/** @returns undefined where the text is no JSON */
export function readJson(text: string): Reading | undefined {
  const reader = new Reader(text);
  try {
    return reader.read();
  } catch (error) {
    if (error instanceof NoJson) return undefined;
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  #level = 0;
  #depth = 0;
  #hasRepeatedKey = false;
  #hasLoneSurrogate = false;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Reading {
    this.#space();
    const isObject = this.#next === "{";
    const value = this.#value();
    this.#space();
    if (this.#at !== this.#text.length) throw NO_JSON;
    return {
      value,
      isObject,
      depth: this.#depth,
      hasRepeatedKey: this.#hasRepeatedKey,
      hasLoneSurrogate: this.#hasLoneSurrogate,
    };
  }

  get #next(): string {
    return this.#text.charAt(this.#at);
  }

  #isNext(...symbols: readonly string[]): boolean {
    return symbols.includes(this.#next);
  }

  #space(): void {
    while (this.#next === " " || this.#next === "\t" || this.#next === "\n" || this.#next === "\r")
      this.#at++;
  }

  #expect(symbol: string): void {
    if (this.#next !== symbol) throw NO_JSON;
    this.#at++;
  }

  #value(): unknown {
    this.#space();
    const symbol = this.#next;
    if (symbol === "{") return this.#object();
    if (symbol === "[") return this.#array();
    if (symbol === '"') return this.#string();
    if (symbol === "-" || isDigit(symbol)) return this.#number();
    for (const [word, value] of WORDS)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    throw NO_JSON;
  }

  #object(): unknown {
    const members = new Map<string, unknown>();
    this.#items("{", "}", () => {
      this.#space();
      if (this.#next !== '"') throw NO_JSON;
      const key = this.#string();
      this.#space();
      this.#expect(":");
      const value = this.#value();
      if (members.has(key)) this.#hasRepeatedKey = true;
      members.set(key, value);
    });
    return Object.fromEntries(members);
  }

  #array(): unknown {
    const items: unknown[] = [];
    this.#items("[", "]", () => items.push(this.#value()));
    return items;
  }

  #items(open: string, close: string, item: () => void): void {
    this.#expect(open);
    this.#level++;
    if (this.#level > this.#depth) this.#depth = this.#level;
    this.#space();
    if (this.#next !== close)
      for (;;) {
        item();
        this.#space();
        if (this.#next === close) break;
        this.#expect(",");
      }
    this.#at++;
    this.#level--;
  }

  #string(): string {
    this.#expect('"');
    let value = "";
    while (this.#next !== '"') {
      const symbol = this.#next;
      if (symbol === "" || symbol.charCodeAt(0) < 0x20) throw NO_JSON;
      this.#at++;
      value += symbol === "\\" ? this.#escape() : symbol;
    }
    this.#at++;
    if (hasLoneSurrogate(value)) this.#hasLoneSurrogate = true;
    return value;
  }

  #escape(): string {
    const symbol = this.#next;
    this.#at++;
    const simple = symbol === "" ? undefined : ESCAPES[symbol];
    if (simple !== undefined) return simple;
    if (symbol !== "u") throw NO_JSON;
    let code = 0;
    for (let i = 0; i < 4; i++) {
      const digit = this.#next === "" ? -1 : HEX.indexOf(asciiLower(this.#next));
      if (digit < 0) throw NO_JSON;
      code = code * 16 + digit;
      this.#at++;
    }
    return String.fromCharCode(code);
  }

  #number(): number {
    const start = this.#at;
    if (this.#next === "-") this.#at++;
    if (this.#next === "0") this.#at++;
    else this.#digits();
    if (this.#next === ".") {
      this.#at++;
      this.#digits();
    }
    if (this.#isNext("e", "E")) {
      this.#at++;
      if (this.#isNext("+", "-")) this.#at++;
      this.#digits();
    }
    return Number(this.#text.slice(start, this.#at));
  }

  /** At least one. */
  #digits(): void {
    if (!isDigit(this.#next)) throw NO_JSON;
    while (isDigit(this.#next)) this.#at++;
  }
}

function isDigit(symbol: string): boolean {
  return symbol >= "0" && symbol <= "9" && symbol.length === 1;
}

/** Not `toLowerCase`, which knows more letters than these. */
function asciiLower(symbol: string): string {
  return symbol >= "A" && symbol <= "F" ? HEX[symbol.charCodeAt(0) - 55]! : symbol;
}

function hasLoneSurrogate(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const following = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
    if (unit > 0xdbff || following < 0xdc00 || following > 0xdfff) return true;
    i++;
  }
  return false;
}
