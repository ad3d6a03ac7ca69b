/** A folder of tables that others wrote, asked by our SQL: catalog and query service over nothing else. */
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { EVERYTHING } from "../../core/authorize.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { configSchema } from "../../core/config.ts";
import { silentLogger } from "../../core/logger.ts";
import { Registry } from "../../core/registry.ts";
import { type Catalog, createCatalog } from "../../lake/catalog.ts";
import { createQueryService, type QueryRows } from "../../lake/query/service.ts";
import { openTableLog } from "../../lake/table/table-log.ts";

export interface ForeignLake {
  readonly catalog: Catalog;
  /** @param at a version */
  ask(sql: string, at?: number): Promise<QueryRows>;
  close(): Promise<void>;
}

export async function openForeignLake(root: string): Promise<ForeignLake> {
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const registry = await Registry.open(createMemoryLog(services), "test", systemClock);
  const catalog = createCatalog({
    store: createFileObjectStore({ root }),
    registry,
    clock: systemClock,
    openTable: (name) => openTableLog(createFileObjectStore({ root }), name, services),
  });
  const options = { ...configSchema.parse({}).query, warm: 0 };
  const query = createQueryService({ catalog, options, clock: systemClock, logger: silentLogger });
  const principal = { id: "test", grants: EVERYTHING };
  return {
    catalog,
    ask: (sql, at) => query.rows({ sql, at, principal }, new AbortController().signal),
    close: () => query.close(),
  };
}
