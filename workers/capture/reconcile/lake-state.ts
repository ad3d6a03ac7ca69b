/** The changes of a captured table up to one place, and the rows that they left, as common table expressions. */
import { BESIDE_SUFFIX } from "../../../core/change.ts";
import type { PlacedColumn } from "./lake-columns.ts";
import { columnTextSql, digestSql, jsonPointer, quoteName, quoteText } from "./lake-text.ts";

export interface LakeStateRequest {
  readonly eventType: string;
  readonly shard: string;
  /** Of the slot; changes of later ones do not count. */
  readonly incarnation: number;
  /** Changes that committed there or later do not count. */
  readonly lsn: bigint;
  readonly columns: readonly PlacedColumn[];
  /** Names in the source; [] for none. */
  readonly key: readonly string[];
  /** Keys in `data` that some change has left out. */
  readonly unsent: ReadonlySet<string>;
}

const ORDER = `source.incarnation, source.lsn, source."index"`;
const NEWEST_FIRST = `source.incarnation DESC, source.lsn DESC, source."index" DESC`;

/** `WITH …, digested`: key, digest, sign (−1 takes a row away), and the texts of all columns as c0, c1, … */
export function stateSql(request: LakeStateRequest): string {
  const { key, columns } = request;
  const hasKey = key.length > 0;
  const texts = columns.map((column, place) => `${columnTextSql(column)} AS ${textName(place)}`).join(", ");
  const digest = digestSql(columns.map((column, place) => ({ text: textName(place), form: column.form })));
  return `WITH RECURSIVE ${changesSql(request)},
    texts AS (SELECT source, "before", ${texts} FROM changes),
    ${hasKey ? keyedSql(request) : unkeyedSql(request)},
    digested AS (SELECT *, ${digest} AS digest${hasKey ? "" : ", digest AS key"} FROM state)`;
}

/** Those of this shard since the last truncate. */
function changesSql({ eventType, shard, incarnation, lsn }: LakeStateRequest): string {
  return `known AS (SELECT * FROM ${quoteName(eventType)} WHERE source.shard = ${quoteText(shard)}
      AND (source.incarnation < ${incarnation} OR source.incarnation = ${incarnation} AND source.lsn < ${lsn})),
    cut AS (SELECT row(${ORDER}) AS place FROM known WHERE source.change = 'truncate' ORDER BY ${NEWEST_FIRST} LIMIT 1),
    changes AS (SELECT * FROM known WHERE source.change <> 'truncate'
      AND coalesce(row(${ORDER}) > (SELECT place FROM cut), true))`;
}

function keyedSql(request: LakeStateRequest): string {
  const { key, columns, unsent } = request;
  const keyTexts = columns.flatMap(({ name, form }, place) =>
    key.includes(name) ? [{ text: textName(place), form }] : [],
  );
  const left = columns.flatMap(({ field }, place) =>
    unsent.has(field) ? [{ field, text: textName(place) }] : [],
  );
  const newest = `QUALIFY row_number() OVER (PARTITION BY key ORDER BY ${NEWEST_FIRST}) = 1`;
  const rows =
    left.length === 0
      ? `newest AS (SELECT * FROM keyed ${newest})`
      : `${filledSql(left)}, newest AS (SELECT * FROM filled ${newest})`;
  return `keyed AS (SELECT *, ${digestSql(keyTexts)} AS key FROM texts), ${rows},
    state AS (SELECT *, 1 AS sign FROM newest WHERE source.change <> 'delete')`;
}

/**
 * A column that a change has left out has the value of the change before it. Right behind the delete of a row whose key
 * was changed comes its create, which leaves out what has stayed as it was: a life of a key that begins so goes on with
 * the values of the life that has ended there, which may have begun in the same way.
 */
function filledSql(left: readonly { readonly field: string; readonly text: string }[]): string {
  const lists = (sqlOf: (text: string) => string): string =>
    left.map(({ text }) => sqlOf(`f_${text}`)).join(", ");
  const sent = left.map(({ field, text }) => {
    const isLeft = `coalesce(list_contains(source.unchanged, ${quoteText(field)}), false)`;
    return `CASE WHEN source.change <> 'delete' AND NOT ${isLeft} THEN {text: ${text}} END AS f_${text}`;
  });
  const last = lists((name) => `last_value(${name} IGNORE NULLS) OVER life AS ${name}`);
  return `numbered AS (SELECT *, row_number() OVER (ORDER BY ${ORDER}) AS nth, ${sent.join(", ")} FROM keyed),
    moved AS (SELECT made.nth AS begins FROM numbered AS made JOIN numbered AS gone ON made.nth = gone.nth + 1
      WHERE made.source.change = 'create' AND len(made.source.unchanged) > 0 AND gone.source.change = 'delete'
        AND made.source.incarnation = gone.source.incarnation AND made.source.lsn = gone.source.lsn),
    lives AS (SELECT numbered.*, max(begins) OVER (PARTITION BY key ORDER BY nth ROWS UNBOUNDED PRECEDING) AS begins
      FROM numbered LEFT JOIN moved ON nth = begins),
    told AS (SELECT * REPLACE (${last}) FROM lives
      WINDOW life AS (PARTITION BY key, begins ORDER BY nth ROWS UNBOUNDED PRECEDING)),
    back AS (SELECT nth, begins, ${lists((name) => name)}, 0 AS steps FROM told
      WHERE begins IS NOT NULL AND (${left.map(({ text }) => `f_${text} IS NULL`).join(" OR ")})
      UNION ALL SELECT back.nth, told.begins, ${lists((name) => `coalesce(back.${name}, told.${name})`)}, steps + 1
      FROM back JOIN told ON told.nth = back.begins - 1),
    whole AS (SELECT nth, ${lists((name) => `arg_max(${name}, steps) AS w${name}`)} FROM back GROUP BY nth),
    filled AS (SELECT told.* REPLACE (${left
      .map(({ text }) => `struct_extract(coalesce(f_${text}, wf_${text}), 'text') AS ${text}`)
      .join(", ")}) FROM told LEFT JOIN whole USING (nth))`;
}

function unkeyedSql({ columns }: LakeStateRequest): string {
  const gone = columns.map((column, place) => `${beforeTextSql(column)} AS ${textName(place)}`).join(", ");
  return `state AS (SELECT *, 1 AS sign FROM texts WHERE source.change <> 'delete'
      UNION ALL BY NAME SELECT source, ${gone}, -1 AS sign FROM texts WHERE "before" IS NOT NULL)`;
}

/** Of a row that was. Columns whose text JSON functions would change are asked for by nobody: see `checkBefore`. */
function beforeTextSql({ field, form }: PlacedColumn): string {
  const shown = inBefore(field);
  const column = { form, beside: inBefore(field + BESIDE_SUFFIX) };
  if (form === "float")
    return columnTextSql({ ...column, value: `CAST(${shown} AS DOUBLE)`, lakeType: "DOUBLE" });
  if (form !== "instant") return columnTextSql({ ...column, value: shown, lakeType: "VARCHAR" });
  const value = `CAST(${shown} AS TIMESTAMP WITH TIME ZONE)`;
  return columnTextSql({ ...column, value, lakeType: "TIMESTAMP WITH TIME ZONE" });
}

function inBefore(field: string): string {
  return `json_extract_string("before", ${quoteText(jsonPointer(field))})`;
}

function textName(place: number): string {
  return `c${place}`;
}
