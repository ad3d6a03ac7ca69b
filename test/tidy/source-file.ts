/**
 * What tidy looks at: every file that git tracks or would track, and a split of TypeScript text into code,
 * comments and quoted text. There is no parser behind it (TypeScript 7 offers none to programs), so the rules
 * lean on the formatter: a construct closes on a line that is indented like the line that opened it.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A file with its path below the root, `/`-separated, and its text ("" for binary files). */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule gets all files and answers with one line per violation: `path:line what is wrong`. */
export type Rule = (files: readonly SourceFile[]) => readonly string[];

const BINARY = /\.(wasm|png|jpg|gif|ico|parquet|gz|zst|zip)$/;

/** Tracked and untracked files of the work tree, without ignored ones, in path order. */
export function listSourceFiles(root: string): readonly SourceFile[] {
  const flags = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const listed = execFileSync("git", ["-c", "safe.directory=*", ...flags], { cwd: root, encoding: "utf8" });
  const paths = [...new Set(listed.split("\0"))].filter((path) => path !== "").toSorted();
  return paths.flatMap((path) => {
    const stat = lstatSync(join(root, path), { throwIfNoEntry: false });
    if (!stat?.isFile()) return []; // deleted, but not yet committed
    return [{ path, text: BINARY.test(path) ? "" : readFileSync(join(root, path), "utf8") }];
  });
}

/** Whether a file holds TypeScript or JavaScript. */
export function isCode(file: SourceFile): boolean {
  return /\.(ts|js|mjs|cjs)$/.test(file.path);
}

export function isTestOrBench(path: string): boolean {
  return path.startsWith("test/") || path.startsWith("bench/");
}

const CODE = 0;
const COMMENT = 1;
const QUOTED = 2;

/** The same text with parts blanked out; lengths and line breaks stay, so places keep their meaning. */
export interface SplitText {
  /** Comments and the insides of strings, templates and regular expressions are spaces. */
  readonly code: string;
  /** Only comments are left. */
  readonly comments: string;
}

const REGEX_MAY_FOLLOW =
  /(?:^|[(,=:[!&|?{;+\-*%~^<>]|\b(?:return|typeof|case|in|of|throw|await|yield|else))$/;

export function splitText(text: string): SplitText {
  const kinds = new Uint8Array(text.length);
  const templates: number[] = []; // brace depth at which each open `${` ends
  let depth = 0;
  let at = 0;
  const mark = (kind: number, from: number, to: number): number => {
    kinds.fill(kind, from, to);
    return to;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text[at]!;
    if (two === "//") at = mark(COMMENT, at, endOf(text, "\n", at));
    else if (two === "/*") at = mark(COMMENT, at, endOf(text, "*/", at + 2) + 2);
    else if (one === '"' || one === "'") {
      const end = endOfQuoted(text, at + 1, one);
      at = mark(QUOTED, at + 1, end) + 1;
    } else if (one === "`" || (one === "}" && templates.at(-1) === depth)) {
      if (one === "}") templates.pop();
      const end = endOfTemplate(text, at + 1);
      mark(QUOTED, at + 1, end);
      if (text[end] === "$") templates.push(depth);
      at = end + (text[end] === "$" ? 2 : 1);
    } else if (one === "/" && REGEX_MAY_FOLLOW.test(text.slice(Math.max(0, at - 40), at).trimEnd())) {
      at = mark(QUOTED, at + 1, endOfRegex(text, at + 1)) + 1;
    } else {
      if (one === "{") depth++;
      if (one === "}") depth--;
      at++;
    }
  }
  return { code: keep(text, kinds, CODE), comments: keep(text, kinds, COMMENT) };
}

function endOf(text: string, end: string, from: number): number {
  const found = text.indexOf(end, from);
  return found === -1 ? text.length : found;
}

function endOfQuoted(text: string, from: number, quote: string): number {
  let at = from;
  while (at < text.length && text[at] !== quote && text[at] !== "\n") at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** The closing backtick, or the `$` of the next `${`. */
function endOfTemplate(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) at += text[at] === "\\" ? 2 : 1;
  return at;
}

function endOfRegex(text: string, from: number): number {
  let inClass = false;
  let at = from;
  while (at < text.length && text[at] !== "\n" && (inClass || text[at] !== "/")) {
    if (text[at] === "[") inClass = true;
    if (text[at] === "]") inClass = false;
    at += text[at] === "\\" ? 2 : 1;
  }
  return at;
}

function keep(text: string, kinds: Uint8Array, kind: number): string {
  let kept = "";
  for (let at = 0; at < text.length; at++) kept += kinds[at] === kind || text[at] === "\n" ? text[at]! : " ";
  return kept;
}

/** 1-based number of the line that holds index `at`. */
export function lineAt(text: string, at: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < at; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

/** One violation per match of `pattern` (global) in `searched`, a split of the file's text. */
export function findAll(file: SourceFile, searched: string, pattern: RegExp, say: string): readonly string[] {
  return [...searched.matchAll(pattern)].map((match) => {
    const found = file.text.slice(match.index, match.index + match[0].length).trim();
    return `${file.path}:${lineAt(searched, match.index)} "${found}": ${say}`;
  });
}
