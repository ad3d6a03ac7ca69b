/**
 * Regular expressions of JSON Schema (`pattern`, `patternProperties`) as a tree, in the subset that can be matched
 * in linear time: everything that RE2 knows (https://github.com/google/re2/wiki/Syntax) in ECMAScript's spelling
 * with Unicode semantics.
 *
 * Surprising rule: backreferences and lookaround are refused, because nothing bounds the time they take.
 */

/** Whether a code point belongs to a set. */
export type CodePointSet = (codePoint: number) => boolean;
export type Boundary = "start" | "end" | "word" | "notWord";

export type PatternNode =
  | { readonly kind: "one"; readonly set: CodePointSet }
  | { readonly kind: "boundary"; readonly at: Boundary }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "either"; readonly choices: readonly PatternNode[] }
  | { readonly kind: "repeat"; readonly part: PatternNode; readonly min: number; readonly max: number };

/** A pattern that Muara does not run. The message says why and where. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

const REPEAT_MAX = 1_000;
const NESTING_MAX = 50;
const CODE_POINT_MAX = 0x10_ffff;

const isDigit: CodePointSet = (c) => c >= 48 && c <= 57;
export const isWord: CodePointSet = (c) =>
  (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || isDigit(c) || c === 95;
const isSpace: CodePointSet = (c) =>
  (c >= 9 && c <= 13) ||
  c === 32 ||
  c === 0xa0 ||
  c === 0x1680 ||
  (c >= 0x2000 && c <= 0x200a) ||
  c === 0x2028 ||
  c === 0x2029 ||
  c === 0x202f ||
  c === 0x205f ||
  c === 0x3000 ||
  c === 0xfeff;
const isLineEnd: CodePointSet = (c) => c === 10 || c === 13 || c === 0x2028 || c === 0x2029;
const not =
  (set: CodePointSet): CodePointSet =>
  (c) =>
    !set(c);

const NAMED_SETS: Readonly<Record<string, CodePointSet>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

/** @throws PatternError */
export function parsePattern(pattern: string): PatternNode {
  const parser = new Parser(pattern);
  return parser.whole();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #nesting = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): PatternNode {
    const node = this.#either();
    if (this.#at < this.#text.length) throw this.#error("unmatched )");
    return node;
  }

  #either(): PatternNode {
    if (++this.#nesting > NESTING_MAX) throw this.#error(`groups are nested deeper than ${NESTING_MAX}`);
    const choices = [this.#sequence()];
    while (this.#take("|")) choices.push(this.#sequence());
    this.#nesting--;
    return choices.length === 1 ? choices[0]! : { kind: "either", choices };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#text.length && !/[|)]/.test(this.#peek())) parts.push(this.#term());
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #term(): PatternNode {
    const part = this.#atom();
    const range = this.#quantifier();
    if (!range) return part;
    this.#take("?"); // lazy: it matches the same texts
    return { kind: "repeat", part, ...range };
  }

  #quantifier(): { min: number; max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    const counted = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(this.#text.slice(this.#at, this.#at + 24));
    if (!counted) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === "" ? Infinity : Number(counted[3]);
    if (max < min) throw this.#error("a repetition's bounds are out of order");
    if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX))
      throw this.#error(`a repetition counts beyond ${REPEAT_MAX}`);
    return { min, max };
  }

  #atom(): PatternNode {
    const from = this.#at;
    const point = this.#next();
    switch (String.fromCodePoint(point)) {
      case "^":
        return { kind: "boundary", at: "start" };
      case "$":
        return { kind: "boundary", at: "end" };
      case ".":
        return { kind: "one", set: not(isLineEnd) };
      case "(":
        return this.#group();
      case "[":
        return { kind: "one", set: this.#class() };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        this.#at = from;
        throw this.#error("nothing to repeat");
      default:
        return { kind: "one", set: (c) => c === point };
    }
  }

  #group(): PatternNode {
    if (this.#take("?")) {
      const isNamed = /^<[A-Za-z_$][\w$]*>/.exec(this.#text.slice(this.#at, this.#at + 100));
      if (isNamed) this.#at += isNamed[0].length;
      else if (!this.#take(":")) throw this.#error("lookaround is not supported");
    }
    const node = this.#either();
    if (!this.#take(")")) throw this.#error("unclosed group");
    return node;
  }

  #escape(): PatternNode {
    const letter = this.#peek();
    if (letter === "b" || letter === "B") {
      this.#at++;
      return { kind: "boundary", at: letter === "b" ? "word" : "notWord" };
    }
    if (/[1-9k]/.test(letter)) throw this.#error("backreferences are not supported");
    const escaped = this.#escaped();
    return { kind: "one", set: typeof escaped === "number" ? (c) => c === escaped : escaped };
  }

  /** What follows a backslash, in a class or outside: one code point or a set. */
  #escaped(): number | CodePointSet {
    if (this.#at >= this.#text.length) throw this.#error("a backslash at the end");
    const point = this.#next();
    const letter = String.fromCodePoint(point);
    const named = Object.hasOwn(NAMED_SETS, letter) ? NAMED_SETS[letter] : undefined;
    if (named) return named;
    if (Object.hasOwn(CONTROLS, letter)) {
      if (letter === "0" && /\d/.test(this.#peek())) throw this.#error("octal escapes are not supported");
      return CONTROLS[letter]!;
    }
    if (letter === "x") return this.#hex(/^[0-9A-Fa-f]{2}/);
    if (letter === "u") return this.#unicode();
    if (letter === "p" || letter === "P") return this.#property(letter === "P");
    if (letter === "c") return this.#hexless();
    if (/[A-Za-z0-9]/.test(letter)) throw this.#error(`\\${letter} is not an escape`);
    return point;
  }

  #hex(form: RegExp): number {
    const digits = form.exec(this.#text.slice(this.#at, this.#at + 6));
    if (!digits) throw this.#error("an escape lacks its hexadecimal digits");
    this.#at += digits[0].length;
    return Number.parseInt(digits[0], 16);
  }

  #unicode(): number {
    if (this.#take("{")) {
      const point = this.#hex(/^[0-9A-Fa-f]{1,6}/);
      if (point > CODE_POINT_MAX || !this.#take("}")) throw this.#error("not a code point");
      return point;
    }
    const unit = this.#hex(/^[0-9A-Fa-f]{4}/);
    const low = /^\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})/.exec(this.#text.slice(this.#at, this.#at + 6));
    if (unit < 0xd800 || unit > 0xdbff || !low) return unit;
    this.#at += 6;
    return 0x1_0000 + ((unit - 0xd800) << 10) + (Number.parseInt(low[1]!, 16) - 0xdc00);
  }

  /** `\cJ` */
  #hexless(): number {
    const letter = this.#peek();
    if (!/[A-Za-z]/.test(letter)) throw this.#error("\\c lacks its letter");
    this.#at++;
    return letter.charCodeAt(0) % 32;
  }

  #property(isNegated: boolean): CodePointSet {
    const form = /^\{[A-Za-z_]+(=[A-Za-z_0-9]+)?\}/.exec(this.#text.slice(this.#at, this.#at + 80));
    if (!form) throw this.#error("\\p lacks its property");
    let native: RegExp;
    try {
      native = new RegExp(`^\\p${form[0]}$`, "u");
    } catch {
      throw this.#error(`${form[0]} is no Unicode property`);
    }
    this.#at += form[0].length;
    return (c) => native.test(String.fromCodePoint(c)) !== isNegated;
  }

  #class(): CodePointSet {
    const isNegated = this.#take("^");
    const sets: CodePointSet[] = [];
    while (!this.#take("]")) {
      const from = this.#classItem();
      const isRange =
        this.#peek() === "-" && this.#at + 1 < this.#text.length && this.#text[this.#at + 1] !== "]";
      if (!isRange) {
        sets.push(typeof from === "number" ? (c) => c === from : from);
        continue;
      }
      this.#at++;
      const to = this.#classItem();
      if (typeof from !== "number" || typeof to !== "number" || to < from)
        throw this.#error("a range in a class is out of order");
      sets.push((c) => c >= from && c <= to);
    }
    return (c) => sets.some((set) => set(c)) !== isNegated;
  }

  #classItem(): number | CodePointSet {
    if (this.#at >= this.#text.length) throw this.#error("unclosed class");
    if (!this.#take("\\")) return this.#next();
    return this.#take("b") ? 8 : this.#escaped();
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(expected: string): boolean {
    if (this.#text[this.#at] !== expected) return false;
    this.#at++;
    return true;
  }

  #next(): number {
    const point = this.#text.codePointAt(this.#at)!;
    this.#at += point > 0xffff ? 2 : 1;
    return point;
  }

  #error(why: string): PatternError {
    return new PatternError(`${why} (at ${this.#at} of the pattern)`);
  }
}
