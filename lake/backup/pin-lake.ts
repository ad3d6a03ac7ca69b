/**
 * Which version of each table a backup takes. What reads a table commit by commit notes the version that it has come
 * to, some in a table of its own, some in the log. A backup must not be older than what was noted, so who reads is
 * pinned before whom it reads; and what the log's copy notes, since the log is copied last, moves a table forward to
 * exactly there: that version was committed before it was noted.
 */
import type { DeliveryPosition } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog, TableSnapshot } from "../../core/ports/table-log.ts";

const FIRST = /^([^_/][^/]*)\/_delta_log\//;
/** Counters of the version of a table, by its id, that another one has read: of jobs, and of what follows tables. */
const READ = /^(?:job:[^:]+|proj):([^:]+)$/;

export interface PinPorts {
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
}

/** By name, readers before what they read. */
export type Pins = ReadonlyMap<string, TableSnapshot>;

export async function pinLake({ store, openTable }: PinPorts): Promise<Pins> {
  const logs = new Map((await tablesOf(store)).map((name) => [name, openTable(name)] as const));
  const seen = new Map<string, TableSnapshot>();
  for (const [name, log] of logs) seen.set(name, await log.snapshot());
  const pins = new Map<string, TableSnapshot>();
  for (const name of readersFirst(seen)) {
    const snapshot = await logs.get(name)!.snapshot({ from: seen.get(name)! });
    if (snapshot.version >= 0) pins.set(name, snapshot);
  }
  return pins;
}

/**
 * Moves tables forward to what deliveries have noted, and with each of them those that it reads to what its own version
 * then notes: that was committed earlier still. @throws backup.moved where such a version is gone
 */
export async function movedToNoted(
  { openTable }: PinPorts,
  pins: Pins,
  noted: readonly DeliveryPosition[],
): Promise<Pins> {
  const moved = new Map(pins);
  const needed = new Map<string, number>();
  const need = (tableId: string, version: number): void => {
    needed.set(tableId, Math.max(version, needed.get(tableId) ?? -1));
  };
  for (const position of noted) need(position.tableId, versionNotedBy(position));
  const behind = (): string | undefined =>
    [...moved].find(([, { version, metadata }]) => (needed.get(metadata?.id ?? "") ?? -1) > version)?.[0];
  for (let name = behind(); name !== undefined; name = behind()) {
    const snapshot = moved.get(name)!;
    const version = needed.get(snapshot.metadata!.id)!;
    const newest = await openTable(name).snapshot({ from: snapshot });
    if (newest.version < version)
      throw new MuaraError("backup.moved", `${name} has no version ${version}, which has been noted.`);
    const then = await openTable(name).snapshot({ version, from: snapshot });
    moved.set(name, then);
    for (const [appId, value] of then.txns) {
      const read = READ.exec(appId)?.[1];
      if (read !== undefined) need(read, Number(value));
    }
  }
  return moved;
}

/** The newest version that a delivery has read rows of. */
function versionNotedBy({ version, rows, snapshot }: DeliveryPosition): number {
  return snapshot === null && rows > 0 ? version + 1 : version;
}

async function tablesOf(store: ObjectStore): Promise<readonly string[]> {
  const names = new Set<string>();
  if (store.folders) {
    for (const folder of await store.folders("")) {
      const name = folder.replace(/\/$/, "");
      if (!name.startsWith("_") && (await store.list(`${name}/_delta_log`)).length > 0) names.add(name);
    }
    return [...names];
  }
  for (const { path } of await store.list("")) {
    const name = FIRST.exec(path)?.[1];
    if (name !== undefined) names.add(name);
  }
  return [...names];
}

/** A table that names another one's id in its counters reads it. */
function readersFirst(tables: ReadonlyMap<string, TableSnapshot>): readonly string[] {
  const ordered: string[] = [];
  const visited = new Set<string>();
  const visit = (name: string): void => {
    if (visited.has(name)) return;
    visited.add(name);
    const id = tables.get(name)!.metadata?.id;
    for (const [reader, { txns }] of tables)
      if (id !== undefined && [...txns.keys()].some((appId) => appId.includes(id))) visit(reader);
    ordered.push(name);
  };
  for (const name of tables.keys()) visit(name);
  return ordered;
}
