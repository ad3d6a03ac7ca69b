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
  return `WITH ${changesSql(request)},
    texts AS (SELECT source, "before", ${texts} FROM changes),
    ${hasKey ? keyedSql(request) : unkeyedSql(request)},
    digested AS (SELECT *, ${digest} AS digest${hasKey ? "" : ", digest AS key"} FROM state)`;
}

/** Those of this shard since the last truncate. */
function changesSql({ eventType, shard, incarnation, lsn }: LakeStateRequest): string {
  return `told AS (SELECT * FROM ${quoteName(eventType)} WHERE source.shard = ${quoteText(shard)}
      AND (source.incarnation < ${incarnation} OR source.incarnation = ${incarnation} AND source.lsn < ${lsn})),
    cut AS (SELECT row(${ORDER}) AS place FROM told WHERE source.change = 'truncate' ORDER BY ${NEWEST_FIRST} LIMIT 1),
    changes AS (SELECT * FROM told WHERE source.change <> 'truncate'
      AND coalesce(row(${ORDER}) > (SELECT place FROM cut), true))`;
}

/** A column that a change has left out has the value of the change before it. */
function keyedSql({ key, columns, unsent }: LakeStateRequest): string {
  const keyTexts = columns.flatMap(({ name, form }, place) =>
    key.includes(name) ? [{ text: textName(place), form }] : [],
  );
  const filled = columns.flatMap(({ field }, place) => {
    if (!unsent.has(field)) return [];
    const isSent = `NOT coalesce(list_contains(source.unchanged, ${quoteText(field)}), false)`;
    const sent = `CASE WHEN ${isSent} THEN {text: ${textName(place)}} END`;
    return [`struct_extract(last_value(${sent} IGNORE NULLS) OVER life, 'text') AS ${textName(place)}`];
  });
  const filling = filled.length > 0 ? ` REPLACE (${filled.join(", ")})` : "";
  const life = `WINDOW life AS (PARTITION BY key ORDER BY ${ORDER} ROWS UNBOUNDED PRECEDING)`;
  return `keyed AS (SELECT *, ${digestSql(keyTexts)} AS key FROM texts),
    filled AS (SELECT *${filling} FROM keyed ${filled.length > 0 ? life : ""}),
    newest AS (SELECT * FROM filled QUALIFY row_number() OVER (PARTITION BY key ORDER BY ${NEWEST_FIRST}) = 1),
    state AS (SELECT *, 1 AS sign FROM newest WHERE source.change <> 'delete')`;
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
