/** All statements that must not get through, with real paths in them, each under what it tries. */
import { ESCAPES } from "./escapes.ts";
import { bulkyEscapes, MORE_ESCAPES } from "./more-escapes.ts";

export interface Places {
  /** Exists, outside of the lake. */
  readonly file: string;
  /** A Parquet file of the lake, of a table that the asker may read. */
  readonly lake: string;
  /** A Parquet file of the lake, of a table that the asker may not read. */
  readonly other: string;
  /** Does not exist and must not come to. */
  readonly out: string;
}

/** [what it tries, SQL] */
export function escapeList(places: Places): readonly (readonly [string, string])[] {
  const classes = [...Object.entries(ESCAPES), ...Object.entries(MORE_ESCAPES)];
  const all = classes.flatMap(([what, statements]) => statements.map((sql) => [what, sql] as const));
  const bulky = bulkyEscapes().map((sql) => ["length and depth", sql] as const);
  return [...all, ...bulky].map(([what, sql]) => [what, fillIn(sql, places)] as const);
}

export function fillIn(sql: string, places: Places): string {
  return sql
    .replaceAll(/\bFILE(?=['"])/g, places.file)
    .replaceAll(/\bLAKE(?=['"])/g, places.lake)
    .replaceAll(/\bOTHER(?=['"])/g, places.other)
    .replaceAll(/\bOUT\b/g, places.out);
}
