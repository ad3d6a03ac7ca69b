/**
 * Many rows that take the place of those with their keys: what is there is deleted, and the rows go by COPY straight
 * into the table. So their values are read once, where a staging table has them read twice; the price is more dead
 * rows and more of the index. Only where nobody can see the difference, and only while no row is older than what is
 * there.
 */
import { setImmediate } from "node:timers/promises";
import type { Client } from "pg";
import { rowsOf } from "./connection.ts";
import { type Cell } from "./sink-changes.ts";
import { SHARD } from "./sink-columns.ts";
import { copyChunks, type Shape } from "./sink-copy.ts";
import { quotedTable } from "./sink-table.ts";
import { copyField, quoted } from "./sink-types.ts";

const CHUNK_CHARACTERS = 1 << 16;
/** An item of an array that needs no quotes; not NULL, which is none of digits. */
const BARE = /^[-0-9.]+$/;
/** Fewer are rather updated, where they are. */
export const REPLACED_ROWS = 2_000;

/** The rows are not what the short way takes: it is to be done again, carefully. */
export class NotPlain extends Error {}

/** Rows of a batch; of each key one. */
export interface WholeRows {
  readonly count: number;
  /** Never undefined: every column has a value or null. @param place of the column in the plan */
  readonly cell: (row: number, place: number) => Cell;
}

/**
 * @returns false, with nothing done, where somebody could see whether a row was replaced or updated
 * @throws NotPlain, and whatever the server says: 23505 where texts of a key differ and the key does not
 */
export async function replaceRows(client: Client, shape: Shape, rows: WholeRows): Promise<boolean> {
  const { table, plan } = shape;
  const { sql, places } = deleteSql(shape);
  const texts = places.map((place) => arrayOf(rows, place));
  const deleting = rowsOf<{ plain: boolean; stale: boolean | null }>(client, sql, texts);
  // Whoever waits below is told of an error; nobody else may be.
  deleting.catch(() => undefined);
  // The statement leaves with the next turn. While the server deletes, the rows are written down.
  await setImmediate();
  const chunks = chunksOf(plan.columns.length, rows);
  const [gone] = await deleting;
  if (gone?.plain !== true) return false;
  if (gone.stale === true) throw new NotPlain();
  const list = plan.columns.map(({ name }) => quoted(name)).join(", ");
  await copyChunks(client, `copy ${quotedTable(table)} (${list}) from stdin`, chunks);
  return true;
}

/** @returns the statement, and of which columns it wants the texts, one array each */
function deleteSql(shape: Shape): {
  readonly sql: string;
  readonly places: readonly number[];
} {
  const { table, plan, types } = shape;
  const { key, guard, columns } = plan;
  // On one shard nothing of another is known.
  const hasShard = guard.length > 0 && columns.some(({ name }) => name === SHARD);
  const names = [...new Set([...key, ...guard, ...(hasShard ? [SHARD] : [])])];
  const valueOf = (name: string): string => `s.v${names.indexOf(name)}::${types.get(name)!}`;
  const same = key.map((name) => `t.${quoted(name)} = ${valueOf(name)}`).join(" and ");
  const theirs = guard.map((name) => `t.${quoted(name)}`).join(", ");
  const stale = [
    ...(guard.length === 0 ? [] : [`((${theirs}) >= (${guard.map(valueOf).join(", ")}))`]),
    ...(hasShard ? [`t.${quoted(SHARD)} is distinct from ${valueOf(SHARD)}`] : []),
  ];
  const arrays = names.map((_, i) => `$${i + 1}::text[]`).join(", ");
  const values = names.map((_, i) => `v${i}`).join(", ");
  const sql = `with ${plainSql(shape)}, gone as (
      delete from ${quotedTable(table)} t using unnest(${arrays}) as s(${values})
      where (select plain from seen) and ${same}
      returning ${stale.length === 0 ? "false" : stale.join(" or ")} as stale)
    select (select plain from seen) as plain, (select bool_or(stale) from gone) as stale`;
  return { sql, places: names.map((name) => columns.findIndex((column) => column.name === name)) };
}

/** Nobody sees the difference: no trigger, foreign key or rule, no column but ours. */
function plainSql({ table, plan }: Shape): string {
  return `seen as materialized (
      select c.relkind = 'r' and not c.relhastriggers and not c.relhasrules and not c.relrowsecurity and
        (select count(*) from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) = ${plan.columns.length} as plain
      from pg_catalog.pg_class c where c.oid = '${quotedTable(table).replaceAll("'", "''")}'::regclass)`;
}

/** Texts of a column as one of PostgreSQL's arrays. */
function arrayOf({ count, cell }: WholeRows, place: number): string {
  let text = "{";
  for (let row = 0; row < count; row++) {
    const value = cell(row, place);
    const item = value === null || value === undefined ? "NULL" : itemOf(value);
    text += row === 0 ? item : `,${item}`;
  }
  return `${text}}`;
}

function itemOf(text: string): string {
  return BARE.test(text) ? text : `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

function chunksOf(columns: number, { count, cell }: WholeRows): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let text = "";
  for (let row = 0; row < count; row++) {
    text += copyField(cell(row, 0) ?? null);
    for (let place = 1; place < columns; place++) text += `\t${copyField(cell(row, place) ?? null)}`;
    text += "\n";
    if (text.length < CHUNK_CHARACTERS) continue;
    chunks.push(Buffer.from(text));
    text = "";
  }
  chunks.push(Buffer.from(text));
  return chunks;
}
