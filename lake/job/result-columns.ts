/** A result's columns by types that a table of the lake has. */
import { ROW_ID_COLUMN, ROW_WATERMARK_COLUMN } from "../../core/job.ts";
import { quoteName } from "../query/quote.ts";
import type { JobKind } from "./plan.ts";
import type { Column } from "./planning-engine.ts";
import { JobRefused } from "./refusal.ts";

/** Types of the engine that have an exact likeness in the lake. */
const LIKENESS: Readonly<Record<string, string>> = {
  HUGEINT: "DECIMAL(38,0)",
  UBIGINT: "DECIMAL(20,0)",
  UINTEGER: "BIGINT",
  USMALLINT: "INTEGER",
  UTINYINT: "SMALLINT",
  UUID: "VARCHAR",
  JSON: "VARCHAR",
};
/** Words of the types that it has; the names of a struct's fields stand in quotes or are words as well. */
const KEPT =
  /^(VARCHAR|(BIG|SMALL|TINY)INT|INTEGER|DOUBLE|FLOAT|BOOLEAN|DATE|BLOB|TIMESTAMP WITH TIME ZONE|DECIMAL\([\d,]+\))$/;
/** Delta's tables have no such names. */
const BAD_NAME = /[ ,;{}()\n\t=]|^$/;

/** @param at of the SELECT, for refusals @throws JobRefused */
export function lakeColumns(columns: readonly Column[], at: number): readonly Column[] {
  const seen = new Set<string>();
  return columns.map(({ name, type }) => {
    if (BAD_NAME.test(name))
      throw new JobRefused(at, `A column of a table cannot be named ${quoteName(name)}.`, `${name} AS name`);
    if (seen.has(name.toLowerCase()))
      throw new JobRefused(at, `Two columns are named "${name}".`, "AS other_name");
    seen.add(name.toLowerCase());
    const kept = LIKENESS[type] ?? type;
    if (!isKept(kept)) throw new JobRefused(at, `Column "${name}" is of type ${type}.`, `CAST(${name} AS …)`);
    return { name, type: kept };
  });
}

/** Beside the result's an output table has columns of its own; rows that have landed may bear theirs. */
export function checkOwnColumns(columns: readonly Column[], kind: JobKind, at: number): void {
  for (const { name, type } of columns) {
    const own = name.toLowerCase();
    if (own === ROW_ID_COLUMN)
      throw new JobRefused(at, `Every job's table has a column ${own} of its own.`, `${name} AS other_name`);
    if (own !== ROW_WATERMARK_COLUMN || (kind === "rows" && type === "TIMESTAMP WITH TIME ZONE")) continue;
    const instead = kind === "rows" ? "the watermark of the input, as it is" : `${name} AS other_name`;
    throw new JobRefused(
      at,
      `Every job's table has a column ${own}, by which later jobs admit rows.`,
      instead,
    );
  }
}

/** The SELECT with those columns. It stands on lines of its own: it may end in a comment. */
export function withTypes(select: string, from: readonly Column[], to: readonly Column[]): string {
  if (from.every(({ type }, i) => type === to[i]!.type)) return select;
  const list = to.map(({ name, type }, i) =>
    type === from[i]!.type ? quoteName(name) : `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`,
  );
  return `SELECT ${list.join(", ")} FROM (\n${select}\n) AS muara_result`;
}

function isKept(type: string): boolean {
  if (KEPT.test(type)) return true;
  if (type.endsWith("[]")) return isKept(type.slice(0, -2));
  const nested = /^(STRUCT|MAP)\((.*)\)$/s.exec(type);
  if (!nested) return false;
  return partsOf(nested[2]!).every((part) =>
    isKept(nested[1] === "MAP" ? part : part.replace(/^("([^"]|"")*"|\S+) /, "")),
  );
}

/** Splits at the commas that stand in no parentheses and no quotes. */
function partsOf(list: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let isQuoted = false;
  let part = "";
  for (const character of list) {
    if (character === '"') isQuoted = !isQuoted;
    if (!isQuoted) depth += character === "(" ? 1 : character === ")" ? -1 : 0;
    if (character === "," && depth === 0 && !isQuoted) {
      parts.push(part.trim());
      part = "";
    } else part += character;
  }
  return [...parts, part.trim()];
}
