/** A subject's rows out of a table, once for each erasure, and what Muara itself keeps of rows that are gone. */
import type { Client } from "pg";
import type { PostgresTarget } from "../../core/delivery.ts";
import type { SinkErasure } from "../../core/ports/sink.ts";
import { rowsOf } from "./connection.ts";
import { BEFORE, CHANGE, KEY } from "./sink-columns.ts";
import { quotedTable, type TableName } from "./sink-table.ts";
import { quoted } from "./sink-types.ts";

/** Of pg_type's categories. */
const GEOMETRIC = "G";

export interface ErasePlace {
  /** Of the delivery's declaration. */
  readonly id: string;
  readonly table: TableName;
  readonly mode: PostgresTarget["mode"];
}

/** Within a transaction. @returns rows that went, now or when the same was asked for before */
export async function eraseRows(client: Client, place: ErasePlace, erasure: SinkErasure): Promise<number> {
  const { id } = place;
  const { value } = erasure;
  const [before] = await rowsOf<{ rows: string }>(
    client,
    "select rows::text from muara.erasures where delivery = $1 and id = $2",
    [id, erasure.id],
  );
  if (before) return Number(before.rows);
  const rows = await removed(client, place, erasure);
  // Their rows hold values as texts, their keys as JSON: too much is forgotten rather than too little.
  await rowsOf(
    client,
    "update muara.deliveries set carried = null where id = $1 and strpos(carried::text, $2) > 0",
    [id, JSON.stringify(value).slice(1, -1)],
  );
  await rowsOf(client, "insert into muara.erasures values ($1, $2, $3, now())", [id, erasure.id, rows]);
  return rows;
}

async function removed(client: Client, place: ErasePlace, erasure: SinkErasure): Promise<number> {
  let rows = 0;
  for (const one of placesOf(place, erasure)) rows += await removedBy(client, place, one, erasure.value);
  return rows;
}

interface ValuePlace {
  readonly name: string;
  /** Inside of it. */
  readonly path: readonly string[];
}

async function removedBy(
  client: Client,
  { table }: ErasePlace,
  { name, path }: ValuePlace,
  value: string,
): Promise<number> {
  // Without a modifier, but never the one that is meant where none is written: "character" is character(1).
  const [column] = await rowsOf<{ type: string; category: string }>(
    client,
    `select pg_catalog.format_type(a.atttypid, -1) as type, t.typcategory as category
     from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
     where a.attrelid = to_regclass($1) and a.attname = $2 and a.attnum > 0 and not a.attisdropped`,
    [quotedTable(table), name],
  );
  if (!column) return 0;
  const { type, category } = column;
  const isJson = type === "jsonb" || type === "json";
  if (path.length > 0 && !isJson) return 0;
  await rowsOf(client, "savepoint erasure");
  const inside = `${quoted(name)} #>> $2::text[] = $1::text`;
  // XML has no equality, and of circles the areas are compared.
  const isShown = category === GEOMETRIC || type === "xml";
  const whole = isShown ? `${quoted(name)}::text = $1::text::${type}::text` : `${quoted(name)} = $1::${type}`;
  const sql = `with gone as (delete from ${quotedTable(table)} where ${isJson ? inside : whole} returning 1)
    select count(*)::text as rows from gone`;
  try {
    const [gone] = await rowsOf<{ rows: string }>(client, sql, [value, ...(isJson ? [path] : [])]);
    return Number(gone?.rows ?? 0);
  } catch (error) {
    // What the column cannot even hold, it does not hold.
    if (!isNoValue(error)) throw error;
    await rowsOf(client, "rollback to savepoint erasure");
    return 0;
  }
}

/** Of rows of a captured table the columns are called as in the source; a change also says what the row was. */
function placesOf({ mode }: ErasePlace, { column, columns }: SinkErasure): readonly ValuePlace[] {
  const [first, ...path] = column.split(".");
  const found = columns.find((one) => one.name.toLowerCase() === first!.toLowerCase());
  const source = found?.field ?? found?.name ?? first!;
  if (mode === "state") return [{ name: first === "event_key" ? KEY : source, path }];
  const own = { name: found?.name ?? first!, path };
  const isChange = CHANGE.every((name) => columns.some((one) => one.name === name));
  return isChange ? [own, { name: BEFORE, path: [source, ...path] }] : [own];
}

function isNoValue(error: unknown): boolean {
  const { details } = error as { readonly details?: { readonly sqlstate?: unknown } };
  return typeof details?.sqlstate === "string" && details.sqlstate.startsWith("22");
}
