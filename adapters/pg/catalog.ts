/**
 * What tables a database has: columns with their types, keys, identity, partitions. Read from the catalog alone, which
 * locks none of them.
 */
import type { Client } from "pg";
import type { SourceTable } from "../../core/ports/source-database.ts";
import type { SourceTableColumn, SourceType } from "../../core/ports/source.ts";
import { rowsOf } from "./connection.ts";
import { readTypes, typeForm } from "./type-form.ts";

const TABLES = `
  SELECT c.oid::text AS id, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relispartition AS is_partition,
         CASE WHEN c.relispartition THEN
           (SELECT rn.nspname || '.' || rc.relname FROM pg_class rc JOIN pg_namespace rn ON rn.oid = rc.relnamespace
             WHERE rc.oid = pg_partition_root(c.oid)) END AS root,
         c.relpersistence AS persistence, c.relreplident AS identity,
         CASE WHEN c.relkind = 'p' THEN leaves.rows
              ELSE greatest(c.reltuples, (SELECT n_live_tup FROM pg_stat_all_tables s WHERE s.relid = c.oid), 0)::float8
          END AS rows,
         CASE WHEN c.relkind = 'p' THEN leaves.updates
              ELSE coalesce((SELECT n_tup_upd + n_tup_del FROM pg_stat_all_tables s WHERE s.relid = c.oid), 0)::float8
          END AS updates,
         pg_has_role(c.relowner, 'USAGE') AS is_owner, has_table_privilege(c.oid, 'SELECT') AS may_read,
         row_security_active(c.oid) AS hides_rows,
         coalesce((SELECT array_agg(a.attname::text ORDER BY k.place)
            FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place), pg_attribute a
           WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND a.attnum = k.number AND k.place <= i.indnkeyatts
             AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END), '{}') AS key
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (
      SELECT sum(greatest(l.reltuples, s.n_live_tup, 0))::float8 AS rows,
             coalesce(sum(s.n_tup_upd + s.n_tup_del), 0)::float8 AS updates
        FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
        LEFT JOIN pg_stat_all_tables s ON s.relid = l.oid
       WHERE t.isleaf AND c.relkind = 'p') leaves ON true
   WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
     AND CASE WHEN $1::text[] IS NULL THEN c.relkind IN ('r', 'p') AND NOT c.relispartition
              ELSE n.nspname || '.' || c.relname = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') END
   ORDER BY 2, 3`;

const COLUMNS = `
  SELECT a.attrelid::text AS "table", a.attname AS name, a.atttypid::text AS type, a.atttypmod AS modifier,
         format_type(a.atttypid, a.atttypmod) AS type_name, a.attgenerated <> '' AS is_generated
    FROM pg_attribute a
   WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attrelid, a.attnum`;

interface TableRow {
  id: string;
  schema: string;
  name: string;
  kind: string;
  is_partition: boolean;
  root: string | null;
  persistence: string;
  identity: string;
  rows: number;
  updates: number;
  is_owner: boolean;
  may_read: boolean;
  hides_rows: boolean;
  key: string[];
}

interface ColumnRow {
  table: string;
  name: string;
  type: string;
  modifier: number;
  type_name: string;
  is_generated: boolean;
}

const IDENTITIES: Readonly<Record<string, SourceTable["identity"]>> = {
  d: "default",
  n: "nothing",
  f: "full",
  i: "index",
};
const PERSISTENCE: Readonly<Record<string, SourceTable["persistence"]>> = {
  p: "permanent",
  u: "unlogged",
  t: "temporary",
};

/** @param names `schema.table`; without them all that can be captured @throws source.* */
export async function readTables(
  client: Client,
  names?: readonly string[],
): Promise<ReadonlyMap<string, SourceTable>> {
  const tables = await rowsOf<TableRow>(client, TABLES, [names ?? null]);
  const columns = await rowsOf<ColumnRow>(client, COLUMNS, [tables.map(({ id }) => id)]);
  const types = await readTypes(client, [...new Set(columns.map(({ type }) => Number(type)))]);
  const byTable = new Map<string, SourceTableColumn[]>();
  for (const { table, name, type, modifier, type_name: typeName, is_generated: isGenerated } of columns) {
    const typeId = Number(type);
    const column = { name, typeId, modifier, typeName, isGenerated, ...typeForm(typeId, modifier, types) };
    const known = byTable.get(table);
    if (known) known.push(column);
    else byTable.set(table, [column]);
  }
  return new Map(tables.map((row) => [`${row.schema}.${row.name}`, tableOf(row, byTable.get(row.id) ?? [])]));
}

function tableOf(row: TableRow, columns: readonly SourceTableColumn[]): SourceTable {
  return {
    id: Number(row.id),
    schema: row.schema,
    name: row.name,
    kind: kindOf(row),
    root: row.root,
    persistence: PERSISTENCE[row.persistence] ?? "temporary",
    identity: IDENTITIES[row.identity] ?? "nothing",
    key: row.key,
    columns,
    rows: row.rows,
    updates: row.updates,
    isOwner: row.is_owner,
    mayRead: row.may_read,
    hidesRows: row.hides_rows,
  };
}

function kindOf({ kind, is_partition: isPartition }: TableRow): SourceTable["kind"] {
  if (kind !== "r" && kind !== "p") return "other";
  if (isPartition) return "partition";
  return kind === "p" ? "partitioned" : "table";
}

/** @throws source.* */
export async function readColumnTypes(
  client: Client,
  columns: readonly Pick<SourceTableColumn, "typeId" | "modifier">[],
): Promise<readonly SourceType[]> {
  const ids = columns.map(({ typeId }) => typeId);
  const types = await readTypes(client, [...new Set(ids)]);
  const names = await rowsOf<{ name: string | null }>(
    client,
    `SELECT format_type(t.id, t.modifier) AS name
       FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS t(id, modifier, place) ORDER BY place`,
    [ids, columns.map(({ modifier }) => modifier)],
  );
  return columns.map(({ typeId, modifier }, i) => ({
    typeName: names[i]?.name ?? "text",
    ...typeForm(typeId, modifier, types),
  }));
}
