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

const FIRST = /^([^/]+)\/_delta_log\//;

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

/** Moves tables forward to what deliveries have noted. @throws backup.moved where that version is gone */
export async function movedToNoted(
  { openTable }: PinPorts,
  pins: Pins,
  noted: readonly DeliveryPosition[],
): Promise<Pins> {
  const moved = new Map(pins);
  for (const [name, snapshot] of pins) {
    const versions = noted.filter(({ tableId }) => tableId === snapshot.metadata?.id);
    const version = Math.max(
      snapshot.version,
      ...versions.map((one) => one.version + (one.rows > 0 ? 1 : 0)),
    );
    if (version === snapshot.version) continue;
    const newest = await openTable(name).snapshot({ from: snapshot });
    if (newest.version < version)
      throw new MuaraError("backup.moved", `${name} has no version ${version}, which a delivery has noted.`);
    moved.set(name, await openTable(name).snapshot({ version, from: snapshot }));
  }
  return moved;
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
      if (id !== undefined && reader !== name && [...txns.keys()].some((appId) => appId.includes(id)))
        visit(reader);
    ordered.push(name);
  };
  for (const name of tables.keys()) visit(name);
  return ordered;
}
