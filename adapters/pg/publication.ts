/**
 * Publications: what a slot tells of. Named tables only, partitions under the name of the table at the top.
 *
 * Surprising rule: one that has what it should is left as it is, so that an owner of tables who gives no rights away
 * can make it himself.
 */
import { type Client, escapeIdentifier } from "pg";
import { rowsOf } from "./connection.ts";

/** @returns undefined where there is none @throws source.* */
export async function publishedTables(
  client: Client,
  name: string,
): Promise<
  { readonly tables: readonly string[]; readonly isAsWanted: (inserts: boolean) => boolean } | undefined
> {
  const [row] = await rowsOf<{ viaroot: boolean; changes: string }>(
    client,
    `SELECT pubviaroot AS viaroot,
            concat_ws(',', CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
                      CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END) AS changes
       FROM pg_publication WHERE pubname = $1`,
    [name],
  );
  if (!row) return undefined;
  const members = await rowsOf<{ table: string }>(
    client,
    `SELECT n.nspname || '.' || c.relname AS "table"
       FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
       JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE p.pubname = $1 ORDER BY 1`,
    [name],
  );
  return {
    tables: members.map(({ table }) => table),
    isAsWanted: (inserts) =>
      row.viaroot && row.changes === (inserts ? "insert" : "insert,update,delete,truncate"),
  };
}

/** @throws source.* */
export async function publishTables(
  client: Client,
  name: string,
  tables: readonly string[],
  inserts: boolean,
): Promise<void> {
  const existing = await publishedTables(client, name);
  const id = escapeIdentifier(name);
  const changes = inserts ? "insert" : "insert, update, delete, truncate";
  const options = `publish = '${changes}', publish_via_partition_root = true`;
  if (!existing) {
    // One without tables is none FOR TABLE: they are added to it.
    const list = tables.length === 0 ? "" : ` FOR TABLE ${listOf(tables)}`;
    await rowsOf(client, `CREATE PUBLICATION ${id}${list} WITH (${options})`);
    return;
  }
  if (!existing.isAsWanted(inserts)) await rowsOf(client, `ALTER PUBLICATION ${id} SET (${options})`);
  const added = tables.filter((table) => !existing.tables.includes(table));
  const gone = existing.tables.filter((table) => !tables.includes(table));
  if (added.length > 0) await rowsOf(client, `ALTER PUBLICATION ${id} ADD TABLE ${listOf(added)}`);
  if (gone.length > 0) await rowsOf(client, `ALTER PUBLICATION ${id} DROP TABLE ${listOf(gone)}`);
}

/** @throws source.* */
export async function removePublication(client: Client, name: string): Promise<void> {
  await rowsOf(client, `DROP PUBLICATION IF EXISTS ${escapeIdentifier(name)}`);
}

/** Without `ONLY` the heirs of a table come with it; partitions are told of in any case. */
function listOf(tables: readonly string[]): string {
  return tables.map((table) => `ONLY ${quotedTable(table)}`).join(", ");
}

/** @param table `schema.table` */
export function quotedTable(table: string): string {
  const at = table.indexOf(".");
  return `${escapeIdentifier(table.slice(0, at))}.${escapeIdentifier(table.slice(at + 1))}`;
}
