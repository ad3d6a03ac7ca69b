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
 * However many changes there are, the engine's memory is enough, if it may spill: what is kept of a change is only its
 * place, key and version, in aggregates of fixed size and in joins, which go to disk. Whole rows are read again where
 * they are put out, by their place and with the columns that are asked for.
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
  /** SELECT of the changes, with all columns and `FOLD_PLACE`. Asked several times. */
  readonly changes: string;
  readonly columns: readonly FoldColumn[];
}

/** What the changes must have beside the columns. */
export const FOLD_PLACE = "log_partition, log_offset";

const KINDS = "('create', 'update', 'delete', 'copy', 'truncate')";
const BEGINS = "('base', 'create', 'copy', 'delete')";
/** 28 bits of incarnation, 64 of lsn, 30 of index. */
export const VERSION: string =
  "source.incarnation::HUGEINT * 19807040628566084398385987584 + source.lsn::HUGEINT * 1073741824 + source.index";
export const KEY = 'source.shard AS "s=", coalesce(event_key, event_id) AS "k="';
const UNCHANGED = "coalesce(source.unchanged, []::VARCHAR[])";
/** 50 bits of offset, 16 of partition; streams that landed one after the other differ in their ingest times. */
const PLACE = "(epoch_us(ingest_time)::HUGEINT * 1125899906842624 + log_offset) * 65536 + log_partition";

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
 * Of the changes in a table: shard and key under which a row goes on, `"pk="` the one before, as far as that
 * matters; `"slice="` and `"ps="` are their slices.
 */
export function linkedKeys(slices: number, changes = "muara_changes"): string {
  const keys = `SELECT ${KEY}, source.change AS "c=", ${VERSION} AS "v=", ${UNCHANGED} AS "x=" FROM ${changes}`;
  return `SELECT c."s=", c."k=", d."k=" AS "pk=", ${sliceOfKey('c."s="', 'c."k="', slices)} AS "slice=",
  ${sliceOfKey('d."s="', 'd."k="', slices)} AS "ps=" FROM (${keys} WHERE ${IS_CHANGE}) c
  JOIN (${keys} WHERE ${IS_CHANGE}) d ON d."s=" = c."s=" AND d."v=" = c."v=" - 1
  WHERE c."c=" = 'create' AND d."c=" = 'delete' AND len(c."x=") > 0`;
}

/** A SELECT of `columns`, in their order; rows in any. */
export function foldQuery({ base, changes, columns }: FoldInput): string {
  const names = columns.map(({ name }) => quoteName(name)).join(", ");
  const rows = base ?? `SELECT ${names} FROM (${changes}) WHERE false`;
  return `WITH RECURSIVE ${[...headsOf(names, rows, changes), ...lineage(), ...filled(columns)].join(",\n")}
SELECT ${names} FROM _base b LEFT JOIN _heads h USING ("s=", "k=") LEFT JOIN _cuts t USING ("s=")
  WHERE (t."cut=" IS NULL OR b."v=" > t."cut=") AND (h."v=" IS NULL OR b."v=" >= h."v=")
UNION ALL
SELECT ${names} FROM _all SEMI JOIN (SELECT "n=" FROM _last WHERE NOT "open=") USING ("n=")
UNION ALL
SELECT ${columns.map(toastColumn).join(", ")} FROM _all t
  SEMI JOIN _open o ON o."f=" = t."n=" LEFT JOIN _filled f ON f."f=" = t."n=" LEFT JOIN _beside b ON b."f=" = t."n="`;
}

/**
 * The newest change of each key (`_heads`; `how=`: 1 a delete, 2 not all of it is there) and those of them that are
 * rows now (`_last`). A row that was merged may be newer: then changes come again that it has, or came late. Only keys
 * are looked up that are old enough for that.
 */
function headsOf(names: string, rows: string, changes: string): readonly string[] {
  return [
    `_all AS NOT MATERIALIZED (SELECT ${names}, ${KEY}, source.change AS "c=", ${VERSION} AS "v=", ${PLACE} AS "n="
  FROM (${changes}) WHERE ${IS_CHANGE} AND NOT (${IS_UNKEYED}))`,
    `_narrow AS MATERIALIZED (SELECT "n=", "s=", "k=", "c=", "v=", ${UNCHANGED} AS "x=" FROM _all)`,
    `_cuts AS MATERIALIZED (SELECT "s=", max("v=") AS "cut=" FROM _narrow WHERE "c=" = 'truncate' GROUP BY "s=")`,
    `_heads AS MATERIALIZED (SELECT "s=", "k=", max("v=") AS "v=", arg_max("n=", "v=") AS "n=",
  arg_max(CASE WHEN "c=" = 'delete' THEN 1 WHEN len("x=") > 0 THEN 2 ELSE 0 END, "v=") AS "how="
  FROM _narrow WHERE "c=" <> 'truncate' GROUP BY "s=", "k=")`,
    `_base AS NOT MATERIALIZED (SELECT ${names}, ${KEY}, ${VERSION} AS "v=" FROM (${rows}))`,
    `_tops AS MATERIALIZED (SELECT "s=", max("v=") AS "top=" FROM _base GROUP BY "s=")`,
    `_old AS MATERIALIZED (SELECT h."s=", h."k=", h."v=" FROM _heads h JOIN _tops t USING ("s=")
  WHERE h."v=" <= t."top=")`,
    `_newer AS MATERIALIZED (SELECT o."s=", o."k=" FROM _base b JOIN _old o USING ("s=", "k=") WHERE b."v=" >= o."v=")`,
    `_last AS MATERIALIZED (SELECT h."n=", "how=" = 2 AS "open=", h."s=", h."k=" FROM _heads h
  LEFT JOIN _cuts t USING ("s=") ANTI JOIN _newer USING ("s=", "k=")
  WHERE "how=" <> 1 AND (t."cut=" IS NULL OR h."v=" > t."cut="))`,
  ];
}

/**
 * Of rows whose last version is not all there (`_open`): the versions before it, as places. A life of a key goes from
 * where a row begins to where it ends; lives are linked where a row goes on under another key.
 */
function lineage(): readonly string[] {
  return [
    `_open AS MATERIALIZED (SELECT "n=" AS "f=", "s=", "k=" FROM _last WHERE "open=")`,
    `_moves AS MATERIALIZED (SELECT c."s=", c."k=", d."k=" AS "pk=" FROM
  (SELECT "s=", "k=", "v=" FROM _narrow WHERE "c=" = 'create' AND len("x=") > 0 AND EXISTS (FROM _open)) c
  JOIN (SELECT "s=", "k=", "v=" FROM _narrow WHERE "c=" = 'delete') d ON d."s=" = c."s=" AND d."v=" = c."v=" - 1)`,
    `_about AS MATERIALIZED (SELECT "s=", "k=" FROM _open UNION SELECT "s=", "k=" FROM _moves
  UNION SELECT "s=", "pk=" FROM _moves)`,
    `_touched AS MATERIALIZED (SELECT b."s=", b."k=", b."v=", b."x=", -row_number() OVER () AS "n=" FROM
  (SELECT "s=", "k=", "v=", ${UNCHANGED} AS "x=" FROM _base) b SEMI JOIN _about USING ("s=", "k=")
  LEFT JOIN _cuts t USING ("s=") WHERE t."cut=" IS NULL OR b."v=" > t."cut=")`,
    `_items AS MATERIALIZED (SELECT a."n=", a."s=", a."k=", a."c=", a."v=", a."x=" FROM _narrow a
  SEMI JOIN _about USING ("s=", "k=") LEFT JOIN _cuts t USING ("s=")
  LEFT JOIN (SELECT "s=", "k=", "v=" AS "old=" FROM _touched) b USING ("s=", "k=")
  WHERE a."c=" <> 'truncate' AND (t."cut=" IS NULL OR a."v=" > t."cut=") AND (b."old=" IS NULL OR a."v=" > b."old=")
  UNION ALL SELECT "n=", "s=", "k=", 'base', "v=", "x=" FROM _touched)`,
    `_lives AS MATERIALIZED (SELECT *, count(*) FILTER ("c=" IN ${BEGINS})
  OVER (PARTITION BY "s=", "k=" ORDER BY "v=" ROWS UNBOUNDED PRECEDING) AS "l=" FROM _items)`,
    `_links AS MATERIALIZED (SELECT c."s=", c."k=", c."l=", d."k=" AS "pk=", d."l=" - 1 AS "pl=" FROM _lives c
  JOIN _lives d ON d."s=" = c."s=" AND d."v=" = c."v=" - 1 WHERE c."c=" = 'create' AND d."c=" = 'delete')`,
    `_own AS MATERIALIZED (SELECT l."n=" AS "f=", l."s=", l."k=", l."l=" FROM _lives l
  SEMI JOIN (SELECT "f=" AS "n=" FROM _open) USING ("n="))`,
    // What recurs stays in memory, so it begins with those that have a life before.
    `_chain AS (SELECT c."f=", k."s=", k."pk=" AS "k=", k."pl=" AS "l=" FROM _own c
  JOIN _links k USING ("s=", "k=", "l=")
  UNION SELECT c."f=", k."s=", k."pk=", k."pl=" FROM _chain c JOIN _links k USING ("s=", "k=", "l="))`,
    `_before AS MATERIALIZED (SELECT c."f=", l."n=", l."v=", l."x=" FROM (FROM _own UNION ALL FROM _chain) c
  JOIN _lives l USING ("s=", "k=", "l=") WHERE l."c=" <> 'delete')`,
  ];
}

/**
 * What those versions know. `_gaps`: of each open column (`i=`, its number here) the version that has its value. Mostly
 * one version has all that is missing of a row (`_ones`), so rows are put together by joins; only what several have
 * goes through memory. `_beside`: members of `extra`, and the names of what nobody knows.
 */
function filled(columns: readonly FoldColumn[]): readonly string[] {
  const open = columns.filter(({ fields }) => fields.length > 0);
  const list = open.map(({ fields }, i) => `(${i}, ${listOf(fields)})`).join(", ");
  const values = open.map(({ name }) => quoteName(name));
  const picked = values.map((value, i) => `any_value(${value}) FILTER (g."i=" = ${i}) AS ${value}`);
  const members = ['w."x="', `w."x=" || '${BESIDE_SUFFIX}'`].map(memberOf).join(", ");
  const wide = values.map((value) => `, ${value}`).join("");
  return [
    `_columns("i=", "fields=") AS (${list === "" ? "SELECT 0, []::VARCHAR[] WHERE false" : `VALUES ${list}`})`,
    `_wanted AS MATERIALIZED (SELECT o."f=", b."x=" FROM _open o
  JOIN _before b ON b."f=" = o."f=" AND b."n=" = o."f=")`,
    `_gaps AS MATERIALIZED (SELECT w."f=", c."i=",
  arg_max(b."n=", b."v=") FILTER (NOT list_has_any(b."x=", c."fields=")) AS "n="
  FROM _wanted w JOIN _columns c ON list_has_any(w."x=", c."fields=") JOIN _before b ON b."f=" = w."f="
  GROUP BY w."f=", c."i=")`,
    `_ones AS MATERIALIZED (SELECT "f=", min("n=") AS "n=" FROM _gaps GROUP BY "f=" HAVING min("n=") = max("n="))`,
    `_names AS MATERIALIZED (SELECT w."f=", w."x=", arg_max(b."n=", b."v=") FILTER (NOT list_contains(b."x=", w."x="))
  AS "n=" FROM (SELECT "f=", unnest("x=") AS "x=" FROM _wanted) w JOIN _before b USING ("f=")
  GROUP BY w."f=", w."x=")`,
    `_sources AS MATERIALIZED (SELECT "n=" FROM _gaps UNION SELECT "n=" FROM _names)`,
    `_known AS MATERIALIZED (SELECT "n=", extra AS "e="${wide} FROM _all SEMI JOIN _sources USING ("n=")
  UNION ALL SELECT "n=", extra${wide} FROM _base
  JOIN (SELECT "s=", "k=", "n=" FROM _touched SEMI JOIN _sources USING ("n=")) USING ("s=", "k="))`,
    `_filled AS (SELECT g."f="${wide} FROM _known JOIN _ones g USING ("n=")
  UNION ALL SELECT ${['g."f="', ...picked].join(", ")} FROM _known
  JOIN (SELECT * FROM _gaps ANTI JOIN _ones USING ("f=")) g USING ("n=") GROUP BY g."f=")`,
    `_beside AS (SELECT w."f=", list(w."x=" ORDER BY w."x=") FILTER (w."n=" IS NULL) AS "unknown=",
  string_agg(nullif(concat_ws(',', ${members}), ''), ',' ORDER BY w."x=") AS "members="
  FROM _names w LEFT JOIN (SELECT "n=", "e=" FROM _known WHERE "e=" IS NOT NULL) p USING ("n=")
  WHERE w."n=" IS NULL OR p."e=" IS NOT NULL GROUP BY w."f=")`,
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
