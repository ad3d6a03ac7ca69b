/** The statements by which a snapshot is summed up and looked into. Each subquery ends in OFFSET 0: it is run once. */
import type { TableShape } from "./snapshot-table.ts";
import { columnTextSql, rowTextSql } from "./row-text.ts";

/** @param from FROM and WHERE */
export function sumsSql(table: TableShape, slices: number, from: string): string {
  return `select slice, count(*) as rows,
      sum(('x'||left(digest, 16))::bit(64)::bigint)::text as first,
      sum(('x'||right(digest, 16))::bit(64)::bigint)::text as last
    from (select digest, ${sliceSql(slices)} as slice from (${digested(table, from)}) as digested offset 0) as summed
    group by slice`;
}

/** $1: the slices. */
export function digestsSql(table: TableShape, slices: number, from: string): string {
  return `select key, digest from (${digested(table, from)}) as digested where ${sliceSql(slices)} = any($1::int[])`;
}

/** $1: digests of keys. Values are c0, c1, … */
export function valuesSql(table: TableShape, from: string): string {
  const values = table.columns.map((column, place) => `${columnTextSql(column)} as c${place}`);
  return `select * from (${digested(table, from, values)}) as digested where key = any($1::text[])`;
}

function sliceSql(slices: number): string {
  return `(('x'||left(key, 8))::bit(32)::bigint & ${slices - 1})::int`;
}

function digested(table: TableShape, from: string, more: readonly string[] = []): string {
  const row = digestSql(rowTextSql(table.columns));
  const keys = table.columns.filter(({ name }) => table.key.includes(name));
  const others = more.map((value) => `, ${value}`).join("");
  if (keys.length === 0)
    return `select digest as key, * from (select ${row} as digest${others} ${from} offset 0) as plain`;
  return `select ${digestSql(rowTextSql(keys))} as key, ${row} as digest${others} ${from} offset 0`;
}

/** Of its UTF-8, whatever the database's own encoding is. */
function digestSql(text: string): string {
  return `md5(convert_to(${text}, 'UTF8'))`;
}
