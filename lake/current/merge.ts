/**
 * Merging: what has landed of a captured type becomes part of its current state, in one commit with the offsets that
 * were consumed, moved exactly from → to. Nobody owns it: of two that merge the same, one commits and the other throws
 * its files away. Rows lie in slices by hash of their key, and only slices that changes touch are written anew.
 */
import { join } from "node:path";
import type { Clock, Randomness } from "../../core/clock.ts";
import { CURRENT_SLICE } from "../../core/columns.ts";
import { isStoreTrouble } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot, Txn } from "../../core/ports/table-log.ts";
import { statedChecksum, tagsOf } from "../checksum.ts";
import { putLocalFile } from "../local-copy.ts";
import type { RewriteInput, RewriteReport } from "../rewrite-job.ts";
import { localInput, RewriteProcess, type RewriterOptions } from "../rewrite-process.ts";
import { checkYoung, dataFilePath, storePathOf } from "../table/add-file.ts";
import { createTableChange } from "../table/create-table.ts";
import { formatSchema, parseSchema } from "../table/delta-schema.ts";
import { evolveSchema } from "../table/evolve-schema.ts";
import { checkNotPaused } from "../table/table-pause.ts";
import {
  CURRENT_STEP,
  CURRENT_TIME,
  CURRENT_UNKEYED,
  currentName,
  currentSchema,
  foldColumns,
  lsnTxn,
  mayHold,
  mergedIngestTxn,
  mergedTxn,
  SLICES,
  type StreamRange,
  unmergedRanges,
} from "./current-table.ts";

export interface MergePorts {
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface MergeOptions {
  /** Of a table that is made now. */
  readonly slices: number;
  /** Changes of one partition that are merged at once, at most. */
  readonly rows: number;
  /** Rows and changes that are in memory at once, about. */
  readonly rowsAtOnce?: number;
}

export interface Merged {
  /** Changes that were merged; 0 where there was nothing to do, or another was faster. */
  readonly changes: number;
  readonly files: number;
  readonly bytes: number;
  /** Whether more is there to be merged at once. */
  readonly hasMore: boolean;
  /** Whether another's commit came first. */
  readonly isVoid: boolean;
}

/** Of wide rows, some hundred MiB. */
const ROWS_AT_ONCE = 100_000;
const NOTHING: Merged = { changes: 0, files: 0, bytes: 0, hasMore: false, isVoid: false };

type Gathered = Extract<RewriteReport, { readonly report: "gathered" }>;

export class CurrentMerger {
  readonly #ports: MergePorts;
  readonly #options: MergeOptions;
  readonly #process: RewriteProcess;

  constructor(ports: MergePorts, options: MergeOptions, rewriting: RewriterOptions = {}) {
    this.#ports = ports;
    this.#options = options;
    this.#process = new RewriteProcess(rewriting);
  }

  /**
   * One merge of what the snapshot of the change table has.
   * @throws table.paused, table.rewrite_failed, table.version_not_found, table.corrupt, table.unsupported,
   *   table.commit_unknown, store.unavailable
   */
  async merge(eventType: string, changes: TableSnapshot, signal: AbortSignal): Promise<Merged> {
    if (!changes.metadata) return NOTHING;
    const name = currentName(eventType);
    const log = this.#ports.openTable(name);
    const base = await ensureCurrent(this.#ports, name, log, changes.metadata.schemaString, this.#options);
    checkNotPaused(base.metadata, this.#ports.clock.nowMs());
    const ranges = this.#rangesOf(changes, base);
    if (ranges.length === 0) return NOTHING;
    const work = {
      eventType,
      name,
      log,
      base,
      changes,
      ranges,
      rowsMax: this.#options.rows,
      rowsAtOnce: this.#options.rowsAtOnce ?? ROWS_AT_ONCE,
      signal,
    };
    return this.#process.inTurn((folder) => new Merge(this.#ports, this.#process, { ...work, folder }).run());
  }

  #rangesOf(changes: TableSnapshot, base: TableSnapshot): readonly StreamRange[] {
    return unmergedRanges(changes, base)
      .filter(({ from, to }) => from < to!)
      .map((range) => ({ ...range, to: Math.min(range.to!, range.from + this.#options.rows) }));
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}

interface MergeWork {
  readonly eventType: string;
  readonly name: string;
  readonly log: TableLog;
  readonly base: TableSnapshot;
  readonly changes: TableSnapshot;
  readonly ranges: readonly StreamRange[];
  readonly rowsMax: number;
  readonly rowsAtOnce: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}

class Merge {
  readonly #ports: MergePorts;
  readonly #process: RewriteProcess;
  readonly #work: MergeWork;
  readonly #slices: number;

  constructor(ports: MergePorts, process: RewriteProcess, work: MergeWork) {
    this.#ports = ports;
    this.#process = process;
    this.#work = work;
    this.#slices = Number(work.base.metadata!.configuration[SLICES]);
  }

  async run(): Promise<Merged> {
    const { base, changes, ranges } = this.#work;
    const present = parseSchema(base.metadata!.schemaString);
    const step = evolveSchema(present, parseSchema(currentSchema(changes.metadata!.schemaString)));
    const schemaString = step ? formatSchema(step.schema) : base.metadata!.schemaString;
    const gathered = await this.#gather(schemaString);
    if (gathered.ends.every(({ to }, i) => to === ranges[i]!.from)) return NOTHING;
    const isWidened = (step?.widened.length ?? 0) > 0;
    const all = Array.from({ length: this.#slices }, (_, slice) => String(slice));
    const slices = isWidened ? all : (gathered.slices ?? all);
    const old = [...base.files.values()].filter(({ partitionValues }) =>
      slices.includes(String(partitionValues[CURRENT_SLICE])),
    );
    const add = slices.length > 0 ? await this.#fold(schemaString, slices, old) : [];
    return this.#commit(gathered, old, add, step ? schemaString : undefined);
  }

  async #gather(schemaString: string): Promise<Gathered> {
    const { eventType, changes, ranges, signal } = this.#work;
    const files = [...changes.files.values()].filter((file) => mayHold(file, ranges));
    const inputs = await this.#inputs(eventType, files, "changes");
    const job = {
      order: "gather" as const,
      inputs,
      schemaString: changes.metadata!.schemaString,
      partitionColumns: changes.metadata!.partitionColumns,
      columns: foldColumns(schemaString),
      ranges,
      slices: this.#slices,
    };
    return this.#process.run(job, "gathered", eventType, signal);
  }

  async #fold(schemaString: string, slices: readonly string[], old: readonly AddFile[]): Promise<AddFile[]> {
    const { name, folder, signal } = this.#work;
    const { clock, randomness, store } = this.#ports;
    const inputs = (await this.#inputs(name, old, "rows")).map((input, i) => ({
      ...input,
      slice: String(old[i]!.partitionValues[CURRENT_SLICE]),
    }));
    const columns = foldColumns(schemaString);
    const { rowsAtOnce } = this.#work;
    const request = {
      inputs,
      schemaString,
      columns,
      slices: this.#slices,
      rowsAtOnce,
      touched: slices,
      folder,
    };
    const { files } = await this.#process.run({ order: "fold", ...request }, "folded", name, signal);
    const add: AddFile[] = [];
    for (const { slice, path: from, file, stats } of files) {
      const partitionValues = { [CURRENT_SLICE]: slice };
      const path = dataFilePath(partitionValues, randomness.uuid());
      await putLocalFile(store, storePathOf(name, path), from, file.bytes);
      const modificationTime = clock.nowMs();
      const tags = tagsOf(file.checksum);
      add.push({ path, partitionValues, size: file.bytes, modificationTime, dataChange: true, stats, tags });
    }
    return add;
  }

  async #inputs(table: string, files: readonly AddFile[], what: string): Promise<readonly RewriteInput[]> {
    const { folder, signal } = this.#work;
    const inputs: RewriteInput[] = [];
    for (const file of files) {
      signal.throwIfAborted();
      const path = storePathOf(table, file.path);
      const input = { store: this.#ports.store, path, bytes: file.size, checksum: statedChecksum(file) };
      inputs.push(await localInput(input, join(folder, `${what}-${inputs.length}.parquet`)));
    }
    return inputs;
  }

  async #commit(
    gathered: Gathered,
    old: readonly AddFile[],
    add: readonly AddFile[],
    schemaString: string | undefined,
  ): Promise<Merged> {
    const { base, log, ranges, changes, signal } = this.#work;
    const deletionTimestamp = this.#ports.clock.nowMs();
    checkYoung(add, deletionTimestamp);
    const gone = new Set(old.map(({ path }) => path));
    const { outcome } = await log.commit({
      base,
      change: {
        operation: "MERGE",
        ...(schemaString === undefined ? {} : { metadata: { ...base.metadata!, schemaString } }),
        add,
        remove: [...gone].map((path) => ({ path, deletionTimestamp, dataChange: true })),
        txns: [...mergedTxns(base, ranges, gathered), stepTxn(base)],
        info: { kind: "current", changes: gathered.rows, source: changes.version },
      },
      check: (winner) => (isInTheWay(winner, gone) ? "abandon" : "rebase"),
      signal,
    });
    if (outcome !== "committed") {
      await this.#takeBack(add);
      return { ...NOTHING, isVoid: true };
    }
    const hasMore = ranges.some(({ from, to }) => to! - from === this.#work.rowsMax);
    const bytes = add.reduce((sum, { size }) => sum + size, 0);
    return { changes: gathered.rows, files: add.length, bytes, hasMore, isVoid: false };
  }

  /** Only after a proven refusal: no version names these files. */
  async #takeBack(files: readonly AddFile[]): Promise<void> {
    const { store, logger } = this.#ports;
    for (const { path } of files) {
      try {
        await store.delete(storePathOf(this.#work.name, path));
      } catch (error) {
        if (!isStoreTrouble(error)) throw error;
        logger.warn("a file of a void merge stays for the sweeper", { path, error });
      }
    }
  }
}

/** Moved by whatever changes rows of a current state: it makes merges void that are under way. */
export function stepTxn({ txns }: TableSnapshot): Txn {
  return { appId: CURRENT_STEP, version: (txns.get(CURRENT_STEP) ?? 0n) + 1n };
}

function mergedTxns(base: TableSnapshot, ranges: readonly StreamRange[], gathered: Gathered): Txn[] {
  const moved = ranges.flatMap((range, i): Txn[] => {
    const { to, ingestMs } = gathered.ends[i]!;
    if (to === range.from) return [];
    const txn: Txn = { appId: mergedTxn(range), version: BigInt(to) };
    return ingestMs === null ? [txn] : [txn, { appId: mergedIngestTxn(range), version: BigInt(ingestMs) }];
  });
  const newest = gathered.newest.map(({ shard, lsn }): Txn => ({
    appId: lsnTxn(shard),
    version: BigInt(lsn),
  }));
  const timeUs = gathered.timeUs === null ? undefined : BigInt(gathered.timeUs);
  const time = base.txns.get(CURRENT_TIME);
  const isNewer = timeUs !== undefined && (time === undefined || timeUs > time);
  const unkeyed = (base.txns.get(CURRENT_UNKEYED) ?? 0n) + BigInt(gathered.unkeyed);
  return [
    ...moved,
    ...newest,
    ...(isNewer ? [{ appId: CURRENT_TIME, version: timeUs }] : []),
    ...(gathered.unkeyed > 0 ? [{ appId: CURRENT_UNKEYED, version: unkeyed }] : []),
  ];
}

function isInTheWay({ metadata, txns, remove }: TableCommit, gone: ReadonlySet<string>): boolean {
  return (
    metadata !== undefined ||
    txns.some(({ appId }) => appId === CURRENT_STEP) ||
    remove.some(({ path }) => gone.has(path))
  );
}

/** The table's newest snapshot; creates it where it does not exist. */
async function ensureCurrent(
  { randomness, clock }: MergePorts,
  name: string,
  log: TableLog,
  changeSchema: string,
  { slices }: MergeOptions,
): Promise<TableSnapshot> {
  const base = await log.snapshot();
  if (base.version >= 0) return base;
  const change = createTableChange({
    id: randomness.uuid(),
    name,
    schema: parseSchema(currentSchema(changeSchema)),
    partitionColumns: [CURRENT_SLICE],
    configuration: { [SLICES]: String(slices) },
    createdTime: clock.nowMs(),
    info: { kind: "create" },
  });
  const { snapshot } = await log.commit({ base, change, check: () => "abandon" });
  return snapshot;
}
