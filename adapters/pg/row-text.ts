/** The text of a row (`core/row-text.ts`) as an expression of PostgreSQL. */
import { type RowColumn, SEPARATOR } from "../../core/row-text.ts";
import type { ValueForm } from "../../core/ports/source.ts";

/** Of one call: a function takes 100. */
const ARGUMENTS_MAX = 90;
/** Of an array. */
const DIMENSIONS = [1, 2, 3, 4, 5, 6] as const;
const END = `${SEPARATOR}e`;
const EPOCH_2000_US = "946684800000000";

/** The text of a row. @param columns at least one */
export function rowTextSql(columns: readonly RowColumn[]): string {
  const parts = columns.flatMap((column) => [
    `'v'||${escaped(columnTextSql(column), column.form)}`,
    `'${END}'`,
  ]);
  const calls: string[] = [];
  for (let at = 0; at < parts.length; at += ARGUMENTS_MAX)
    calls.push(`concat(${parts.slice(at, at + ARGUMENTS_MAX).join(", ")})`);
  return calls.join(" || ");
}

/** The text of a column's value; NULL for NULL. */
export function columnTextSql({ name, form, element }: RowColumn): string {
  const value = quoteName(name);
  return form === "array" ? arraySql(value, element ?? "text") : valueSql(value, form);
}

function valueSql(value: string, form: ValueForm): string {
  const shown = `(${value})::text`;
  switch (form) {
    case "boolean":
    case "integer":
      return shown;
    case "decimal":
      return `case when strpos(${shown}, '.') > 0 then rtrim(rtrim(${shown}, '0'), '.') else ${shown} end`;
    case "float":
      // By its text: of a `real` it is what everybody reads, and what the lake has a double of.
      return `case when ${isHeldSql(value, form)} then encode(float8send(${shown}::float8), 'hex') else ${shown} end`;
    case "instant": {
      const us = `('x'||encode(timestamptz_send(${value}), 'hex'))::bit(64)::bigint + ${EPOCH_2000_US}`;
      return `case when ${isHeldSql(value, form)} then (${us})::text else ${shown} end`;
    }
    case "bytes":
      return `translate(encode(${value}, 'base64'), E'\\n', '')`;
    case "json":
    case "loose-json":
      return `nullif(${jsonSql(value)}, 'null')`;
    default:
      return shownSql(value);
  }
}

/** Whether a column of the lake can hold the value. */
function isHeldSql(value: string, form: ValueForm): string {
  switch (form) {
    case "float":
      return `${value} not in ('NaN', 'Infinity', '-Infinity')`;
    case "decimal":
      return `(${value})::text not in ('NaN', 'Infinity', '-Infinity')`;
    case "instant":
      return `${value} between '0001-01-01 00:00:00+00' and '9999-12-31 23:59:59.999999+00'`;
    case "date":
      return `${value} between '0001-01-01' and '9999-12-31'`;
    default:
      return "true";
  }
}

/** Line breaks are spaces in every payload. */
function jsonSql(value: string): string {
  return `translate(${value}::text, E'\\n\\r', '  ')`;
}

/** By the type's output function: a cast to text would take the spaces from the end of a character(n). */
function shownSql(value: string): string {
  return `case when ${value} is distinct from null then concat(${value}) end`;
}

/**
 * An array as the JSON that the lake has of it. Its elements come in one row, whatever its dimensions are; a bracket
 * opens (closes) before (behind) the element that begins (ends) a block of that dimension.
 */
function arraySql(value: string, element: ValueForm): string {
  const blocks = DIMENSIONS.map((dimension, first) => {
    const block = DIMENSIONS.slice(first).map((at) => `coalesce(array_length(${value}, ${at}), 1)`);
    return { isThere: `array_ndims(${value}) >= ${dimension}`, block: block.join("*") };
  });
  const brackets = (place: string): string =>
    blocks.map(({ isThere, block }) => `(${isThere} and (${place}) % (${block}) = 0)::int`).join(" + ");
  const one = `coalesce(${elementSql("one", element)}, 'null')`;
  const item = `repeat('[', ${brackets("place - 1")}) || ${one} || repeat(']', ${brackets("place")})`;
  const json = `(select coalesce(string_agg(${item}, ',' order by place), '[]')
    from unnest(${value}) with ordinality as elements(one, place))`;
  const hasPlainBounds = DIMENSIONS.map((at) => `coalesce(array_lower(${value}, ${at}), 1) = 1`).join(
    " and ",
  );
  const areHeld = `not exists (select 1 from unnest(${value}) as one where not (${isHeldSql("one", element)}))`;
  return `case when ${value} is null then null
    when ${hasPlainBounds} and ${areHeld} then ${json} else concat(${value}) end`;
}

/** As JSON. */
function elementSql(value: string, form: ValueForm): string {
  switch (form) {
    case "boolean":
    case "integer":
    case "float":
      return `${value}::text`;
    case "json":
    case "loose-json":
      return jsonSql(value);
    case "bytes":
      return `'"' || ${valueSql(value, form)} || '"'`;
    case "instant":
      return `'"' || to_char(${value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z"'`;
    default:
      return `to_json(${shownSql(value)})::text`;
  }
}

const FREE: ReadonlySet<ValueForm> = new Set(["text", "json", "loose-json", "array"]);

/** Nothing but free text can have the separator in it. */
function escaped(text: string, form: ValueForm): string {
  return FREE.has(form) ? `replace(${text}, '${SEPARATOR}', '${SEPARATOR}s')` : `(${text})`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
