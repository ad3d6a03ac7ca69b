/**
 * The words of a job's file, as DuckDB's lexer has them: enough to find where the SELECT ends and where a name stands,
 * and no more. Expressions are the engine's.
 */
import { JobRefused } from "./refusal.ts";

export interface Token {
  readonly kind: "word" | "name" | "text" | "number" | "symbol";
  /** As written. */
  readonly raw: string;
  /** Of a word in lower case, of a quoted name or text without its quotes. */
  readonly value: string;
  /** UTF-16 units from the start of the text. */
  readonly start: number;
  readonly end: number;
  /** Parentheses that are open here; an opening one and its closing one have the depth outside. */
  readonly depth: number;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /--[^\n]*/y;
const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy;
const NUMBER = /\d[\d_]*(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?/y;
const NAME = /"((?:[^"]|"")*)"/y;
const TEXT = /'((?:[^']|'')*)'/y;
const ESCAPED_TEXT = /[eE]'((?:[^'\\]|\\[\s\S]|'')*)'/y;
const DOLLAR_TEXT = /\$([\p{L}_][\p{L}\p{N}_]*)?\$([\s\S]*?)\$\1\$/uy;
const OPENING = "([{";
const CLOSING = ")]}";

/** @throws JobRefused where a comment, text or name does not end, or parentheses do not match */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const open: string[] = [];
  let at = 0;
  while (at < text.length) {
    const skipped = skip(text, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const { kind, raw, value } = read(text, at);
    if (kind === "symbol" && CLOSING.includes(raw) && open.pop() !== OPENING[CLOSING.indexOf(raw)])
      throw new JobRefused(at, `"${raw}" closes nothing that is open here.`);
    tokens.push({ kind, raw, value, start: at, end: at + raw.length, depth: open.length });
    if (kind === "symbol" && OPENING.includes(raw)) open.push(raw);
    at += raw.length;
  }
  if (open.length > 0) throw new JobRefused(text.length, `"${open.at(-1)!}" is not closed.`);
  return tokens;
}

/** Behind spaces or one comment that begin at `at`; comments of the other kind nest. */
function skip(text: string, at: number): number {
  const plain = match(SPACE, text, at) ?? match(LINE_COMMENT, text, at);
  if (plain) return at + plain[0].length;
  if (!text.startsWith("/*", at)) return at;
  let depth = 1;
  let index = at + 2;
  while (depth > 0) {
    if (index >= text.length) throw new JobRefused(at, "The comment does not end.");
    const two = text.slice(index, index + 2);
    depth += two === "/*" ? 1 : two === "*/" ? -1 : 0;
    index += two === "/*" || two === "*/" ? 2 : 1;
  }
  return index;
}

function read(text: string, at: number): Pick<Token, "kind" | "raw" | "value"> {
  const name = match(NAME, text, at);
  if (name) return { kind: "name", raw: name[0], value: name[1]!.replaceAll('""', '"') };
  const quoted = match(TEXT, text, at) ?? match(ESCAPED_TEXT, text, at);
  if (quoted) return { kind: "text", raw: quoted[0], value: quoted[1]!.replaceAll("''", "'") };
  const dollar = match(DOLLAR_TEXT, text, at);
  if (dollar) return { kind: "text", raw: dollar[0], value: dollar[2]! };
  const word = match(WORD, text, at);
  if (word) return { kind: "word", raw: word[0], value: word[0].toLowerCase() };
  const number = match(NUMBER, text, at);
  if (number) return { kind: "number", raw: number[0], value: number[0] };
  if (text[at] === '"' || text[at] === "'")
    throw new JobRefused(at, `The ${text[at] === '"' ? "name" : "text"} does not end.`);
  return { kind: "symbol", raw: text[at]!, value: text[at]! };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
