/**
 * The fold in parts, for queries over so many changes that it would not fit into memory at once: changes, and the rows
 * that they are about, are put into tables, sorted by a hash of their key, and folded part by part into another one.
 * Tables go to disk where memory is short, so that a part is all that has to fit.
 */
import { quoteName } from "../query/quote.ts";
import {
  FOLD_PLACE,
  type FoldInput,
  foldQuery,
  IS_CHANGE,
  IS_UNKEYED,
  linkedKeys,
  KEY,
  VERSION,
} from "./fold.ts";

export interface FoldedParts {
  /** To be run first, in this order. */
  readonly statements: readonly string[];
  /** As `foldQuery`. */
  readonly select: string;
}

/** @param tag of the names of its tables, unique in the session */
export function foldInParts({ base, changes, columns }: FoldInput, parts: number, tag: string): FoldedParts {
  const names = columns.map(({ name }) => quoteName(name)).join(", ");
  const table = (name: string): string => `muara_${name}_${tag}`;
  const part = `(hash(source.shard, coalesce(event_key, event_id)) % ${parts})::INTEGER`;
  const key = "(source.shard, coalesce(event_key, event_id))";
  const linked = `SELECT "s=", "k=" FROM ${table("linked")} UNION ALL SELECT "s=", "pk=" FROM ${table("linked")}`;
  const folded = Array.from({ length: parts }, (_, one) => {
    // What a row goes on from may be in any part, and a truncate is about all of them.
    const isWanted = `"p=" = ${one} OR ${key} IN (${linked})`;
    const query = foldQuery({
      base: base === null ? null : `SELECT ${names} FROM ${table("touched")} WHERE ${isWanted}`,
      changes: `SELECT ${names}, ${FOLD_PLACE} FROM ${table("changes")} WHERE "p=" = -1 OR ${isWanted}`,
      columns,
    });
    return `INSERT INTO ${table("folded")} SELECT * FROM (${query}) WHERE ${part} = ${one}`;
  });
  const empty = `SELECT ${names} FROM ${table("changes")} WHERE false`;
  const statements = [
    `CREATE TABLE ${table("changes")} AS SELECT ${names}, ${FOLD_PLACE},
  CASE WHEN source.change = 'truncate' THEN -1 ELSE ${part} END AS "p="
  FROM (${changes}) WHERE ${IS_CHANGE} AND NOT (${IS_UNKEYED}) ORDER BY "p="`,
    `CREATE TABLE ${table("linked")} AS ${linkedKeys(1, table("changes"))}`,
    `CREATE TABLE ${table("keys")} AS SELECT DISTINCT ${KEY} FROM ${table("changes")} WHERE "p=" >= 0`,
    `CREATE TABLE ${table("cuts")} AS SELECT source.shard AS "s=", max(${VERSION}) AS "cut="
  FROM ${table("changes")} WHERE "p=" = -1 GROUP BY ALL`,
    `CREATE TABLE ${table("folded")} AS ${empty}`,
    ...(base === null
      ? []
      : [
          `CREATE TABLE ${table("touched")} AS SELECT ${names}, ${part} AS "p=" FROM (SELECT *, ${KEY} FROM (${base}))
  SEMI JOIN ${table("keys")} USING ("s=", "k=") ORDER BY "p="`,
        ]),
    ...folded,
    `DROP TABLE ${table("changes")}`,
    ...(base === null ? [] : [`DROP TABLE ${table("touched")}`]),
  ];
  const kept = `SELECT ${names} FROM (SELECT *, ${KEY}, ${VERSION} AS "v=" FROM (${base}))
  ANTI JOIN ${table("keys")} USING ("s=", "k=") LEFT JOIN ${table("cuts")} USING ("s=")
  WHERE "cut=" IS NULL OR "v=" > "cut="`;
  const rows = `SELECT ${names} FROM ${table("folded")}`;
  return { statements, select: base === null ? rows : `${kept} UNION ALL ${rows}` };
}
