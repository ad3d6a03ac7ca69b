/**
 * The table that a delivery writes: made from the columns, given further ones when they appear, never anything less.
 * One that was there before is used as it is where it has all columns, and a unique index over the key.
 */
import type { Client } from "pg";
import { MuaraError } from "../../core/errors.ts";
import { rowsOf } from "./connection.ts";
import type { TargetPlan } from "./sink-columns.ts";
import { quoted } from "./sink-types.ts";
import { narrowColumns } from "./sink-widen.ts";

const NAME_BYTES_MAX = 63;
/** Of advisory locks of Muara's: makers of tables wait for each other. */
const LOCK = 0x6d75_6172;

/** Muara's own, in the target. */
export const OWN_TABLES = `
create schema if not exists muara;
create table if not exists muara.deliveries (
  id text primary key, name text not null, target text not null, generation bigint not null, next bigint not null,
  epoch bigint not null, carried jsonb, committed_at timestamptz, updated_at timestamptz not null);
create table if not exists muara.deleted (
  delivery text not null, shard text not null, key text not null, incarnation bigint not null, lsn bigint not null,
  index bigint not null, primary key (delivery, shard, key));
create table if not exists muara.erasures (
  delivery text not null, id text not null, rows bigint not null, at timestamptz not null,
  primary key (delivery, id));
create table if not exists muara.tables (name text primary key, made_at timestamptz not null);
comment on table muara.deliveries is 'how far deliveries of Muara are; each moves in the transaction of its rows';`;

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** @param table `schema.table` */
export function tableName(table: string): TableName {
  const at = table.indexOf(".");
  return { schema: table.slice(0, at), name: table.slice(at + 1) };
}

export function quotedTable({ schema, name }: TableName): string {
  return `${quoted(schema)}.${quoted(name)}`;
}

/** Makes Muara's own tables where they are missing. @throws source.* */
export async function ensureOwnTables(client: Client): Promise<void> {
  const [found] = await rowsOf<{ missing: boolean }>(
    client,
    `select count(*) < 4 as missing from pg_catalog.pg_tables
     where schemaname = 'muara' and tablename in ('deliveries', 'deleted', 'erasures', 'tables')`,
  );
  if (found?.missing !== true) return;
  await rowsOf(client, `begin; select pg_catalog.pg_advisory_xact_lock(${LOCK});${OWN_TABLES}commit;`);
}

/**
 * Within a transaction. @returns the real types of the plan's columns, by name
 * @throws delivery.target where the table is not what the plan needs, source.*
 */
export async function ensureTable(
  client: Client,
  table: TableName,
  plan: TargetPlan,
): Promise<ReadonlyMap<string, string>> {
  for (const { name } of plan.columns)
    if (new TextEncoder().encode(name).length > NAME_BYTES_MAX)
      throw refused(table, `the column "${name}" has a name of more than ${NAME_BYTES_MAX} bytes`);
  const before = await read(client, table);
  const missing = plan.columns.filter(({ name }) => !before?.columns.has(name));
  const narrow = before?.isOurs === true ? narrowColumns(before.columns, plan.columns) : [];
  if (before && missing.length === 0 && narrow.length === 0) return checked(before, table, plan);
  await rowsOf(client, `select pg_catalog.pg_advisory_xact_lock(${LOCK})`);
  if (!before) await make(client, table, plan);
  else if (!before.isOurs)
    throw refused(
      table,
      `it was there before and has no column ${missing.map(({ name }) => `"${name}"`).join(", ")}`,
    );
  else
    for (const { name, type } of missing)
      await rowsOf(
        client,
        `alter table ${quotedTable(table)} add column if not exists ${quoted(name)} ${type}`,
      );
  for (const { name, type, using } of narrow)
    await rowsOf(
      client,
      `alter table ${quotedTable(table)} alter column ${quoted(name)} type ${type} using ${using}`,
    );
  return checked((await read(client, table))!, table, plan);
}

interface Present {
  /** Types by name. */
  readonly columns: ReadonlyMap<string, string>;
  /** Columns of each unique index. */
  readonly unique: readonly (readonly string[])[];
  readonly isOurs: boolean;
  readonly isTable: boolean;
}

async function read(client: Client, table: TableName): Promise<Present | undefined> {
  const names = [table.schema, table.name];
  const [one] = await rowsOf<{ id: string; kind: string; ours: boolean }>(
    client,
    `select c.oid::text as id, c.relkind as kind,
       exists (select from muara.tables t where t.name = $1 || '.' || $2) as ours
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relname = $2`,
    names,
  );
  if (!one) return undefined;
  const columns = await rowsOf<{ name: string; type: string }>(
    client,
    `select attname as name, pg_catalog.format_type(atttypid, atttypmod) as type from pg_catalog.pg_attribute
     where attrelid = $1 and attnum > 0 and not attisdropped`,
    [one.id],
  );
  const unique = await rowsOf<{ names: string[] }>(
    client,
    `select array(select a.attname::text from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k
       join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k) as names
     from pg_catalog.pg_index i
     where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null`,
    [one.id],
  );
  return {
    columns: new Map(columns.map(({ name, type }) => [name, type])),
    unique: unique.map((index) => index.names),
    isOurs: one.ours,
    isTable: one.kind === "r" || one.kind === "p",
  };
}

async function make(client: Client, table: TableName, { columns, key }: TargetPlan): Promise<void> {
  const lines = columns.map(
    ({ name, type }) => `${quoted(name)} ${type}${key.includes(name) ? " not null" : ""}`,
  );
  if (key.length > 0) lines.push(`primary key (${key.map(quoted).join(", ")})`);
  // "if not exists" would need the right to make one even where it exists.
  const schemas = await rowsOf(client, "select 1 from pg_catalog.pg_namespace where nspname = $1", [
    table.schema,
  ]);
  if (schemas.length === 0) await rowsOf(client, `create schema if not exists ${quoted(table.schema)}`);
  await rowsOf(client, `create table if not exists ${quotedTable(table)} (${lines.join(", ")})`);
  await rowsOf(client, "insert into muara.tables values ($1, now()) on conflict do nothing", [
    `${table.schema}.${table.name}`,
  ]);
}

function checked(
  present: Present,
  table: TableName,
  { columns, key }: TargetPlan,
): ReadonlyMap<string, string> {
  if (!present.isTable) throw refused(table, "it is no table");
  const isKey = (names: readonly string[]): boolean =>
    names.length === key.length && key.every((name) => names.includes(name));
  if (key.length > 0 && !present.unique.some(isKey))
    throw refused(table, `it has no unique index over exactly (${key.join(", ")})`);
  return new Map(columns.map(({ name }) => [name, present.columns.get(name)!]));
}

function refused(table: TableName, why: string): MuaraError {
  return new MuaraError(
    "delivery.target",
    `The table ${table.schema}.${table.name} cannot be used: ${why}.`,
    {
      details: { table: `${table.schema}.${table.name}` },
    },
  );
}
