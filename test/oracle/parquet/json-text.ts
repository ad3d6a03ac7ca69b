/**
 * Finding one's way in JSON text that is known to be well-formed: where strings and values end, what an
 * escaped string says. No value is built for what is only passed over.
 *
 * Surprising rule: nothing here checks grammar; the kernel's scan did. On malformed text the functions end
 * at the text's end, they never loop.
 */

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** @param i behind the opening quote @returns where the closing quote is */
export function endOfString(text: string, i: number): number {
  for (;;) {
    const quote = text.indexOf('"', i);
    if (quote < 0) return text.length;
    let first = quote;
    while (text.charCodeAt(first - 1) === BACKSLASH && first > i) first--;
    if ((quote - first) % 2 === 0) return quote;
    i = quote + 1;
  }
}

/** @param i at the value's first character @returns behind its last */
export function endOfValue(text: string, i: number): number {
  const first = text.charCodeAt(i);
  if (first === QUOTE) return endOfString(text, i + 1) + 1;
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfContainer(text, i + 1);
  for (;;) {
    const character = text.charCodeAt(++i);
    // A number or a literal ends at a delimiter or white space (at the text's end the comparison is with NaN).
    if (!(character > 32) || character === COMMA || character === CLOSE_BRACE || character === CLOSE_BRACKET)
      return i;
  }
}

function endOfContainer(text: string, i: number): number {
  const { length } = text;
  let depth = 1;
  for (; i < length; i++) {
    const character = text.charCodeAt(i);
    if (character === QUOTE) i = endOfString(text, i + 1);
    else if (character === OPEN_BRACE || character === OPEN_BRACKET) depth++;
    else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) {
      depth--;
      if (depth === 0) return i + 1;
    }
  }
  return length;
}

/** What the inside of a JSON string, `text[from, to)`, says. */
export function unescapeString(text: string, from: number, to: number): string {
  let said = "";
  let copied = from;
  for (let i = text.indexOf("\\", from); i >= 0 && i < to; i = text.indexOf("\\", i)) {
    said += text.slice(copied, i);
    const escape = text.charCodeAt(i + 1);
    if (escape === 117) {
      said += String.fromCharCode(Number.parseInt(text.slice(i + 2, i + 6), 16));
      i += 6;
    } else {
      said += shortEscape(escape);
      i += 2;
    }
    copied = i;
  }
  return said + text.slice(copied, to);
}

function shortEscape(character: number): string {
  switch (character) {
    case 98:
      return "\b";
    case 102:
      return "\f";
    case 110:
      return "\n";
    case 114:
      return "\r";
    case 116:
      return "\t";
    default:
      return String.fromCharCode(character); // quote, backslash, slash
  }
}

/** One step of a JSON pointer (RFC 6901). */
export function pointerStep(key: string | number): string {
  return `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
