/**
 * Others who write to the tables, as Spark or delta-rs would: pure compactions, removals and appends of rows,
 * changes of metadata. They go through the table's log and are slow, so that everybody else gets between their steps.
 */
import { hasCode } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type {
  AddFile,
  TableChange,
  TableCommit,
  TableLog,
  TableMetadata,
  TableSnapshot,
  Txn,
  Verdict,
} from "../../core/ports/table-log.ts";
import { planColumns } from "../../core/columns.ts";
import { identitiesOfFiles, writeRemovedIds } from "../../lake/removed-ids.ts";
import { REMOVED_TXN } from "../../core/landed.ts";
import { readRows, writeRows } from "../../lake/parquet/rows.ts";
import { addFile, dataFilePath } from "../../lake/table/add-file.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { simRandomness } from "./randomness.ts";
import { below, pick, type SimType } from "./events.ts";
import type { Fault } from "./faults.ts";
import { OUTSIDE, type World } from "./world.ts";

export class Foreigner {
  readonly #world: World;
  readonly #randomness;

  constructor(world: World, day: number) {
    this.#world = world;
    this.#randomness = simRandomness(world.seed + 2 ** day);
  }

  async run(isOver: () => boolean): Promise<void> {
    const { random, scheduler } = this.#world;
    const acts: readonly [Fault, (type: SimType) => Promise<boolean>][] = [
      ["foreign compaction", (type) => this.#compact(type)],
      ["foreign removal of rows", (type) => this.#remove(type)],
      ["foreign removal that keeps the ids", (type) => this.#retire(type)],
      ["foreign append of rows", (type) => this.#append(type)],
      ["foreign change of metadata", (type) => this.#changeMetadata(type)],
    ];
    while (!isOver()) {
      await scheduler.wait(OUTSIDE, 100 + below(random, 2_500));
      const possible = acts.filter(([fault]) => this.#world.faults.has(fault));
      if (possible.length === 0) continue;
      const [fault, act] = pick(random, possible);
      if (await act(pick(random, this.#world.types))) this.#world.faults.note(fault);
    }
  }

  #table(name: string): TableLog {
    const { store, scheduler } = this.#world;
    const clock = {
      nowMs: () => this.#world.wallMs(0),
      monotonicMs: () => scheduler.nowMs,
      sleep: (ms: number) => scheduler.wait(OUTSIDE, ms),
    };
    const services = { clock, randomness: this.#randomness, logger: silentLogger };
    const slow: ObjectStore = {
      location: (path) => store.location(path),
      put: (path, bytes) => store.put(path, bytes),
      putIfAbsent: async (path, bytes) => {
        await scheduler.wait(OUTSIDE, 0);
        return store.putIfAbsent(path, bytes);
      },
      putIfMatch: (path, bytes, etag) => store.putIfMatch(path, bytes, etag),
      get: (path) => store.get(path),
      getRange: (path, at, length) => store.getRange(path, at, length),
      head: (path) => store.head(path),
      list: (prefix) => store.list(prefix),
      delete: (path) => store.delete(path),
    };
    return openTableLog(slow, name, services);
  }

  async #compact({ name, declared }: SimType): Promise<boolean> {
    const { store, random } = this.#world;
    const table = this.#table(name);
    const files = [...(await table.snapshot()).files.values()];
    const days = Map.groupBy(files, (file) => file.partitionValues["ingest_date"]!);
    const crowded = [...days.values()].filter((some) => some.length > 1);
    if (crowded.length === 0) return false;
    const chosen = pick(random, crowded);
    const { columns } = planColumns(declared);
    const rows = [];
    for (const file of chosen) {
      const bytes = await store.get(`${name}/${file.path}`);
      if (!bytes) return false; // removed and swept meanwhile
      rows.push(...(await readRows(bytes, columns)));
      await this.#world.scheduler.wait(OUTSIDE, 0);
    }
    const add = await this.#write(declared, name, rows, chosen[0]!.partitionValues["ingest_date"]!, false);
    return this.#commit(table, [add], chosen, false);
  }

  async #remove({ name }: SimType): Promise<boolean> {
    const table = this.#table(name);
    const files = [...(await table.snapshot()).files.values()];
    return files.length > 0 && this.#commit(table, [], [pick(this.#world.random, files)], true);
  }

  /** As the product's retention will: what is left of the rows is their ids. */
  async #retire({ name }: SimType): Promise<boolean> {
    const { store, random } = this.#world;
    const table = this.#table(name);
    const base = await table.snapshot();
    if (base.files.size === 0) return false;
    const file = pick(random, [...base.files.values()]);
    const ports = { store, kernel: this.#world.slots[0]!.kernel, randomness: this.#randomness };
    let removal;
    try {
      const rows = await identitiesOfFiles(ports, name, base, [file]);
      removal = await writeRemovedIds(ports, name, base, rows, -Infinity);
    } catch (error) {
      if (hasCode(error, "table.corrupt")) return false; // removed and swept meanwhile
      throw error;
    }
    await this.#world.scheduler.wait(OUTSIDE, 0);
    return this.#commit(table, [], [file], true, undefined, { base, txn: removal.txn });
  }

  async #append({ name, declared }: SimType): Promise<boolean> {
    const table = this.#table(name);
    if ((await table.snapshot()).version < 0) return false;
    const nowMs = this.#world.wallMs(0);
    const us = BigInt(nowMs) * 1_000n;
    const id = this.#randomness.uuid();
    const row = { event_id: id, event_time: us, ingest_time: us, log_partition: -1n, log_offset: -1n, n: 0n };
    const day = new Date(nowMs).toISOString().slice(0, 10);
    return this.#commit(table, [await this.#write(declared, name, [row], day, true)], [], true);
  }

  async #changeMetadata({ name }: SimType): Promise<boolean> {
    const table = this.#table(name);
    const { metadata } = await table.snapshot();
    if (!metadata) return false;
    const interval = pick(this.#world.random, ["3", "3", "5", "100"]);
    const configuration = {
      ...metadata.configuration,
      "delta.checkpointInterval": interval,
      "delta.logRetentionDuration": "interval 2 hours",
    };
    return this.#commit(table, [], [], false, { ...metadata, configuration });
  }

  async #write(
    declared: SimType["declared"],
    name: string,
    rows: readonly object[],
    day: string,
    isDataChange: boolean,
  ): Promise<AddFile> {
    const { bytes, stats } = writeRows(planColumns(declared).columns, rows);
    const partitionValues = { ingest_date: day };
    const path = dataFilePath(partitionValues, this.#randomness.uuid());
    await this.#world.store.put(`${name}/${path}`, bytes);
    const modifiedMs = this.#world.wallMs(0);
    return { ...addFile({ path, partitionValues, bytes: bytes.length, modifiedMs, isDataChange }), stats };
  }

  /** Whatever came meanwhile, unless the files are gone. */
  async #commit(
    table: TableLog,
    add: readonly AddFile[],
    remove: readonly AddFile[],
    dataChange: boolean,
    metadata?: TableMetadata,
    decided?: { readonly base: TableSnapshot; readonly txn: Txn },
  ): Promise<boolean> {
    const base = decided?.base ?? (await table.snapshot());
    await this.#world.scheduler.wait(OUTSIDE, 0);
    const deletionTimestamp = this.#world.wallMs(0);
    const change: TableChange = {
      operation: "OPTIMIZE",
      ...(metadata ? { metadata } : {}),
      add,
      remove: remove.map(({ path }) => ({ path, deletionTimestamp, dataChange })),
      txns: decided ? [decided.txn] : [],
      info: {},
    };
    try {
      const check = (winner: TableCommit): Verdict =>
        decided && movesRemoved(winner) ? "abandon" : "rebase";
      return (await table.commit({ base, change, check })).outcome === "committed";
    } catch (error) {
      if (hasCode(error, "table.commit_conflict") || hasCode(error, "table.paused")) return false;
      throw error;
    }
  }
}

function movesRemoved(winner: TableCommit): boolean {
  return winner.txns.some(({ appId }) => appId === REMOVED_TXN);
}
