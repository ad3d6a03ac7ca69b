/**
 * The fold of changes over rows: SQL that gives the newest version of each row, from rows that were merged before and
 * changes since. The same text merges (lake/current/merge-job.ts) and answers queries (lake/query/view.ts).
 *
 * A row is known by its shard and its key; without a key, where a table only gets inserts, by the id of the insert.
 * Changes of a shard are ordered by (incarnation, lsn, index), here as one number. A truncate takes every row of its
 * shard that is older. A column that a change left alone, and that the source did not send, keeps the value of the
 * row's version before. A create right behind a delete, at the next index of its transaction, is the same row under
 * another key, so for that one the versions of the deleted row count. What nobody knows stays named in
 * `source.unchanged`.
 *
 * Names of its own end in "=", which no column of a table can have in its name.
 */
import { BESIDE_SUFFIX } from "../../core/change.ts";
import { quoteName, quoteText } from "../query/quote.ts";

export interface FoldColumn {
  readonly name: string;
  /** What it may be called in `data`; [] for columns of the envelope. */
  readonly fields: readonly string[];
}

export interface FoldInput {
  /** SELECT of the rows that were merged, with all columns; null: there are none. */
  readonly base: string | null;
  /** SELECT of the changes, with all columns. */
  readonly changes: string;
  readonly columns: readonly FoldColumn[];
}

const KINDS = "('create', 'update', 'delete', 'copy', 'truncate')";
const BEGINS = "('base', 'create', 'copy', 'delete')";
/** 28 bits of incarnation, 64 of lsn, 30 of index. */
const VERSION =
  "source.incarnation::HUGEINT * 19807040628566084398385987584 + source.lsn::HUGEINT * 1073741824 + source.index";
const KEY = 'source.shard AS "s=", coalesce(event_key, event_id) AS "k="';
/** What the choice of the last versions needs. `open=`: not all of it is there. */
const NARROW = '"n=", "s=", "k=", "c=", "v=", coalesce(len(source.unchanged), 0) > 0 AS "open="';
const UNCHANGED = "coalesce(source.unchanged, []::VARCHAR[])";

/** Rows of the change table that are changes: of something that has a key, or inserts. */
export const IS_CHANGE: string =
  `source.shard IS NOT NULL AND source.incarnation IS NOT NULL AND source.lsn IS NOT NULL AND ` +
  `source.index IS NOT NULL AND source.change IN ${KINDS}`;
/** Of these, what no row can be found for. */
export const IS_UNKEYED = "event_key IS NULL AND source.change IN ('update', 'delete')";

/** In which slice of a table a row is, a text. */
export function sliceOf(slices: number): string {
  return sliceOfKey("source.shard", "coalesce(event_key, event_id)", slices);
}

function sliceOfKey(shard: string, key: string, slices: number): string {
  return `(md5_number_lower(${shard} || chr(31) || ${key}) % ${slices})::VARCHAR`;
}

/**
 * Of the changes in `muara_changes`: shard and key under which a row goes on, `"pk="` the one before, as far as that
 * matters; `"slice="` and `"ps="` are their slices.
 */
export function linkedKeys(slices: number): string {
  const keys = `SELECT ${KEY}, source.change AS "c=", ${VERSION} AS "v=", ${UNCHANGED} AS "x=" FROM muara_changes`;
  return `SELECT c."s=", c."k=", d."k=" AS "pk=", ${sliceOfKey('c."s="', 'c."k="', slices)} AS "slice=",
  ${sliceOfKey('d."s="', 'd."k="', slices)} AS "ps=" FROM (${keys} WHERE ${IS_CHANGE}) c
  JOIN (${keys} WHERE ${IS_CHANGE}) d ON d."s=" = c."s=" AND d."v=" = c."v=" - 1
  WHERE c."c=" = 'create' AND d."c=" = 'delete' AND len(c."x=") > 0`;
}

/** A SELECT of `columns`, in their order; rows in any. */
export function foldQuery({ base, changes, columns }: FoldInput): string {
  const names = columns.map(({ name }) => quoteName(name)).join(", ");
  const rows = base === null ? `SELECT ${names} FROM (${changes}) WHERE false` : base;
  const whole = `SEMI JOIN (SELECT "n=" FROM _last WHERE NOT "open=") USING ("n=")`;
  return `WITH RECURSIVE ${[...itemsOf(names, rows, changes), ...lineage(names), ...filled(columns)].join(",\n")}
SELECT ${names} FROM _kept ANTI JOIN _keys USING ("s=", "k=")
UNION ALL
SELECT ${names} FROM _all ${whole}
UNION ALL
SELECT ${names} FROM _touched ${whole}
UNION ALL
SELECT ${columns.map(toastColumn).join(", ")}
FROM _open t JOIN _filled f ON f."f=" = t."n=" JOIN _beside b ON b."f=" = t."n="`;
}

/** The changes, the rows that they are about, and the last version of each. `n=` is unique; few columns are wide. */
function itemsOf(names: string, rows: string, changes: string): readonly string[] {
  return [
    `_all AS MATERIALIZED (SELECT ${names}, ${KEY}, source.change AS "c=", ${VERSION} AS "v=",
  row_number() OVER () AS "n=" FROM (${changes}) WHERE ${IS_CHANGE} AND NOT (${IS_UNKEYED}))`,
    `_cuts AS MATERIALIZED (SELECT "s=", max("v=") AS "cut=" FROM _all WHERE "c=" = 'truncate' GROUP BY "s=")`,
    `_keys AS MATERIALIZED (SELECT DISTINCT "s=", "k=" FROM _all WHERE "c=" <> 'truncate')`,
    `_base AS (SELECT ${names}, ${KEY}, ${VERSION} AS "v=" FROM (${rows}))`,
    `_kept AS (SELECT b.* FROM _base b LEFT JOIN _cuts t USING ("s=") WHERE t."cut=" IS NULL OR b."v=" > t."cut=")`,
    `_touched AS MATERIALIZED (SELECT *, 'base' AS "c=", -row_number() OVER () AS "n=" FROM _kept
  SEMI JOIN _keys USING ("s=", "k="))`,
    `_items AS MATERIALIZED (SELECT ${NARROW} FROM _all a LEFT JOIN _cuts t USING ("s=")
  LEFT JOIN (SELECT "s=", "k=", "v=" AS "old=" FROM _touched) b USING ("s=", "k=")
  WHERE "c=" <> 'truncate' AND (t."cut=" IS NULL OR "v=" > t."cut=") AND (b."old=" IS NULL OR "v=" > b."old=")
  UNION ALL SELECT ${NARROW} FROM _touched)`,
    `_last AS MATERIALIZED (SELECT * FROM _items
  SEMI JOIN (SELECT arg_max("n=", "v=") AS "n=" FROM _items GROUP BY "s=", "k=") USING ("n=") WHERE "c=" <> 'delete')`,
  ];
}

/**
 * Of rows whose last version is not all there (`_open`): the versions before it. A life of a key goes from where a row
 * begins to where it ends; lives are linked where a row goes on under another key.
 */
function lineage(names: string): readonly string[] {
  return [
    `_wide AS (SELECT ${names}, "v=", "n=" FROM _all UNION ALL SELECT ${names}, "v=", "n=" FROM _touched)`,
    `_open AS MATERIALIZED (SELECT * FROM _wide SEMI JOIN (SELECT "n=" FROM _last WHERE "open=") USING ("n="))`,
    `_lives AS MATERIALIZED (SELECT "n=", "s=", "k=", "v=", "c=", count(*) FILTER ("c=" IN ${BEGINS})
  OVER (PARTITION BY "s=", "k=" ORDER BY "v=" ROWS UNBOUNDED PRECEDING) AS "l="
  FROM _items WHERE EXISTS (SELECT 1 FROM _open))`,
    `_links AS MATERIALIZED (SELECT c."s=", c."k=", c."l=", d."k=" AS "pk=", d."l=" - 1 AS "pl=" FROM _lives c
  JOIN _lives d ON d."s=" = c."s=" AND d."v=" = c."v=" - 1 WHERE c."c=" = 'create' AND d."c=" = 'delete')`,
    `_chain AS (SELECT l."n=" AS "f=", l."s=", l."k=", l."l=" FROM _lives l SEMI JOIN _open USING ("n=")
  UNION SELECT c."f=", k."s=", k."pk=", k."pl=" FROM _chain c JOIN _links k USING ("s=", "k=", "l="))`,
    `_before AS MATERIALIZED (SELECT c."f=", w.* FROM _chain c JOIN _lives l USING ("s=", "k=", "l=")
  JOIN _wide w ON w."n=" = l."n=" WHERE l."c=" <> 'delete')`,
  ];
}

/** What those versions know: `_filled` the columns, `_beside` the members of `extra` and the names of the rest. */
function filled(columns: readonly FoldColumn[]): readonly string[] {
  const values = columns.flatMap(({ name, fields }) => {
    if (fields.length === 0) return [];
    const isKnown = `NOT list_has_any(${UNCHANGED}, ${listOf(fields)})`;
    return [`arg_max_null(${quoteName(name)}, "v=") FILTER (${isKnown}) AS ${quoteName(name)}`];
  });
  const members = ['w."x="', `w."x=" || '${BESIDE_SUFFIX}'`].map(memberOf).join(", ");
  return [
    `_filled AS (SELECT "f="${values.map((value) => `, ${value}`).join("")} FROM _before GROUP BY "f=")`,
    `_wanted AS (SELECT "n=" AS "f=", unnest(source.unchanged) AS "x=" FROM _open)`,
    `_pieces AS (SELECT w."f=", w."x=", arg_max_null(i.extra, i."v=") AS "e=" FROM _wanted w
  JOIN _before i ON i."f=" = w."f=" AND NOT list_contains(coalesce(i.source.unchanged, []::VARCHAR[]), w."x=")
  GROUP BY w."f=", w."x=")`,
    `_beside AS (SELECT w."f=", list(w."x=" ORDER BY w."x=") FILTER (p."f=" IS NULL) AS "unknown=",
  string_agg(nullif(concat_ws(',', ${members}), ''), ',' ORDER BY w."x=") AS "members="
  FROM _wanted w LEFT JOIN _pieces p USING ("f=", "x=") GROUP BY w."f=")`,
  ];
}

/** A member of what was kept beside, as JSON; NULL where it is not there. @param name SQL */
function memberOf(name: string): string {
  const pointer = `'/data/' || replace(replace(${name}, '~', '~0'), '/', '~1')`;
  return `to_json(${name})::VARCHAR || ':' || json_extract(p."e=", ${pointer})::VARCHAR`;
}

function listOf(texts: readonly string[]): string {
  return `[${texts.map(quoteText).join(", ")}]`;
}

function toastColumn({ name, fields }: FoldColumn): string {
  const quoted = quoteName(name);
  if (name === "source") return `struct_update(t.source, unchanged := b."unknown=") AS source`;
  if (name === "extra")
    return `CASE WHEN b."members=" IS NULL THEN t.extra
  WHEN t.extra IS NULL THEN '{"data":{' || b."members=" || '}}'
  ELSE json_merge_patch(t.extra, '{"data":{' || b."members=" || '}}')::VARCHAR END AS extra`;
  if (fields.length === 0) return `t.${quoted}`;
  const isOpen = `list_has_any(t.source.unchanged, ${listOf(fields)})`;
  return `CASE WHEN ${isOpen} THEN f.${quoted} ELSE t.${quoted} END AS ${quoted}`;
}
