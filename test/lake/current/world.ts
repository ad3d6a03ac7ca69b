/** A lake in a folder with a captured table: changes are sent and landed, merged when told so, and asked for in SQL. */
import { mkdtemp, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import type { Principal } from "../../../core/authorize.ts";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import type { EventType } from "../../../core/event-type.ts";
import { createKernel } from "../../../core/kernel.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { TableLog } from "../../../core/ports/table-log.ts";
import { packRecords } from "../../../core/record.ts";
import { Registry } from "../../../core/registry.ts";
import { type Catalog, createCatalog } from "../../../lake/catalog.ts";
import { currentName } from "../../../lake/current/current-table.ts";
import { CurrentMerger, type Merged, type MergeOptions } from "../../../lake/current/merge.ts";
import type { At } from "../../../lake/query/time-travel.ts";
import { createQueryService, type QueryRows, type QueryService } from "../../../lake/query/service.ts";
import { createRemovals, type Removals } from "../../../lake/removals.ts";
import { declaredSchema } from "../../../lake/tables.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { DAY_MS, never, OPTIONS } from "../../workers/land/setup.ts";
import { ADMIN } from "../query/tiny-lake.ts";
import { type Change, changeRecord } from "./changes.ts";

const wasm = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));
let worlds = 100;

export const MERGING: MergeOptions = { slices: 4, rows: 100_000 };

export class World {
  readonly root: string;
  readonly type: EventType;
  readonly log: ReturnType<typeof createMemoryLog>;
  readonly registry: Registry;
  readonly store: ReturnType<typeof createFileObjectStore>;
  readonly catalog: Catalog;
  readonly query: QueryService;
  readonly ports;
  readonly #mergers: CurrentMerger[] = [];
  readonly #removals: Removals[] = [];
  #landing: TableLanding | undefined;

  private constructor(root: string, type: EventType, log: World["log"], registry: Registry, seed: number) {
    this.root = root;
    this.type = type;
    this.log = log;
    this.registry = registry;
    this.store = createFileObjectStore({ root: join(root, "lake") });
    const clock = systemClock;
    const randomness = seededRandomness(seed);
    const kernel = createKernel(wasm, new Uint8Array(16).fill(5));
    const logger = silentLogger;
    const openTable = (name: string) => openTableLog(this.store, name, { clock, randomness, logger });
    this.ports = { log, store: this.store, openTable, kernel, clock, randomness, logger, registry };
    this.catalog = createCatalog({ ...this.ports, declaredSchema });
    const options = { ...configSchema.parse({}).query, warm: 1, timeoutMs: 120_000 };
    this.query = createQueryService({ catalog: this.catalog, options, clock, logger });
  }

  static async open(type: EventType, partitions = 1): Promise<World> {
    const root = await mkdtemp(join(tmpdir(), "muara-current-"));
    const log = createMemoryLog({ clock: systemClock, randomness: seededRandomness(++worlds) });
    const registry = await Registry.open(log, "test", systemClock);
    await registry.put("event-type", type.name.toLowerCase(), 0, type);
    await log.createStream(type.name, { partitions, cleanup: "delete", retentionMs: 100 * DAY_MS });
    return new World(root, type, log, registry, worlds);
  }

  get current(): string {
    return currentName(this.type.name);
  }

  async send(changes: readonly Change[], partitionOf: (change: Change) => number = () => 0): Promise<void> {
    const byPartition = Map.groupBy(changes, partitionOf);
    for (const [partition, some] of byPartition)
      await this.log.append(this.type.name, partition, packRecords(some.map(changeRecord)));
  }

  async land(type: EventType = this.type): Promise<void> {
    if (type !== this.type) this.#landing = undefined;
    this.#landing ??= await TableLanding.open(this.ports, OPTIONS, type);
    while ((await this.#landing.step(never)).hasBacklog);
  }

  /**
   * Another process, as far as merging goes.
   * @param beforeCommit of its merges
   */
  merger(options: Partial<MergeOptions> = {}, beforeCommit?: () => Promise<unknown>): CurrentMerger {
    const openTable = (name: string): TableLog => {
      const log = this.ports.openTable(name);
      return {
        ...log,
        commit: async (request) => {
          if (request.change.operation === "MERGE") await beforeCommit?.();
          return log.commit(request);
        },
      };
    };
    const ports = { ...this.ports, openTable };
    const merger = new CurrentMerger(ports, { ...MERGING, ...options }, { folder: join(this.root, "tmp") });
    this.#mergers.push(merger);
    return merger;
  }

  async merge(merger: CurrentMerger = this.#mergers[0] ?? this.merger()): Promise<Merged> {
    return merger.merge(this.type.name, await this.ports.openTable(this.type.name).snapshot(), never);
  }

  removals(): Removals {
    const ports = { ...this.ports, rewriting: { folder: join(this.root, "tmp") } };
    const day = { sweepAfterMs: DAY_MS, holdMs: DAY_MS, partsMs: DAY_MS };
    const removals = createRemovals(ports, { horizonMs: OPTIONS.horizonMs, ...day });
    this.#removals.push(removals);
    return removals;
  }

  rows(sql: string, at?: At, principal: Principal = ADMIN): Promise<QueryRows> {
    return this.query.rows({ sql, at, principal }, never);
  }

  async close(): Promise<void> {
    await this.query.close();
    for (const removals of this.#removals) await removals.close();
    for (const merger of this.#mergers) await merger.close();
    await rm(this.root, { recursive: true, force: true });
  }
}
