/**
 * What a commit costs as a table grows old: appends 500 ms apart on a simulated clock, each 20 small files replaced by
 * one and each 20 of those again, as compaction does, and the log cleaned up every hour, kept for two.
 * CPU time of this process, appends, compaction and clean-up together; the store is in memory.
 */
import process from "node:process";
import { createMemoryObjectStore } from "../adapters/memory/object-store.ts";
import type { AddFile, TableChange, TableSnapshot } from "../core/ports/table-log.ts";
import { addFile } from "../lake/table/add-file.ts";
import { createTableChange } from "../lake/table/create-table.ts";
import { cleanUpLog } from "../lake/table/log-cleanup.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { VirtualClock } from "../test/workers/land/virtual-clock.ts";
import { services } from "./landing.ts";
import type { Metric } from "./result.ts";

const COMMITS = Number(process.env["COMMITS"] ?? 10_000);
const EVERY_MS = 500;
const CLEAN_UP_EVERY = 7_200; // commits: an hour
const FAN_IN = 20;
/** Commits whose mean is a point of the curve. */
const WINDOW = 100;

class AgingTable {
  readonly #clock = new VirtualClock();
  readonly #store = createMemoryObjectStore({ clock: this.#clock });
  readonly #ports = { ...services, clock: this.#clock, store: this.#store };
  readonly #log = openTableLog(this.#store, "aging", this.#ports);
  /** Live files by how often they were compacted. */
  readonly #tiers: AddFile[][] = [[], [], []];
  #snapshot: TableSnapshot | undefined;
  #commits = 0;

  get liveFiles(): number {
    return this.#snapshot!.files.size;
  }

  async create(): Promise<void> {
    this.#snapshot = await this.#log.snapshot();
    const created = createTableChange({
      id: "0190a4b8-0000-7000-8000-000000000003",
      name: "aging",
      schema: { type: "struct", fields: [{ name: "n", type: "long", nullable: true, metadata: {} }] },
      partitionColumns: [],
      configuration: { "delta.logRetentionDuration": "interval 2 hours" },
      createdTime: 0,
    });
    await this.#commit(created);
  }

  /** One append, and what is due with it. */
  async append(): Promise<void> {
    this.#clock.ms += EVERY_MS;
    const add = this.#file(0, 100);
    this.#tiers[0]!.push(add);
    const txns = [{ appId: "muara:land", version: BigInt(++this.#commits) }];
    await this.#commit({ operation: "WRITE", add: [add], remove: [], txns, info: { landed: 100 } });
    for (const tier of [0, 1]) if (this.#tiers[tier]!.length >= FAN_IN) await this.#compact(tier);
    if (this.#commits % CLEAN_UP_EVERY === 0)
      await cleanUpLog(this.#ports, "aging", { consumers: [], holdMs: 0 });
  }

  async #compact(tier: number): Promise<void> {
    const replaced = this.#tiers[tier]!.splice(0);
    const add = { ...this.#file(tier + 1, 100 * FAN_IN ** (tier + 1)), dataChange: false };
    this.#tiers[tier + 1]!.push(add);
    const deletionTimestamp = this.#clock.nowMs();
    const remove = replaced.map(({ path }) => ({ path, deletionTimestamp, dataChange: false }));
    await this.#commit({ operation: "OPTIMIZE", add: [add], remove, txns: [], info: {} });
  }

  #file(tier: number, rows: number): AddFile {
    const statistics = { numRecords: rows, minValues: { n: 1 }, maxValues: { n: rows }, nullCount: { n: 0 } };
    const path = `part-${tier}-${String(this.#commits).padStart(30, "0")}.parquet`;
    return addFile({
      path,
      partitionValues: {},
      bytes: rows * 40,
      modifiedMs: this.#clock.nowMs(),
      statistics,
    });
  }

  async #commit(change: TableChange): Promise<void> {
    const outcome = await this.#log.commit({ base: this.#snapshot!, change, check: () => "abandon" });
    if (outcome.outcome !== "committed") throw new Error("nobody else commits here");
    this.#snapshot = outcome.snapshot;
  }
}

/** Points at 10², 10²·√10, 10³ … commits. */
export async function curve(): Promise<Metric[]> {
  const table = new AgingTable();
  await table.create();
  const points: Metric[] = [];
  let next = WINDOW;
  let first: number | undefined;
  let windowStart = process.cpuUsage();
  let longest = 0;
  const mean: number[] = [];
  for (let commits = 1; commits <= COMMITS; commits++) {
    await table.append();
    longest = Math.max(longest, table.liveFiles);
    if (commits % WINDOW > 0) continue;
    const { user, system } = process.cpuUsage(windowStart);
    windowStart = process.cpuUsage();
    mean.push((user + system) / 1_000 / WINDOW);
    if (commits < next) continue;
    // Windows with a clean-up or many compactions in them cost more than others: the mean since the last point.
    const value = mean.reduce((sum, one) => sum + one, 0) / mean.length;
    mean.length = 0;
    points.push({
      name: `CPU of a commit, up to the ${commits.toLocaleString("en-US")}th`,
      value,
      unit: "ms",
      ...(first === undefined ? {} : { reference: first, ratio: first / value }),
    });
    // The first commits run code that is not compiled yet.
    if (points.length === 2) first = value;
    next = Math.round((next * Math.sqrt(10)) / WINDOW) * WINDOW;
  }
  return [...points, { name: "live files, most at a time", value: longest, unit: "files" }];
}
