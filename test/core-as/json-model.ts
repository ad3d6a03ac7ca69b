/**
 * What an event must be, judged independently of the kernel: JSON.parse and a fatal TextDecoder decide what
 * they can; where an error is, and the rules that they do not know, come from the plain functions below.
 */

export interface Judgement {
  /** "ok", or the part of the error code behind `event.` */
  readonly verdict: string;
  /** Byte position of the error. */
  readonly at: number;
}

const BROKEN = new Error("broken");
const SPACE = /[ \t\r\n]*/y;
const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

export function judge(bytes: Uint8Array, limits: { maxBytes: number; maxDepth: number }): Judgement {
  if (bytes.length > limits.maxBytes) return { verdict: "too_large", at: limits.maxBytes };
  const brokenAt = syntaxErrorAt(bytes); // a test holds it against JSON.parse, whose exceptions are slow
  if (brokenAt >= 0) return { verdict: "not_json", at: brokenAt };
  const text = lenient.decode(bytes);
  JSON.parse(text);
  const errors = [utf8Error(bytes, text)];
  const byteAt = (index: number): number => byteIndex(bytes, text, index);
  errors.push(shapeErrors(text, limits.maxDepth, byteAt));
  const found = errors.flat().sort((a, b) => a.at - b.at);
  return found[0] ?? { verdict: "ok", at: 0 };
}

/** Byte position of a character of leniently decoded text. */
function byteIndex(bytes: Uint8Array, text: string, index: number): number {
  const ascii = encoder.encode(text.slice(0, index)).length;
  if (lenient.decode(bytes.subarray(0, ascii)) === text.slice(0, index)) return ascii;
  // ill-formed bytes became U+FFFD, which has another length: count characters one by one
  for (let at = 0; at <= bytes.length; at++) {
    if (lenient.decode(bytes.subarray(0, at)) === text.slice(0, index)) return at;
  }
  return -1;
}

function utf8Error(bytes: Uint8Array, text: string): Judgement[] {
  try {
    strict.decode(bytes);
    return [];
  } catch {
    // the longest prefix that is well-formed ends where the first ill-formed sequence starts
  }
  let at = 0;
  for (let index = text.indexOf("\ufffd"); index >= 0; index = text.indexOf("\ufffd", index + 1)) {
    at = encoder.encode(text.slice(0, index)).length;
    if (bytes[at] !== 0xef || bytes[at + 1] !== 0xbf || bytes[at + 2] !== 0xbd) break;
  }
  return [{ verdict: "utf8", at }];
}

/** Object at the top, depth, lone surrogates, repeated keys: by tokens of text that JSON.parse accepts. */
function shapeErrors(text: string, maxDepth: number, byteAt: (index: number) => number): Judgement[] {
  const found: { verdict: string; index: number }[] = [];
  const first = text.search(/[^ \t\r\n]/);
  if (text[first] !== "{") found.push({ verdict: "not_object", index: first });
  const stack: (Set<string> | null)[] = [];
  let isKeyNext = false;
  for (const token of text.matchAll(/"(?:[^"\\]|\\[^])*"|[{}[\],:]/g)) {
    const [symbol] = token;
    const { index } = token;
    if (symbol.startsWith('"')) {
      for (const escape of symbol.matchAll(
        /\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)|\\u[dD][89a-fA-F]..|\\./g,
      )) {
        if (escape[0].length === 6) found.push({ verdict: "surrogate", index: index + escape.index });
      }
      const keys = stack.at(-1);
      if (isKeyNext && keys) {
        const key = String(JSON.parse(symbol));
        if (keys.has(key)) found.push({ verdict: "duplicate_key", index });
        keys.add(key);
      }
      isKeyNext = false;
    } else if (symbol === "{" || symbol === "[") {
      stack.push(symbol === "{" ? new Set() : null);
      if (stack.length > maxDepth) found.push({ verdict: "too_deep", index });
      isKeyNext = symbol === "{";
    } else if (symbol === "}" || symbol === "]") {
      stack.pop();
      isKeyNext = false;
    } else {
      isKeyNext = symbol === "," && stack.at(-1) instanceof Set;
    }
  }
  found.sort((a, b) => a.index - b.index);
  const earliest = found[0];
  return earliest ? [{ verdict: earliest.verdict, at: byteAt(earliest.index) }] : [];
}

function fail(): never {
  throw BROKEN;
}

/**
 * The first byte that cannot continue a JSON text (of a bad escape its backslash, of a bad word its first
 * letter): a recursive descent over bytes that knows nothing but the grammar.
 */
export function syntaxErrorAt(bytes: Uint8Array): number {
  const text = Buffer.from(bytes).toString("latin1"); // one character per byte
  let at = 0;
  const is = (symbol: string): boolean => text[at] === symbol;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at += found[0].length;
    return found !== null;
  };
  const string = (): void => {
    at++;
    for (;;) {
      take(/(?:[^"\\\p{Cc}]|[\x7f-\x9f])*/uy);
      if (is('"')) break;
      if (!take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y)) fail();
    }
    at++;
  };
  const number = (): void => {
    take(/-/y);
    if (!take(/0|[1-9][0-9]*/y)) fail();
    if (take(/\./y) && !take(/[0-9]+/y)) fail();
    if (take(/[eE][+-]?/y) && !take(/[0-9]+/y)) fail();
  };
  const members = (close: string, member: () => void): void => {
    at++;
    take(SPACE);
    if (is(close)) {
      at++;
      return;
    }
    for (;;) {
      member();
      take(SPACE);
      if (is(close)) break;
      if (!is(",")) fail();
      at++;
      take(SPACE);
    }
    at++;
  };
  const value = (): void => {
    take(SPACE);
    if (is("{")) {
      members("}", () => {
        if (!is('"')) fail();
        string();
        take(SPACE);
        if (!is(":")) fail();
        at++;
        value();
      });
    } else if (is("[")) {
      members("]", value);
    } else if (is('"')) {
      string();
    } else if (/[-0-9]/.test(text[at] ?? "")) {
      number();
    } else if (!take(/true|false|null/y)) {
      fail();
    }
  };
  try {
    value();
    take(SPACE);
    return at === bytes.length ? -1 : at;
  } catch (error) {
    if (error === BROKEN) return at;
    throw error;
  }
}
