/**
 * What tables the lake has and what they are called in SQL: event types (folder = name), Muara's own ledger
 * tables, results of jobs, and any other Delta folder in the lake's root. Snapshots are cached and only grow: each look
 * reads the versions that came since the last one.
 *
 * SQL names ignore case, as DuckDB does even in quotes. A table is known by its own name and by its alias
 * (dots and dashes become `_`), unless two tables would share the alias or another table bears it as its name.
 */
import type { Clock } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";
import { RESERVED_TABLES, sqlAlias, type EventType } from "../core/event-type.ts";
import { REMOVAL, type Removal } from "../core/event-type-removal.ts";
import { type Job, jobTables } from "../core/job.ts";
import type { ObjectStore, StoredObject } from "../core/ports/object-store.ts";
import type { TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import type { Registry } from "../core/registry.ts";
import { currentName, currentTableSchema, hasCurrent } from "./current/current-table.ts";
import { storePathOf } from "./table/add-file.ts";

/** Other Delta folders are looked for at most this often: it lists the lake's folders. */
const FOREIGN_EVERY_MS = 30_000;
const FIRST_COMMIT = /^([^/]+)\/_delta_log\/\d{20}\.(?:json|checkpoint\.parquet)$/;

/** `current`: the current state of a captured event type. `job`: results of a job, or what lies beside them. */
export type TableKind = "event_type" | "current" | "ledger" | "job" | "other";

export interface CatalogTable {
  readonly name: string;
  readonly kind: TableKind;
  /** undefined where another table has the same. */
  readonly alias: string | undefined;
  /** Only of kind `event_type`. */
  readonly eventType: EventType | undefined;
  /** Of kind `current`: the captured type whose changes it comes from. */
  readonly captured?: EventType;
}

export interface CatalogPorts {
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly clock: Clock;
  /** The log of the table in folder `name`. */
  readonly openTable: (name: string) => TableLog;
  /** Delta schema (JSON text) and partition columns of an event type that nothing has landed of yet. */
  readonly declaredSchema?: (type: EventType) => {
    readonly schemaString: string;
    readonly partitionColumns: readonly string[];
  };
}

export interface Catalog {
  /** Every table, by name. */
  list(): Promise<readonly CatalogTable[]>;
  /** The table that SQL calls `name` (own name or alias, ignoring case). */
  find(name: string): Promise<CatalogTable | undefined>;
  /** The newest snapshot; version -1 for a declared event type without commits. @throws table.not_found */
  snapshot(name: string): Promise<TableSnapshot>;
  log(name: string): TableLog;
  /**
   * Absolute path or address of a file of the table; without `path` of its folder.
   * @throws table.unsupported, store.path
   */
  location(name: string, path?: string): string;
  /** Schema and partition columns, declared ones where there is no commit. */
  schema(table: CatalogTable, snapshot: TableSnapshot): TableSchema;
}

export interface TableSchema {
  /** Delta schema, JSON text of a struct type. */
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
}

interface OpenTable {
  readonly log: TableLog;
  snapshot: TableSnapshot | undefined;
  refreshing: Promise<TableSnapshot> | undefined;
}

export function createCatalog(ports: CatalogPorts): Catalog {
  const open = new Map<string, OpenTable>();
  let foreign: readonly string[] = [];
  let lookedAtMs = -Infinity;

  const opened = (name: string): OpenTable => {
    let table = open.get(name);
    if (!table)
      open.set(name, (table = { log: ports.openTable(name), snapshot: undefined, refreshing: undefined }));
    return table;
  };

  const snapshot = (name: string): Promise<TableSnapshot> => {
    const table = opened(name);
    table.refreshing ??= refresh(table).finally(() => {
      table.refreshing = undefined;
    });
    return table.refreshing;
  };

  const lookForForeign = async (known: ReadonlySet<string>): Promise<void> => {
    const nowMs = ports.clock.monotonicMs();
    if (nowMs - lookedAtMs < FOREIGN_EVERY_MS) return;
    lookedAtMs = nowMs;
    foreign = await foreignTables(ports.store, known);
  };

  const list = async (): Promise<readonly CatalogTable[]> => {
    await ports.registry.refresh();
    const types = ports.registry.list<EventType>("event-type");
    const ledgers = await existing(RESERVED_TABLES, snapshot);
    const captured = types.flatMap(({ value }) => (value && hasCurrent(value) ? value : []));
    const names = [...types.map(({ name }) => name), ...captured.map(({ name }) => currentName(name))];
    const jobs = ports.registry.list<Job>("job").flatMap(({ value }) => (value ? jobTables(value) : []));
    const results = await existing(jobs, snapshot);
    const own = [...names, ...results];
    const known = new Set([...own.map((name) => name.toLowerCase()), ...RESERVED_TABLES]);
    await lookForForeign(known);
    // Types that were deleted leave their tables, which must not wait for the next look.
    const removed = ports.registry
      .list<Removal>(REMOVAL)
      .flatMap(({ value }) => (value && !known.has(value.type.name.toLowerCase()) ? value.type.name : []));
    const left = (await existing(removed, snapshot)).filter((name) => !foreign.includes(name));
    const others = [...foreign.filter((name) => !known.has(name.toLowerCase())), ...left];
    return withAliases([
      ...types.map((type) => ({
        // The registry knows it in lower case; the table bears the name as declared.
        name: type.value!.name,
        kind: "event_type" as const,
        eventType: type.value ?? undefined,
      })),
      ...captured.map((type) => {
        return {
          name: currentName(type.name),
          kind: "current" as const,
          eventType: undefined,
          captured: type,
        };
      }),
      ...ledgers.map((name) => ({ name, kind: "ledger" as const, eventType: undefined })),
      ...results.map((name) => ({ name, kind: "job" as const, eventType: undefined })),
      ...others.map((name) => ({ name, kind: "other" as const, eventType: undefined })),
    ]);
  };

  const find = async (name: string): Promise<CatalogTable | undefined> => {
    const wanted = name.toLowerCase();
    const tables = await list();
    return (
      tables.find((table) => table.name.toLowerCase() === wanted) ??
      tables.find((table) => table.alias?.toLowerCase() === wanted)
    );
  };

  const schema = (table: CatalogTable, pinned: TableSnapshot): TableSchema => {
    if (pinned.metadata) return pinned.metadata;
    if (table.eventType && ports.declaredSchema) return ports.declaredSchema(table.eventType);
    if (table.captured && ports.declaredSchema)
      return currentTableSchema(ports.declaredSchema(table.captured).schemaString);
    throw new MuaraError("table.not_found", `The table "${table.name}" has no commit yet.`, {
      details: { table: table.name },
    });
  };

  return {
    list,
    find,
    snapshot,
    schema,
    log: (name) => opened(name).log,
    location: (name, path) => ports.store.location(path === undefined ? name : storePathOf(name, path)),
  };
}

function tableOf({ path }: StoredObject): readonly string[] {
  return FIRST_COMMIT.exec(path)?.slice(1) ?? [];
}

/** Folders with a Delta log that are not among the `known`, which are lower case. */
export async function foreignTables(
  store: ObjectStore,
  known: ReadonlySet<string>,
): Promise<readonly string[]> {
  // The one who only wraps a store may not know of folders.
  if (!store.folders)
    return [...new Set((await store.list("")).flatMap(tableOf))].filter(
      (name) => !known.has(name.toLowerCase()),
    );
  const unknown = (await store.folders("")).filter((name) => !known.has(name.toLowerCase()));
  const lists = await Promise.all(unknown.map((name) => store.list(`${name}/_delta_log`)));
  return unknown.filter((_name, i) => lists[i]!.flatMap(tableOf).length > 0);
}

async function refresh(table: OpenTable): Promise<TableSnapshot> {
  table.snapshot = await table.log.snapshot(table.snapshot ? { from: table.snapshot } : {});
  return table.snapshot;
}

async function existing(
  names: readonly string[],
  snapshot: (name: string) => Promise<TableSnapshot>,
): Promise<readonly string[]> {
  const versions = await Promise.all(names.map(async (name) => (await snapshot(name)).version));
  return names.filter((_, i) => versions[i]! >= 0);
}

function withAliases(tables: readonly Omit<CatalogTable, "alias">[]): readonly CatalogTable[] {
  const names = new Set(tables.map((table) => table.name.toLowerCase()));
  const counts = new Map<string, number>();
  for (const table of tables) {
    const alias = sqlAlias(table.name).toLowerCase();
    counts.set(alias, (counts.get(alias) ?? 0) + 1);
  }
  return tables
    .map((table) => {
      const alias = sqlAlias(table.name);
      const isFree =
        alias === table.name || (counts.get(alias.toLowerCase()) === 1 && !names.has(alias.toLowerCase()));
      return { ...table, alias: isFree ? alias : undefined };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
