/** What a snapshot's table is made of: columns, key, and the files that hold its rows. */
import type { Client, QueryResultRow } from "pg";
import { MuaraError } from "../../core/errors.ts";
import type { SnapshotTable, SummedRows } from "../../core/ports/snapshot.ts";
import type { RowColumn } from "../../core/row-text.ts";
import { rowsOf } from "./connection.ts";
import { readTypes, typeForm } from "./type-form.ts";

export type TableShape = Omit<SnapshotTable, keyof SummedRows>;

/** A table that has rows of its own: one that is partitioned has those of its partitions. */
export interface TableFile {
  readonly schema: string;
  readonly name: string;
  readonly pages: number;
  /** Whether its rows can be read by their place. */
  readonly hasRanges: boolean;
}

interface ColumnRow {
  readonly name: string;
  readonly typeId: number;
  readonly modifier: number;
  readonly typeName: string;
  readonly isKey: boolean;
}

const TABLE = `
  select c.oid::text as oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')`;

const COLUMNS = `
  select a.attname as name, a.atttypid as "typeId", a.atttypmod as modifier,
    format_type(a.atttypid, a.atttypmod) as "typeName",
    a.attnum = any(coalesce((i.indkey::int2[])[0:i.indnkeyatts - 1], '{}')) as "isKey"
  from pg_attribute a join pg_class c on c.oid = a.attrelid
    left join pg_index i on i.indrelid = c.oid and
      case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end
  where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  order by a.attnum`;

const FILES = `
  with recursive tree as (
    select $1::oid as oid
    union all select i.inhrelid from pg_inherits i join tree on tree.oid = i.inhparent
      join pg_class parent on parent.oid = i.inhparent and parent.relkind = 'p')
  select n.nspname as schema, c.relname as name,
    (pg_relation_size(c.oid) / current_setting('block_size')::int)::int as pages,
    coalesce(am.amname = 'heap', false) as "hasRanges"
  from tree join pg_class c on c.oid = tree.oid join pg_namespace n on n.oid = c.relnamespace
    left join pg_am am on am.oid = c.relam
  where c.relkind <> 'p' order by c.oid`;

const ESTIMATE = `
  select coalesce(sum(greatest(c.reltuples, pg_relation_size(c.oid) / 200)), 0)::float8 as rows from pg_class c
  where c.oid = $1 or c.oid in (select relid from pg_partition_tree($1::oid::regclass))`;

/** @throws source.statement where it is not there */
export async function tableShape(client: Client, schema: string, name: string): Promise<TableShape> {
  const oid = await oidOf(client, schema, name);
  const columns = await rowsOf<ColumnRow>(client, COLUMNS, [oid]);
  const types = await readTypes(
    client,
    columns.map(({ typeId }) => typeId),
  );
  const [estimate] = await rowsOf<{ rows: number }>(client, ESTIMATE, [oid]);
  return {
    schema,
    name,
    columns: columns.map((column): RowColumn => {
      const { name: columnName, typeName, typeId, modifier } = column;
      return { name: columnName, typeName, ...typeForm(typeId, modifier, types) };
    }),
    key: columns.filter(({ isKey }) => isKey).map((column) => column.name),
    rows: estimate!.rows,
  };
}

/** The table's own file, or those of its partitions. */
export async function tableFiles(client: Client, table: TableShape): Promise<readonly TableFile[]> {
  const oid = await oidOf(client, table.schema, table.name);
  return await rowsOf<TableFile & QueryResultRow>(client, FILES, [oid]);
}

async function oidOf(client: Client, schema: string, name: string): Promise<string> {
  const [found] = await rowsOf<{ oid: string }>(client, TABLE, [schema, name]);
  if (found) return found.oid;
  throw new MuaraError("source.statement", `The source has no table ${schema}.${name}.`, {
    details: { table: `${schema}.${name}` },
  });
}
