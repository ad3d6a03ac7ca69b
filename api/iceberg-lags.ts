/**
 * How far exports as Iceberg are behind their tables, for whoever asks every few seconds. Which tables have one is
 * known only by looking into each folder; so what was found is believed for a while, and the longer where nothing was.
 */
import type { CatalogTable } from "../lake/catalog.ts";
import { icebergHold, type IcebergHold } from "../lake/iceberg/export.ts";
import { type IcebergLag, lagOf } from "../lake/iceberg/iceberg-task.ts";
import type { ApiPorts } from "./context.ts";

const FOUND_MS = 15_000;
const NOT_FOUND_MS = 300_000;
const TABLES_AT_ONCE = 8;

interface Look {
  readonly found: IcebergHold | undefined;
  readonly atMs: number;
}

export type TableLag = IcebergLag & { readonly table: string };

export class IcebergLags {
  readonly #ports: Pick<ApiPorts, "catalog" | "clock" | "store">;
  readonly #looks = new Map<string, Look>();

  constructor(ports: Pick<ApiPorts, "catalog" | "clock" | "store">) {
    this.#ports = ports;
  }

  /** Of those that are exported. @throws store.unavailable */
  async of(tables: readonly CatalogTable[]): Promise<readonly TableLag[]> {
    const lags: TableLag[] = [];
    for (let at = 0; at < tables.length; at += TABLES_AT_ONCE) {
      const some = tables.slice(at, at + TABLES_AT_ONCE);
      const found = await Promise.all(some.map(({ name }) => this.#lag(name)));
      lags.push(...found.filter((lag) => lag !== undefined));
    }
    return lags;
  }

  async #lag(table: string): Promise<TableLag | undefined> {
    const { catalog, clock, store } = this.#ports;
    const nowMs = clock.monotonicMs();
    let look = this.#looks.get(table);
    if (store && (!look || nowMs - look.atMs > (look.found ? FOUND_MS : NOT_FOUND_MS))) {
      look = { found: await icebergHold(store, table), atMs: nowMs };
      this.#looks.set(table, look);
    }
    return look?.found && { table, ...lagOf(look.found, await catalog.snapshot(table)) };
  }
}
