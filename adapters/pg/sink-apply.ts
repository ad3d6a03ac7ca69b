/**
 * One batch in a table, within a transaction that somebody else ends: rows go by COPY into a staging table of the
 * session, from there into the target, where none takes the place of a newer one. COPY takes the text of each value,
 * so the types that count are the target's own.
 */
import type { Client } from "pg";
import { rowsOf } from "./connection.ts";
import { type Cell, type Version } from "./sink-changes.ts";
import { SHARD, type TargetPlan, VERSION } from "./sink-columns.ts";
import { copyLines, type Shape } from "./sink-copy.ts";
import { quotedTable, type TableName } from "./sink-table.ts";
import { copyField, quoted } from "./sink-types.ts";

const ROWS = "pg_temp.muara_rows";
const KEYS = "pg_temp.muara_keys";
const PLACES = "_muara_places";
const ID = "_muara_id";

export interface StagedRow {
  readonly cells: readonly Cell[];
  /** By which a delete of it is remembered; null where none is. */
  readonly id: string | null;
}

export interface StagedKey {
  /** Texts of the key's columns. */
  readonly key: readonly string[];
  readonly shard: string;
  readonly version: Version;
}

export interface Merging {
  /** From `stageRows`. */
  readonly sets: readonly string[];
  /** Rows that were deleted meanwhile are left out: those that this delivery remembers. */
  readonly delivery: string | undefined;
  /** Equal keys may have several texts. */
  readonly isCareful: boolean;
}

/** Outside of a transaction. */
export async function makeStaging(client: Client, { plan, types }: Shape): Promise<void> {
  const columnsOf = (names: readonly string[]): string =>
    names.map((name) => `${quoted(name)} ${types.get(name)!}`).join(", ");
  const all = columnsOf(plan.columns.map(({ name }) => name));
  const keys = columnsOf(plan.key.filter((name) => name !== SHARD));
  const version = VERSION.map((name) => `${quoted(name)} bigint`).join(", ");
  await rowsOf(
    client,
    `drop table if exists ${ROWS}, ${KEYS};
     create temp table muara_rows (${all}, ${PLACES} text, ${ID} text) on commit delete rows;
     create temp table muara_keys (${keys === "" ? "" : `${keys}, `}${quoted(SHARD)} text, ${version})
       on commit delete rows`,
  );
}

/** Puts rows into the staging table. @returns the places of columns that rows leave alone, each set once */
export async function stageRows(
  client: Client,
  { plan }: Shape,
  rows: Iterable<StagedRow>,
): Promise<readonly string[]> {
  const sets = new Set<string>();
  function* lines(): Generator<string> {
    for (const { cells, id } of rows) {
      let line = "";
      let places = "";
      for (let i = 0; i < cells.length; i++) {
        const cell = cells[i];
        if (cell === undefined) places += places === "" ? i : `,${i}`;
        line += i === 0 ? copyField(cell ?? null) : `\t${copyField(cell ?? null)}`;
      }
      sets.add(places);
      yield `${line}\t${places === "" ? "\\N" : places}\t${copyField(id)}\n`;
    }
  }
  const names = [...plan.columns.map(({ name }) => name), PLACES, ID].map(quoted).join(", ");
  await copyLines(client, `copy ${ROWS} (${names}) from stdin`, lines());
  return [...sets];
}

/** Takes what is staged into the target. */
export async function mergeRows(client: Client, shape: Shape, merging: Merging): Promise<void> {
  for (const places of merging.sets) await rowsOf(client, mergeSql(shape, places, merging));
}

function mergeSql({ table, plan }: Shape, places: string, { delivery, isCareful }: Merging): string {
  const left = new Set(places === "" ? [] : places.split(",").map(Number));
  const names = plan.columns.filter((_, i) => !left.has(i)).map(({ name }) => name);
  const list = names.map(quoted).join(", ");
  const key = plan.key.map(quoted).join(", ");
  const conditions = [places === "" ? `s.${PLACES} is null` : `s.${PLACES} = '${places}'`];
  if (delivery !== undefined) conditions.push(notDeleted(delivery));
  const order = plan.guard.map((name) => `${quoted(name)} desc`).join(", ");
  // Their texts may differ all the same: 1.0, 1.00.
  const distinct = isCareful && key !== "" ? `distinct on (${key}) ` : "";
  const ordered = distinct === "" ? "" : ` order by ${key}${order === "" ? "" : `, ${order}`}`;
  const from = `select ${distinct}${list} from ${ROWS} s where ${conditions.join(" and ")}${ordered}`;
  return `insert into ${quotedTable(table)} as t (${list}) ${from} ${onConflict(plan, names)}`;
}

function onConflict({ key, guard, replaces }: TargetPlan, names: readonly string[]): string {
  const conflict = `on conflict (${key.map(quoted).join(", ")}) do`;
  const set = names.filter((name) => !key.includes(name));
  if (!replaces || set.length === 0) return `${conflict} nothing`;
  const values = set.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(", ");
  const update = `${conflict} update set ${values}`;
  if (guard.length === 0) return update;
  const shard = quoted(SHARD);
  const isOther = names.includes(SHARD) ? `t.${shard} is distinct from excluded.${shard} or ` : "";
  // A row that says nothing of its age was there before.
  return `${update} where ${isOther}(${placesOf("t", guard)} < ${placesOf("excluded", guard)}) is not false`;
}

function placesOf(from: string, names: readonly string[]): string {
  return `(${names.map((name) => `${from}.${quoted(name)}`).join(", ")})`;
}

/** Rows that changes have deleted, as far as what is there is older. */
export async function deleteRows(
  client: Client,
  { table, plan }: Shape,
  keys: readonly StagedKey[],
): Promise<void> {
  if (keys.length === 0) return;
  const named = plan.key.filter((name) => name !== SHARD);
  const lines = keys.map(({ key, shard, version: { incarnation, lsn, index } }) => {
    const texts = key.filter((_, i) => plan.key[i] !== SHARD);
    return `${[...texts, shard, String(incarnation), String(lsn), String(index)].map(copyField).join("\t")}\n`;
  });
  await copyLines(client, `copy ${KEYS} from stdin`, lines);
  const same = [...named, SHARD].map((name) => `t.${quoted(name)} = k.${quoted(name)}`).join(" and ");
  await rowsOf(
    client,
    `delete from ${quotedTable(table)} t using ${KEYS} k
     where ${same} and (${placesOf("t", VERSION)} < ${placesOf("k", VERSION)}) is not false`,
  );
}

/** Everything of a shard that is older. */
export async function truncateShard(
  client: Client,
  table: TableName,
  shard: string,
  { incarnation, lsn, index }: Version,
): Promise<void> {
  await rowsOf(
    client,
    `delete from ${quotedTable(table)} t
     where t.${quoted(SHARD)} = $1 and (${placesOf("t", VERSION)} < ($2::bigint, $3::bigint, $4::bigint)) is not false`,
    [shard, String(incarnation), String(lsn), String(index)],
  );
}

/** Rows by their keys, as texts by column. @returns in the order of the keys; undefined where there is none */
export async function lookUp(
  client: Client,
  { table, plan, types }: Shape,
  keys: readonly StagedKey[],
): Promise<readonly (Readonly<Record<string, string | null>> | undefined)[]> {
  if (keys.length === 0) return [];
  const data = plan.columns.filter(({ from }) => from !== null);
  const list = data.map(({ name }) => `t.${quoted(name)}::text as ${quoted(name)}`);
  const same = plan.key.map((name, i) => `t.${quoted(name)} = k.k${i}::${types.get(name)!}`).join(" and ");
  const arrays = plan.key.map((_, i) => `$${i + 1}::text[]`).join(", ");
  const names = plan.key.map((_, i) => `k${i}`).join(", ");
  const rows = await rowsOf<Record<string, string | null>>(
    client,
    `select k.place::int as _muara_place${list.length === 0 ? "" : `, ${list.join(", ")}`}
     from unnest(${arrays}) with ordinality as k(${names}, place) join ${quotedTable(table)} t on ${same}`,
    plan.key.map((_, i) => keys.map(({ key }) => key[i]!)),
  );
  const found: (Record<string, string | null> | undefined)[] = keys.map(() => undefined);
  for (const { _muara_place: place, ...row } of rows) found[Number(place) - 1] = row;
  return found;
}

/** Of `muara.deleted`, which holds deletes of a version of the table that has not come to its end. */
function notDeleted(delivery: string): string {
  return `not exists (select from muara.deleted d where d.delivery = '${delivery}' and d.shard = s.${quoted(SHARD)}
    and d.key in (s.${ID}, '')
    and (d.incarnation, d.lsn, d.index) > ${placesOf("s", VERSION)})`;
}
