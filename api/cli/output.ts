/**
 * Data on stdout in the format asked for. A table has two spaces between columns, no boxes, numbers to the right.
 * Values come from events, so nothing in them may steer the terminal: control characters are shown, not sent.
 */
import { coloured } from "./colour.ts";
import { relativeTime } from "./relative-time.ts";
import type { OutputFormat, TableStyle, Writer } from "./services.ts";

const CELL_LENGTH_MAX = 80;
/** What a narrow terminal leaves of a long cell. Cells up to the second, ids and times among them, are never cut. */
const CELL_LENGTH_MIN = 16;
const CELL_LENGTH_KEPT = 40;

export interface Field {
  readonly name: string;
  readonly isNumber?: boolean;
}

export type Row = readonly unknown[];

/** @param rows [row][field], JSON-ready values */
export function printRows(
  out: Writer,
  format: OutputFormat,
  fields: readonly Field[],
  rows: readonly Row[],
): void {
  switch (format) {
    case "json":
      out.write(
        `${JSON.stringify(
          rows.map((row) => objectOf(fields, row)),
          null,
          2,
        )}\n`,
      );
      return;
    case "jsonl":
      for (const row of rows) out.write(`${JSON.stringify(objectOf(fields, row))}\n`);
      return;
    case "csv":
      out.write(`${fields.map((field) => csvField(field.name)).join(",")}\r\n`);
      for (const row of rows) out.write(`${row.map((value) => csvField(value)).join(",")}\r\n`);
      return;
    default:
      out.write(tableText(fields, rows, out.style));
  }
}

/** Prints a list of objects: some of their keys as a table, all of them as JSON. */
export function printObjects(
  out: Writer,
  format: OutputFormat,
  fields: readonly Field[],
  objects: readonly Readonly<Record<string, unknown>>[],
): void {
  if (format === "json") {
    out.write(`${JSON.stringify(objects, null, 2)}\n`);
  } else if (format === "jsonl") {
    for (const object of objects) out.write(`${JSON.stringify(object)}\n`);
  } else {
    const { style } = out;
    const isTimed = format === "table" && style !== undefined;
    const rows = objects.map((object) =>
      fields.map(({ name }) => (isTimed ? timed(name, object[name], style) : object[name])),
    );
    printRows(out, format, fields, rows);
  }
}

/** Prints one object: `name  value` lines as a table. */
export function printObject(
  out: Writer,
  format: OutputFormat,
  object: Readonly<Record<string, unknown>>,
): void {
  if (format === "table") {
    const width = Math.max(...Object.keys(object).map((name) => name.length));
    for (const [name, value] of Object.entries(object))
      out.write(
        `${name.padEnd(width)}  ${visible(cellText(out.style ? timed(name, value, out.style) : value))}\n`,
      );
  } else
    printRows(
      out,
      format,
      Object.keys(object).map((name) => ({ name })),
      [Object.values(object)],
    );
}

/** @param style absent: cells are cut at 80 characters, no colours */
export function tableText(fields: readonly Field[], rows: readonly Row[], style?: TableStyle): string {
  const isWide = style?.isWide === true;
  const uncut = rows.map((row) => row.map((value) => visible(cellText(value))));
  const lengths = (cells: readonly (readonly string[])[]): number[] =>
    fields.map((field, i) =>
      cells.reduce(
        (width, row) => Math.max(width, displayWidth(row[i] ?? "")),
        displayWidth(visible(field.name)),
      ),
    );
  const longest = isWide ? [] : fitted(lengths(uncut), style?.columns);
  const cells = isWide ? uncut : uncut.map((row) => row.map((text, i) => short(text, longest[i]!)));
  const widths = lengths(cells);
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => {
        const space = " ".repeat(Math.max(0, widths[i]! - displayWidth(text)));
        return fields[i]!.isNumber ? space + text : text + space;
      })
      .join("  ")
      .trimEnd();
  const head = line(fields.map((field) => visible(field.name)));
  const lines = [style?.isColoured === true ? coloured("bold", head) : head, ...cells.map(line)];
  return lines.map((text) => `${text}\n`).join("");
}

/**
 * How long cells may be, in characters: within `columns` where cutting the long ones is enough for it, the longest
 * first; a table of many columns is wider than its terminal all the same.
 * @param lengths [field]
 */
function fitted(lengths: readonly number[], columns = Infinity): readonly number[] {
  const longest = lengths.map((length) => Math.min(length, CELL_LENGTH_MAX));
  const width = (): number => longest.reduce((sum, length) => sum + length + 2, -2);
  const isLong = longest.map((length) => length > CELL_LENGTH_KEPT);
  while (width() > columns) {
    const most = Math.max(0, ...longest.filter((_, i) => isLong[i]));
    if (most <= CELL_LENGTH_MIN) break;
    longest[longest.findIndex((length, i) => isLong[i] && length === most)]! -= 1;
  }
  return longest;
}

function timed(name: string, value: unknown, style: TableStyle): unknown {
  return relativeTime(name, value, style.nowMs, style.isWide) ?? value;
}

/** Control characters (also C1, and the marks that turn the writing direction) as escapes. */
export function visible(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- these are what must not reach the terminal
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      if (character === "\n") return "\\n";
      if (character === "\t") return "\\t";
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    },
  );
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "-";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

function short(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : text;
}

function displayWidth(text: string): number {
  return Array.from(text).length;
}

function objectOf(fields: readonly Field[], row: Row): Record<string, unknown> {
  return Object.fromEntries(fields.map((field, i) => [field.name, row[i] ?? null]));
}

function csvField(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === "") return '""';
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
