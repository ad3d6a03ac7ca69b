/**
 * Merging: what has landed of a captured type becomes part of its current state, together with the offsets that were
 * consumed, moved exactly from → to. Nobody owns it: of two that merge the same, one commits and the other throws its
 * files away. Rows lie in slices by hash of their key, and only slices that changes touch are written anew. What takes
 * long is committed in steps of a few slices (merge-round.ts), so that whoever is killed loses one of them.
 */
import { join } from "node:path";
import type { Clock, Randomness } from "../../core/clock.ts";
import { CURRENT_SLICE } from "../../core/columns.ts";
import { isStoreTrouble } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { statedChecksum, tagsOf } from "../checksum.ts";
import { putLocalFile } from "../local-copy.ts";
import type { RewriteInput } from "../rewrite-job.ts";
import { localInput, RewriteProcess, type RewriterOptions } from "../rewrite-process.ts";
import { checkYoung, dataFilePath, storePathOf } from "../table/add-file.ts";
import { createTableChange } from "../table/create-table.ts";
import { formatSchema, parseSchema } from "../table/delta-schema.ts";
import { evolveSchema } from "../table/evolve-schema.ts";
import { checkNotPaused } from "../table/table-pause.ts";
import { CURRENT_STEP, currentName, currentSchema, foldColumns, mayHold, SLICES } from "./current-table.ts";
import { type Gathered, nextRound, numRecords, type Round, roundTxns, stepTxn } from "./merge-round.ts";

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
  /** Changes of a round, at most. */
  readonly rows: number;
  /** What was folded for so long is committed; a step is at least one slice, ms. */
  readonly stepMs?: number;
  /** A merge begins no further step after so long, ms. */
  readonly turnMs?: number;
  /** Rows and changes that are in memory at once, about. */
  readonly rowsAtOnce?: number;
}

export interface Merged {
  /** Changes of the round that came to its end; 0 where none did. */
  readonly changes: number;
  /** Commits; 0 where there was nothing to do, or another was faster. */
  readonly steps: number;
  readonly files: number;
  readonly bytes: number;
  /** Whether more is there to be merged at once. */
  readonly hasMore: boolean;
  /** Whether another's commit came first. */
  readonly isVoid: boolean;
}

/** Of wide rows, some hundred MiB. */
const ROWS_AT_ONCE = 100_000;
const STEP_MS = 2_000;
/** Other tables wait meanwhile; to gather changes again for each step would be a waste. */
const TURN_MS = 10_000;
const NOTHING: Merged = { changes: 0, steps: 0, files: 0, bytes: 0, hasMore: false, isVoid: false };

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
   * A turn of merging what the snapshot of the change table has: a round, or some steps of one.
   * @throws table.paused, table.rewrite_failed, table.version_not_found, table.corrupt, table.unsupported,
   *   table.commit_unknown, store.unavailable
   */
  async merge(eventType: string, changes: TableSnapshot, signal: AbortSignal): Promise<Merged> {
    if (!changes.metadata) return NOTHING;
    const name = currentName(eventType);
    const log = this.#ports.openTable(name);
    const base = await ensureCurrent(this.#ports, name, log, changes.metadata.schemaString, this.#options);
    checkNotPaused(base.metadata, this.#ports.clock.nowMs());
    const round = nextRound(changes, base, this.#options.rows);
    if (!round) return NOTHING;
    const { rowsAtOnce = ROWS_AT_ONCE, stepMs = STEP_MS, turnMs = TURN_MS } = this.#options;
    const work = { eventType, name, log, changes, rowsAtOnce, stepMs, turnMs, signal };
    return this.#process.inTurn((folder) =>
      new Merge(this.#ports, this.#process, { ...work, folder }, base, round).run(),
    );
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}

interface MergeWork {
  readonly eventType: string;
  readonly name: string;
  readonly log: TableLog;
  readonly changes: TableSnapshot;
  readonly rowsAtOnce: number;
  readonly stepMs: number;
  readonly turnMs: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Slices that are written anew together. */
interface Folded {
  readonly slices: readonly string[];
  readonly old: readonly AddFile[];
  readonly add: readonly AddFile[];
}

class Merge {
  readonly #ports: MergePorts;
  readonly #process: RewriteProcess;
  readonly #work: MergeWork;
  readonly #slices: number;
  #base: TableSnapshot;
  #round: Round;
  #copies = 0;

  constructor(
    ports: MergePorts,
    process: RewriteProcess,
    work: MergeWork,
    base: TableSnapshot,
    round: Round,
  ) {
    this.#ports = ports;
    this.#process = process;
    this.#work = work;
    this.#base = base;
    this.#round = round;
    this.#slices = Number(base.metadata!.configuration[SLICES]);
  }

  async run(): Promise<Merged> {
    const { changes, turnMs } = this.#work;
    const { clock } = this.#ports;
    const startedMs = clock.monotonicMs();
    const present = parseSchema(this.#base.metadata!.schemaString);
    const grown = evolveSchema(present, parseSchema(currentSchema(changes.metadata!.schemaString)));
    const schemaString = grown ? formatSchema(grown.schema) : this.#base.metadata!.schemaString;
    const gathered = await this.#gather(schemaString);
    if (gathered.ends.every(({ to }, i) => to === this.#round.ranges[i]!.from)) return NOTHING;
    const left = this.#groups(gathered, (grown?.widened.length ?? 0) > 0);
    for (let merged = NOTHING; ;) {
      const folded = await this.#step(schemaString, left);
      const isLast = left.length === 0;
      if (!(await this.#commit(gathered, folded, isLast, schemaString))) return { ...merged, isVoid: true };
      merged = {
        ...merged,
        changes: isLast ? gathered.rows : 0,
        steps: merged.steps + 1,
        files: merged.files + folded.add.length,
        bytes: merged.bytes + folded.add.reduce((sum, { size }) => sum + size, 0),
        hasMore: !isLast || this.#round.hasMore,
      };
      if (isLast || clock.monotonicMs() - startedMs >= turnMs) return merged;
    }
  }

  /** What is left to be folded, and what of it together; of widened columns no file may have the narrow type. */
  #groups({ slices, linked, counts }: Gathered, isWidened: boolean): string[][] {
    const all = Array.from({ length: this.#slices }, (_, slice) => String(slice));
    if (isWidened) return [all];
    const left = (slices ?? all).filter((slice) => !this.#round.done.has(slice));
    let groups = left.toSorted((a, b) => Number(a) - Number(b)).map((slice) => [slice]);
    for (const pair of linked) {
      const together = groups.filter((group) => group.some((slice) => pair.includes(slice)));
      groups = [...groups.filter((group) => !together.includes(group)), together.flat()];
    }
    return this.#together(groups, counts);
  }

  /** Groups that are small enough to be folded at once, which costs less. */
  #together(groups: readonly string[][], counts: Readonly<Record<string, number>>): string[][] {
    const rows = rowsBySlice(this.#base);
    const sizeOf = (group: readonly string[]): number =>
      group.reduce((sum, slice) => sum + (counts[slice] ?? 0) + (rows.get(slice) ?? 0), 0);
    const found: string[][] = [];
    let size = Infinity;
    for (const group of groups) {
      size += sizeOf(group);
      if (size <= this.#work.rowsAtOnce) found.at(-1)!.push(...group);
      else {
        found.push([...group]);
        size = sizeOf(group);
      }
    }
    return found;
  }

  /** Folds groups, which are taken from the list, until it takes too long; at least one. */
  async #step(schemaString: string, left: string[][]): Promise<Folded> {
    const { clock } = this.#ports;
    const startedMs = clock.monotonicMs();
    let folded: Folded = { slices: [], old: [], add: [] };
    while (left.length > 0) {
      const slices = left.shift()!;
      const old = [...this.#base.files.values()].filter(({ partitionValues }) =>
        slices.includes(String(partitionValues[CURRENT_SLICE])),
      );
      const add = await this.#fold(schemaString, slices, old, left.length === 0);
      folded = {
        slices: [...folded.slices, ...slices],
        old: [...folded.old, ...old],
        add: [...folded.add, ...add],
      };
      if (clock.monotonicMs() - startedMs >= this.#work.stepMs) break;
    }
    return folded;
  }

  async #gather(schemaString: string): Promise<Gathered> {
    const { eventType, changes, signal } = this.#work;
    const { ranges, isBegun } = this.#round;
    const files = [...changes.files.values()].filter((file) => mayHold(file, ranges));
    const inputs = await this.#inputs(eventType, files);
    const job = {
      order: "gather" as const,
      inputs,
      schemaString: changes.metadata!.schemaString,
      partitionColumns: changes.metadata!.partitionColumns,
      columns: foldColumns(schemaString),
      ranges,
      isFixed: isBegun,
      slices: this.#slices,
    };
    return this.#process.run(job, "gathered", eventType, signal);
  }

  async #fold(
    schemaString: string,
    touched: readonly string[],
    old: readonly AddFile[],
    isLast: boolean,
  ): Promise<AddFile[]> {
    const { name, folder, rowsAtOnce, signal } = this.#work;
    const { clock, randomness, store } = this.#ports;
    const inputs = (await this.#inputs(name, old)).map((input, i) => ({
      ...input,
      slice: String(old[i]!.partitionValues[CURRENT_SLICE]),
    }));
    const columns = foldColumns(schemaString);
    const slices = this.#slices;
    const request = { inputs, schemaString, columns, slices, rowsAtOnce, touched, isLast, folder };
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

  async #inputs(table: string, files: readonly AddFile[]): Promise<readonly RewriteInput[]> {
    const { folder, signal } = this.#work;
    const inputs: RewriteInput[] = [];
    for (const file of files) {
      signal.throwIfAborted();
      const path = storePathOf(table, file.path);
      const input = { store: this.#ports.store, path, bytes: file.size, checksum: statedChecksum(file) };
      inputs.push(await localInput(input, join(folder, `input-${this.#copies++}.parquet`)));
    }
    return inputs;
  }

  /** @returns false where another's commit came first */
  async #commit(
    gathered: Gathered,
    { slices, old, add }: Folded,
    isLast: boolean,
    schemaString: string,
  ): Promise<boolean> {
    const { log, changes, signal } = this.#work;
    const base = this.#base;
    const deletionTimestamp = this.#ports.clock.nowMs();
    checkYoung(add, deletionTimestamp);
    const gone = new Set(old.map(({ path }) => path));
    const isGrown = schemaString !== base.metadata!.schemaString;
    const merged = isLast ? gathered.rows : 0;
    const { outcome, snapshot } = await log.commit({
      base,
      change: {
        operation: "MERGE",
        ...(isGrown ? { metadata: { ...base.metadata!, schemaString } } : {}),
        add,
        remove: [...gone].map((path) => ({ path, deletionTimestamp, dataChange: true })),
        txns: [...roundTxns(base, this.#round, gathered, slices, isLast), stepTxn(base)],
        info: { kind: "current", changes: merged, slices: slices.length, source: changes.version },
      },
      check: (winner) => (isInTheWay(winner, gone) ? "abandon" : "rebase"),
      signal,
    });
    if (outcome !== "committed") {
      await this.#takeBack(add);
      return false;
    }
    this.#base = snapshot;
    this.#round = { ...this.#round, isBegun: true, done: new Set([...this.#round.done, ...slices]) };
    return true;
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

function rowsBySlice({ files }: TableSnapshot): ReadonlyMap<string, number> {
  const rows = new Map<string, number>();
  for (const { partitionValues, stats } of files.values()) {
    const slice = String(partitionValues[CURRENT_SLICE]);
    rows.set(slice, (rows.get(slice) ?? 0) + numRecords(stats));
  }
  return rows;
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
