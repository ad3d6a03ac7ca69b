/**
 * A table as a copy sees it, with the columns that the stream tells of it, and the statements that read it. Read from
 * the catalog in the copy's own transaction, so it is the table as of the copy's snapshot.
 *
 * Surprising rule: statements find operators by a search path of their own. A type of an extension has its order
 * elsewhere than in pg_catalog, where another type's might be taken for it, and rows would be left out.
 */
import type { Client } from "pg";
import { MuaraError } from "../../core/errors.ts";
import type { SourceRelation } from "../../core/ports/source.ts";
import { rowsOf } from "./connection.ts";

export interface CopyRelation {
  readonly relation: SourceRelation;
  /** Quoted, with ONLY where children are tables of their own. */
  readonly from: string;
  /** Per column as the server writes its type, with its modifier. */
  readonly types: readonly string[];
  /** Of the operators that the key's order needs. */
  readonly searchPath: string;
}

interface TableRow {
  /** The client gives 64 bits as text. */
  readonly id: string;
  readonly kind: string;
  readonly identity: string;
}
interface ColumnRow {
  readonly name: string;
  readonly number: number;
  readonly type_id: string;
  readonly modifier: number;
  readonly type: string;
  readonly is_key: boolean;
}

const IDENTITIES: Readonly<Record<string, SourceRelation["identity"]>> = {
  d: "default",
  n: "nothing",
  f: "full",
  i: "index",
};
const TABLE = `
  SELECT c.oid::int8 AS id, c.relkind::text AS kind, c.relreplident::text AS identity
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`;
/** What the log tells: no dropped columns, none that are computed. */
const COLUMNS = `
  SELECT a.attname AS name, a.attnum::int AS number, a.atttypid::int8 AS type_id, a.atttypmod AS modifier,
         pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
         $2 = 'f' OR EXISTS (
           SELECT FROM pg_catalog.pg_index i
            WHERE i.indrelid = a.attrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
              AND ($2 = 'd' AND i.indisprimary OR $2 = 'i' AND i.indisreplident)
         ) AS is_key
    FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
   ORDER BY a.attnum`;
const OPERATOR_SCHEMAS = `
  SELECT DISTINCT pg_catalog.quote_ident(n.nspname) AS name
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indclass::oid[]) AS k(class)
    JOIN pg_catalog.pg_opclass c ON c.oid = k.class
    JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily
     AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
    JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
   WHERE i.indrelid = $1 AND (i.indisprimary OR i.indisreplident) AND n.nspname <> 'pg_catalog'`;

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Settings keep a backslash what it is (adapters/pg/connection.ts). */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `"schema"."name"` */
export function quoteTable({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** @throws source.statement where there is no such table, source.* */
export async function readCopyRelation(
  client: Client,
  table: { readonly schema: string; readonly name: string },
): Promise<CopyRelation> {
  const { schema, name } = table;
  const [found] = await rowsOf<TableRow>(client, TABLE, [schema, name]);
  if (!found) throw new MuaraError("source.statement", `there is no table ${schema}.${name}`);
  const id = Number(found.id);
  const columns = await rowsOf<ColumnRow>(client, COLUMNS, [id, found.identity]);
  const schemas = await rowsOf<{ name: string }>(client, OPERATOR_SCHEMAS, [id]);
  return {
    relation: {
      id,
      schema,
      name,
      identity: IDENTITIES[found.identity]!,
      columns: columns.map((column) => ({
        name: column.name,
        typeId: Number(column.type_id),
        modifier: column.modifier,
        isKey: column.is_key,
      })),
    },
    from: found.kind === "p" ? quoteTable(table) : `ONLY ${quoteTable(table)}`,
    types: columns.map(({ type }) => type),
    searchPath: ["pg_catalog", ...schemas.map((one) => one.name)].join(", "),
  };
}

/** All rows, in the order of the source. */
export function wholeQuery({ relation, from }: CopyRelation): string {
  return `SELECT ${columnList(relation)} FROM ${from}`;
}

export interface KeyRange {
  /** Places of the key's columns. */
  readonly key: readonly number[];
  /** Texts of a key; null: from the first row. */
  readonly after: readonly string[] | null;
  readonly rows: number;
}

/** Rows behind a key, in its order. */
export function rangeQuery(copy: CopyRelation, { key, after, rows }: KeyRange): string {
  const columns = key.map((i) => quoteIdentifier(copy.relation.columns[i]!.name)).join(", ");
  const where = after ? `WHERE (${columns}) > (${literals(copy, key, after)})` : "";
  return `SELECT ${columnList(copy.relation)} FROM ${copy.from} ${where} ORDER BY ${columns} LIMIT ${rows}`;
}

/** Rows of these keys. */
export function keysQuery(
  copy: CopyRelation,
  key: readonly number[],
  keys: readonly (readonly string[])[],
): string {
  const columns = key.map((i) => quoteIdentifier(copy.relation.columns[i]!.name)).join(", ");
  const list = keys.map((texts) => `(${literals(copy, key, texts)})`).join(", ");
  return `SELECT ${columnList(copy.relation)} FROM ${copy.from} WHERE (${columns}) IN (${list})`;
}

function literals({ types }: CopyRelation, key: readonly number[], texts: readonly string[]): string {
  return key.map((i, at) => `${quoteLiteral(texts[at]!)}::${types[i]!}`).join(", ");
}

function columnList({ columns }: SourceRelation): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(", ");
}
