/**
 * The shape of files: where they lie, how they are named, how long they and their functions are. Small files with
 * one noun each are what makes the whole readable; the limits are the ones of `CONTRIBUTING.md`.
 */
import { findAll, isCode, splitText, type Rule, type SourceFile } from "./source-file.ts";

const ROOT_FILES_MAX = 20;
const FILE_LINES_MAX = 500;
const FILE_LINES_AIM = 250;
const FUNCTION_LINES_MAX = 70;
const LINE_WIDTH_MAX = 120;

const FOLDERS: readonly string[] = [
  ".ci",
  "adapters",
  "api",
  "bench",
  "core",
  "core-as",
  "docs",
  "lake",
  "notebooks",
  "test",
  "workers",
];

/** Files that must at least be seen, per folder: a check over no files proves nothing. */
const FILES_MIN: Readonly<Record<string, number>> = {
  "core/": 15,
  "core-as/": 3,
  "adapters/": 5,
  "lake/": 8,
  "workers/": 5,
  "api/": 8,
  "test/": 25,
  "docs/decisions/": 10,
};

export const rootList: Rule = (files) => {
  const tops = files.map((file) => file.path.split("/"));
  const rootFiles = tops.filter((parts) => parts.length === 1).map((parts) => parts[0]!);
  const folders = new Set(tops.filter((parts) => parts.length > 1).map((parts) => parts[0]!));
  const unknown = [...folders].filter((folder) => !FOLDERS.includes(folder));
  return [
    ...unknown.map((folder) => `${folder}/ is no folder of this house: ${FOLDERS.join(", ")}`),
    ...(rootFiles.length > ROOT_FILES_MAX
      ? [`the root holds ${rootFiles.length} files, at most ${ROOT_FILES_MAX}: ${rootFiles.join(", ")}`]
      : []),
  ];
};

export const enoughFiles: Rule = (files) =>
  Object.entries(FILES_MIN).flatMap(([folder, minimum]) => {
    const count = files.filter((file) => file.path.startsWith(folder)).length;
    return count >= minimum ? [] : [`${folder} shows ${count} files, at least ${minimum} are expected`];
  });

export const fileNames: Rule = (files) =>
  files.flatMap((file) => {
    const parts = file.path.split("/");
    const badFolder = parts.slice(0, -1).find((part) => !/^\.?[a-z0-9]+(-[a-z0-9]+)*$/.test(part));
    if (badFolder !== undefined) return [`${file.path}: folder "${badFolder}" is not kebab-case`];
    const name = parts.at(-1)!;
    if (isCode(file) && !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config))?\.[a-z]+$/.test(name))
      return [`${file.path}: file names are kebab-case`];
    if (/\.(py|ipynb)$/.test(name) && !/^[a-z0-9_]+\.[a-z]+$/.test(name))
      return [`${file.path}: Python file names are snake_case`];
    if (file.path.startsWith("docs/decisions/") && !/^\d{3}-[a-z0-9-]+\.md$/.test(name))
      return [`${file.path}: decisions are named NNN-title.md`];
    return [];
  });

export const fileLengths: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    const count = lineCount(file);
    return count > FILE_LINES_MAX ? [`${file.path} has ${count} lines, at most ${FILE_LINES_MAX}`] : [];
  });

/** Files beyond the length that we aim for: no error, shown for the reader. */
export function longFiles(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter((file) => isCode(file) && lineCount(file) > FILE_LINES_AIM)
    .toSorted((a, b) => lineCount(b) - lineCount(a))
    .map((file) => `${file.path} ${lineCount(file)}`);
}

function lineCount(file: SourceFile): number {
  return file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0);
}

export const lineWidths: Rule = (files) =>
  files
    .filter(isCode)
    .flatMap((file) =>
      file.text
        .split("\n")
        .flatMap((line, i) =>
          line.length > LINE_WIDTH_MAX
            ? [`${file.path}:${i + 1} is ${line.length} wide, at most ${LINE_WIDTH_MAX}`]
            : [],
        ),
    );

export interface FunctionSpan {
  readonly line: number;
  /** Of the whole construct, first to last line. */
  readonly lines: number;
  /** Without those of functions inside it: a factory of ten short methods is not one long function. */
  readonly ownLines: number;
  readonly head: string;
}

const NOT_A_FUNCTION =
  /^(export )?(abstract )?(if|for|while|switch|case|default|catch|else|do|try|with|return|class|interface|type)\b/;
const FUNCTION_OR_ARROW = /\bfunction\b|=>\s*\{$/;
const METHOD = /^(?:[\w$]+\s+)*[*#]*[\w$.[\]"]+(?:<.*>)?\(.*\).*\{$/;

/** Functions, methods and arrow functions with a block of their own, found by indentation. */
export function functionSpans(text: string): readonly FunctionSpan[] {
  const lines = splitText(text).code.split("\n");
  const spans: Omit<FunctionSpan, "ownLines">[] = [];
  lines.forEach((line, i) => {
    if (!line.trimEnd().endsWith("{")) return;
    const indent = indentOf(line);
    let first = i; // a signature over several lines closes with `) {`: its name stands further up
    while (
      first > 0 &&
      (/^(\)( =>| \{|:)|>\()/.test(lines[first]!.trim()) || indentOf(lines[first]!) > indent)
    )
      first--;
    const head = lines
      .slice(first, i + 1)
      .map((part) => part.trim())
      .join(" ");
    if (!isFunctionHead(head)) return;
    const last = lines.findIndex((other, j) => j > i && indentOf(other) === indent && other.trim() !== "");
    spans.push({ line: first + 1, lines: (last === -1 ? lines.length : last + 1) - first, head });
  });
  return spans.map((span) => ({ ...span, ownLines: span.lines - linesOfInner(span, spans) }));
}

type Span = Pick<FunctionSpan, "line" | "lines">;

/** Lines of the outermost functions inside `span`. */
function linesOfInner(span: Span, all: readonly Span[]): number {
  const isInside = (inner: Span, outer: Span): boolean =>
    inner !== outer && inner.line >= outer.line && inner.line + inner.lines <= outer.line + outer.lines;
  const inside = all.filter((other) => isInside(other, span));
  const outermost = inside.filter((other) => !inside.some((outer) => isInside(other, outer)));
  return outermost.reduce((sum, other) => sum + other.lines, 0);
}

/** Balanced parentheses tell a method `name(…) {` from a call `name(…, {` that goes on. */
function isFunctionHead(head: string): boolean {
  if (FUNCTION_OR_ARROW.test(head)) return true;
  if (NOT_A_FUNCTION.test(head.replace(/^\} /, ""))) return false;
  return METHOD.test(head) && head.split("(").length === head.split(")").length;
}

function indentOf(line: string): number {
  return line.trim() === "" ? Infinity : line.length - line.trimStart().length;
}

/** A group of tests holds tables of cases; nobody reads it as one function. */
const GROUP_OF_TESTS = /^describe\b/;

export const functionLengths: Rule = (files) =>
  files.filter(isCode).flatMap((file) =>
    functionSpans(file.text)
      .filter((span) => span.ownLines > FUNCTION_LINES_MAX && !GROUP_OF_TESTS.test(span.head))
      .map(
        ({ line, ownLines, head }) =>
          `${file.path}:${line} has ${ownLines} lines of its own, at most ${FUNCTION_LINES_MAX}: ${head.slice(0, 60)}`,
      ),
  );

/** Only what a tool or a runtime asks for has a default export. */
const DEFAULT_EXPORT_ALLOWED =
  /^[a-z.-]+\.config\.ts$|^workers\/ingest\/edge\.ts$|^test\/edge\/[a-z-]+-worker\.ts$/;

export const noDefaultExports: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !DEFAULT_EXPORT_ALLOWED.test(file.path))
    .flatMap((file) =>
      findAll(
        file,
        splitText(file.text).code,
        /\bexport\s+default\b|\bas\s+default\b/g,
        "exports have names, so that a search finds them",
      ),
    );

/** The kernel's entry is the list of its exported functions; everything else is imported from where it lives. */
const BARREL_ALLOWED = /^core-as\/index\.ts$/;

export const noBarrels: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !BARREL_ALLOWED.test(file.path))
    .flatMap((file) => {
      const { code } = splitText(file.text);
      const reexport = /\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*["'] *["'];?/g;
      const rest = code.replace(reexport, "").replaceAll(/\bimport\b[^;]*;/g, "");
      const isBarrel = rest.trim() === "" && reexport.test(code);
      return isBarrel ? [`${file.path} only passes on what others export: import from there`] : [];
    });

export const headerComments: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !/\.(test|config)\.ts$/.test(file.path))
    .filter((file) => !/^(#!.*\n)?\s*\/[/*]/.test(file.text))
    .map((file) => `${file.path} starts without a comment that says what it is`);
