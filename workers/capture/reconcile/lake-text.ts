/** The text of a row (`core/row-text.ts`) as an expression of DuckDB, from what landing made of the change. */
import { type RowColumn, SEPARATOR } from "../../../core/row-text.ts";
import type { ValueForm } from "../../../core/ports/source.ts";

const END = quoteText(`${SEPARATOR}e`);
const PLAIN = quoteText(SEPARATOR);
const ESCAPED = quoteText(`${SEPARATOR}s`);

/** Where a column of the source is in the lake. */
export interface LakeColumn extends Pick<RowColumn, "form"> {
  /** Expression of its value, and its type as DuckDB writes it. */
  readonly value: string;
  readonly lakeType: string;
  /** Expression of the text beside it. */
  readonly beside: string;
}

/** The digest of a row whose columns have these texts. @param columns at least one */
export function digestSql(columns: readonly { readonly text: string; readonly form: ValueForm }[]): string {
  const parts = columns.flatMap(({ text, form }) => [`'v' || ${escaped(text, form)}`, END]);
  return `md5(concat(${parts.join(", ")}))`;
}

/** The text of a column's value; NULL for NULL. */
export function columnTextSql({ form, value, lakeType, beside }: LakeColumn): string {
  const shown = lakeType === "VARCHAR" ? value : `CAST(${value} AS VARCHAR)`;
  if (form === "json" || form === "loose-json")
    return `nullif(coalesce(${shown}, translate(${beside}, chr(10) || chr(13), '  ')), 'null')`;
  return `coalesce(${valueSql(value, shown, form, lakeType)}, ${beside})`;
}

function valueSql(value: string, shown: string, form: ValueForm, lakeType: string): string {
  if (form === "float") return bitsSql(value);
  if (form === "instant" && lakeType.startsWith("TIMESTAMP")) return `CAST(epoch_us(${value}) AS VARCHAR)`;
  if (form !== "decimal") return shown;
  // The engine shows .50 for 0.50 where the type has no digit before its point.
  const text = `regexp_replace(${shown}, '^(-?)[.]', '\\10.')`;
  return `CASE WHEN contains(${text}, '.') THEN rtrim(rtrim(${text}, '0'), '.') ELSE ${text} END`;
}

/** The bits of a double, from its C notation (0x1.8p+1): sign and exponent, and thirteen digits of the fraction. */
function bitsSql(value: string): string {
  const text = `printf('%a', CAST(${value} AS DOUBLE))`;
  const exponent = `CAST(regexp_extract(${text}, 'p([+-][0-9]+)', 1) AS INTEGER)`;
  const biased = `CASE WHEN ${text} LIKE '%0x0%' THEN 0 ELSE ${exponent} + 1023 END`;
  const sign = `CASE WHEN ${text} LIKE '-%' THEN 2048 ELSE 0 END`;
  const fraction = `rpad(regexp_extract(${text}, '[.]([0-9a-f]+)p', 1), 13, '0')`;
  return `CASE WHEN ${value} IS NOT NULL THEN printf('%03x', ${sign} + ${biased}) || ${fraction} END`;
}

const FREE: ReadonlySet<ValueForm> = new Set(["text", "json", "loose-json", "array"]);

/** Nothing but free text can have the separator in it. */
function escaped(text: string, form: ValueForm): string {
  return FREE.has(form) ? `replace(${text}, ${PLAIN}, ${ESCAPED})` : text;
}

/** RFC 6901, of a member of an object. */
export function jsonPointer(...path: readonly string[]): string {
  return path.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
