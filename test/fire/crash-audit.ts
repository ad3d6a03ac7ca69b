/**
 * What must hold after any crash, checked from outside: files as they lie, DuckDB for the rows, and the log's own
 * counts. Each finding is a sentence; none is good.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { landedPartitions } from "../../core/landed.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { payloadOf } from "../../core/record.ts";
import { idOf, PARTITIONS, TYPE_NAME, type Whole } from "./whole.ts";

export interface Acknowledged {
  readonly partition: number;
  readonly offset: number;
  readonly numbers: readonly number[];
}

let connection: Promise<DuckDBConnection> | undefined;

async function rowsOf(sql: string): Promise<readonly (readonly unknown[])[]> {
  connection ??= DuckDBInstance.create(":memory:").then((instance) => instance.connect());
  return (await (await connection).runAndReadAll(sql)).getRows();
}

/** Tables that exist in the lake of `directory`. */
function tablesOf(directory: string): string[] {
  const lake = join(directory, "lake");
  if (!existsSync(lake)) return [];
  return readdirSync(lake).filter((name) => existsSync(join(lake, name, "_delta_log")));
}

/** Hash of every commit file: versions never change. */
export function versionsOf(directory: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const table of tablesOf(directory)) {
    const folder = join(directory, "lake", table, "_delta_log");
    for (const name of readdirSync(folder).filter((one) => /^\d{20}\.json$/.test(one)))
      found.set(
        `${table}/${name}`,
        createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex"),
      );
  }
  return found;
}

/** Everything that a recovery could change. Two recoveries in a row must not differ in it. */
export async function digestOf(whole: Whole, directory: string): Promise<string> {
  const bounds = await Promise.all([0, 1].map((partition) => whole.log.bounds(TYPE_NAME, partition)));
  const accepted = await whole.log.accepted(TYPE_NAME);
  const versions = [...versionsOf(directory)].sort(([a], [b]) => (a < b ? -1 : 1));
  const ends = bounds.map(({ startOffset, endOffset }) => [startOffset, endOffset]);
  return JSON.stringify({ ends, accepted, versions });
}

/** @param whole opened after the crash, everything landed */
export async function audit(
  whole: Whole,
  directory: string,
  acknowledged: readonly Acknowledged[],
): Promise<string[]> {
  const faults: string[] = [];
  const snapshots = new Map<string, TableSnapshot>();
  for (const table of tablesOf(directory)) {
    const snapshot = await whole.openTable(table).snapshot();
    snapshots.set(table, snapshot);
    faults.push(...(await versionFaults(whole, directory, table, snapshot)));
  }
  const snapshot = snapshots.get(TYPE_NAME);
  if (!snapshot) return acknowledged.length > 0 ? [...faults, "acknowledged events and no table"] : faults;
  faults.push(...(await rowFaults(directory, snapshot, acknowledged)));
  faults.push(...(await logFaults(whole, acknowledged)));
  faults.push(...(await bookFaults(whole, directory, snapshot, snapshots.get("books"))));
  return faults;
}

/** The log is dense, every version can be read, and whatever it names is there. */
async function versionFaults(
  whole: Whole,
  directory: string,
  table: string,
  snapshot: TableSnapshot,
): Promise<string[]> {
  const faults: string[] = [];
  const lake = join(directory, "lake");
  const names = [...versionsOf(directory).keys()].filter((name) => name.startsWith(`${table}/`));
  if (names.length !== snapshot.version + 1)
    faults.push(`${table}: ${names.length} commit files, version ${snapshot.version}`);
  for (let version = 0; version <= snapshot.version; version++) {
    const commit = await whole.openTable(table).read(version);
    if (!commit) faults.push(`${table}: version ${version} is missing`);
    for (const { path, size } of commit?.add ?? []) {
      const file = join(lake, table, decodeURIComponent(path));
      if (!existsSync(file)) faults.push(`${table} ${version}: ${path} dangles`);
      else if (statSync(file).size !== size) faults.push(`${table} ${version}: ${path} has another size`);
    }
    const named = JSON.stringify(commit?.info ?? {}).matchAll(/"([^"]+\/_muara\/[^"]+)"/g);
    for (const [, side] of named)
      if (!existsSync(join(lake, side!))) faults.push(`${table} ${version}: ${side} dangles`);
  }
  // From the first version on, without checkpoints, the table is the same.
  const replayed = new Set<string>();
  for (let version = 0; version <= snapshot.version; version++) {
    const commit = (await whole.openTable(table).read(version))!;
    for (const { path } of commit.add) replayed.add(path);
    for (const { path } of commit.remove) replayed.delete(path);
  }
  const live = [...snapshot.files.keys()].sort();
  if (JSON.stringify([...replayed].sort()) !== JSON.stringify(live))
    faults.push(`${table}: replay is not the snapshot`);
  return faults;
}

function filesOf(directory: string, table: string, snapshot: TableSnapshot): string {
  const paths = [...snapshot.files.keys()].map((path) =>
    join(directory, "lake", table, decodeURIComponent(path)),
  );
  return `[${paths.map((path) => `'${path}'`).join(",")}]`;
}

async function rowFaults(
  directory: string,
  snapshot: TableSnapshot,
  acknowledged: readonly Acknowledged[],
): Promise<string[]> {
  const known = new Map<string, number>();
  if (snapshot.files.size > 0) {
    const sql = `SELECT event_id, count(*) FROM read_parquet(${filesOf(directory, TYPE_NAME, snapshot)}) GROUP BY 1`;
    for (const [id, count] of await rowsOf(sql)) known.set(String(id), Number(count));
  }
  const faults = [...known]
    .filter(([, count]) => count !== 1)
    .map(([id, count]) => `${id} landed ${count} times`);
  const promised = new Set(acknowledged.flatMap(({ numbers }) => numbers.map(idOf)));
  for (const id of promised) if (!known.has(id)) faults.push(`acknowledged ${id} did not land`);
  return faults;
}

/** Every acknowledged record is at its offset, unless retention removed it after landing. */
async function logFaults({ log }: Whole, acknowledged: readonly Acknowledged[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { partition, offset, numbers } of acknowledged) {
    const { startOffset, endOffset } = await log.bounds(TYPE_NAME, partition);
    if (offset + numbers.length > endOffset)
      faults.push(`offset ${offset} of ${partition} is beyond the end ${endOffset}`);
    if (offset < startOffset || offset >= endOffset) continue;
    const batch = await log.read(TYPE_NAME, partition, offset, 100_000);
    for (const [i, n] of numbers.entries()) {
      const text = Buffer.from(payloadOf(batch, i) ?? []).toString();
      if (!text.includes(idOf(n))) faults.push(`${partition}/${offset + i} is not event ${n}`);
    }
  }
  return faults;
}

/** accepted = landed + duplicates + dead, by the log's counts, by the table's counters and by the projection. */
async function bookFaults(
  whole: Whole,
  directory: string,
  snapshot: TableSnapshot,
  books: TableSnapshot | undefined,
): Promise<string[]> {
  const faults: string[] = [];
  const partitions = landedPartitions(snapshot.txns);
  const sum = (key: "landed" | "duplicates" | "dead" | "gap"): number =>
    partitions.reduce((total, partition) => total + partition[key], 0);
  const accepted = (await whole.log.accepted(TYPE_NAME)).reduce((total, { count }) => total + count, 0);
  const told = [sum("landed"), sum("duplicates"), sum("dead"), sum("gap")];
  if (accepted !== told[0]! + told[1]! + told[2]! || told[3] !== 0)
    faults.push(`accepted ${accepted}, told ${told.join(" + ")}`);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { endOffset } = await whole.log.bounds(TYPE_NAME, partition);
    const cursor = partitions.find((one) => one.partition === partition)?.cursor ?? 0;
    if (cursor !== endOffset) faults.push(`partition ${partition}: cursor ${cursor}, end ${endOffset}`);
  }
  if (!books || books.files.size === 0) return accepted > 0 ? [...faults, "no books"] : faults;
  const columns = ["landed", "duplicates", "dead_letters", "gap"].map((name) => `sum(${name})`).join(", ");
  const [row] = await rowsOf(`SELECT ${columns} FROM read_parquet(${filesOf(directory, "books", books)})`);
  if (row!.map(Number).join() !== told.join())
    faults.push(`the books say ${row!.join()}, the table ${told.join()}`);
  return faults;
}
