/** A small lake on disk for query tests: Parquet by hyparquet-writer, table logs that are plain lists of versions. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parquetWriteBuffer, type ColumnSource } from "hyparquet-writer";
import { EVERYTHING, type Principal } from "../../../core/authorize.ts";
import { systemClock } from "../../../core/clock.ts";
import { configSchema, type Config } from "../../../core/config.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot } from "../../../core/ports/table-log.ts";
import type { Declaration, Registry } from "../../../core/registry.ts";
import { createCatalog, type Catalog } from "../../../lake/catalog.ts";
import { createQueryService, type QueryService } from "../../../lake/query/service.ts";

export const ADMIN: Principal = { id: "token:admin", grants: EVERYTHING };

export interface TinyFile {
  readonly day: string;
  readonly columns: ColumnSource[];
}

/** One version per entry; each keeps the files of those before it. */
export interface TinyTable {
  readonly name: string;
  readonly eventType?: EventType;
  readonly schemaString: string;
  readonly partitionColumns?: readonly string[];
  readonly versions: readonly {
    readonly timestampMs: number;
    readonly files: readonly TinyFile[];
    readonly txns?: Readonly<Record<string, bigint>>;
  }[];
}

export interface TinyLake {
  readonly root: string;
  readonly catalog: Catalog;
  readonly snapshots: ReadonlyMap<string, readonly TableSnapshot[]>;
  service(options?: Partial<Config["query"]>): QueryService;
  close(): Promise<void>;
}

export function schemaOf(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    type: "struct",
    fields: Object.entries(fields).map(([name, type]) => ({ name, type, nullable: true, metadata: {} })),
  });
}

/** @param registry where the tables are declared; without one, a stand-in that knows their event types */
export async function makeTinyLake(tables: readonly TinyTable[], registry?: Registry): Promise<TinyLake> {
  const root = await mkdtemp(path.join(os.tmpdir(), "muara-tiny-"));
  const snapshots = new Map<string, TableSnapshot[]>();
  for (const table of tables) snapshots.set(table.name, await writeTable(root, table));
  const catalog = createCatalog({
    store: storeOf(root, tables),
    registry: registry ?? registryOf(tables),
    clock: systemClock,
    openTable: (name) => logOf(snapshots.get(name) ?? []),
    declaredSchema: (type) => ({
      schemaString: tables.find((table) => table.name === type.name)!.schemaString,
      partitionColumns: ["ingest_date"],
    }),
  });
  const services: QueryService[] = [];
  return {
    root,
    catalog,
    snapshots,
    service: (options) => {
      const query = { ...configSchema.parse({}).query, warm: 0, timeoutMs: 10_000, ...options };
      const service = createQueryService({
        catalog,
        options: query,
        clock: systemClock,
        logger: silentLogger,
      });
      services.push(service);
      return service;
    },
    close: async () => {
      await Promise.all(services.map((service) => service.close()));
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function writeTable(root: string, table: TinyTable): Promise<TableSnapshot[]> {
  const files = new Map<string, AddFile>();
  const txns = new Map<string, bigint>();
  const versions: TableSnapshot[] = [];
  for (const [version, entry] of table.versions.entries()) {
    for (const [index, file] of entry.files.entries()) {
      const relative = `ingest_date=${file.day}/part-${version}-${index}.parquet`;
      const absolute = path.join(root, table.name, relative);
      await mkdir(path.dirname(absolute), { recursive: true });
      const bytes = new Uint8Array(parquetWriteBuffer({ columnData: file.columns }));
      await writeFile(absolute, bytes);
      const partitionValues = { ingest_date: file.day };
      const numRecords = file.columns[0]?.data.length ?? 0;
      files.set(relative, {
        path: relative,
        partitionValues,
        size: bytes.length,
        modificationTime: entry.timestampMs,
        dataChange: true,
        stats: JSON.stringify({ numRecords }),
      });
    }
    for (const [appId, value] of Object.entries(entry.txns ?? {})) txns.set(appId, value);
    versions.push({
      version,
      timestampMs: entry.timestampMs,
      metadata: {
        id: "00000000-0000-4000-8000-000000000000",
        name: table.name,
        schemaString: table.schemaString,
        partitionColumns: table.partitionColumns ?? ["ingest_date"],
        configuration: {},
        createdTime: 0,
      },
      files: new Map(files),
      txns: new Map(txns),
    });
  }
  return versions;
}

function logOf(versions: readonly TableSnapshot[]): TableLog {
  const nothing: TableSnapshot = {
    version: -1,
    timestampMs: 0,
    metadata: undefined,
    files: new Map(),
    txns: new Map(),
  };
  return {
    snapshot: async (at) => {
      if (at?.version !== undefined) {
        const found = versions[at.version];
        if (found) return found;
        throw new MuaraError("table.version_not_found", `There is no version ${at.version}.`);
      }
      if (at?.timeMs !== undefined)
        return versions.findLast((one) => one.timestampMs <= at.timeMs!) ?? nothing;
      return versions.at(-1) ?? nothing;
    },
    read: async (version) => {
      const found = versions[version];
      if (!found) return undefined;
      const before = versions[version - 1]?.files ?? new Map<string, AddFile>();
      const commit: TableCommit = {
        version,
        commitId: String(version),
        timestampMs: found.timestampMs,
        operation: "WRITE",
        add: [...found.files.values()].filter((file) => !before.has(file.path)),
        remove: [],
        txns: [],
        info: {},
      };
      return commit;
    },
    commit: () => Promise.reject(new Error("a tiny lake is read only")),
  };
}

function storeOf(root: string, tables: readonly TinyTable[]): ObjectStore {
  const store: Partial<ObjectStore> = {
    location: (relative) => path.join(root, relative),
    list: async () =>
      tables.map((table) => ({
        path: `${table.name}/_delta_log/00000000000000000000.json`,
        bytes: 1,
        modifiedMs: 0,
      })),
  };
  return store as ObjectStore;
}

function registryOf(tables: readonly TinyTable[]): Registry {
  const declared = tables.flatMap((table) =>
    table.eventType
      ? [{ kind: "event-type", name: table.name, revision: 1, writer: "t", atMs: 0, value: table.eventType }]
      : [],
  );
  const registry = {
    refresh: async () => {},
    list: (kind: string) => declared.filter((one) => one.kind === kind) as readonly Declaration[],
  };
  return registry as unknown as Registry;
}
