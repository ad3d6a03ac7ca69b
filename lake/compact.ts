/**
 * Compaction of a table: small files become large ones, sorted by event time and place in the log; rows stay what they
 * are. One commit per group, of exactly the files that were read (`dataChange` false, no `txn` moved), so whoever
 * follows the table's rows sees nothing of it.
 *
 * The surprising rule: it is right whoever else does the same. Appends do not matter to it; where somebody removed one
 * of its files, or changed the schema, the attempt is void and the table is planned anew. Only a proven refusal deletes
 * what was written: after an unknown outcome a file stays for the sweeper.
 */
import type { Clock, Randomness } from "../core/clock.ts";
import { hasCode, isStoreTrouble, MuaraError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot, Verdict } from "../core/ports/table-log.ts";
import { type Group, planCompaction, type PlanOptions, rowsOf } from "./compaction-plan.ts";
import { type Lease, REWRITE_LEASE, takeLease } from "./lease.ts";
import type { FileRewriter } from "./rewrite.ts";
import { checkYoung, dataFilePath } from "./table/add-file.ts";
import { parseSchema } from "./table/delta-schema.ts";
import { checkNotPaused } from "./table/table-pause.ts";
import type { UpkeepTask } from "./upkeep.ts";

/** What rows are sorted by, as far as the table has it. */
const ORDER = ["event_time", "log_partition", "log_offset"];
/** Attempts in one call that others made void. */
const VOID_MAX = 8;

export interface CompactPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly rewriter: Pick<FileRewriter, "rewrite">;
}

export interface CompactOptions extends PlanOptions {
  /** How long the lease is for, renewed with each group; undefined: it is not asked for. ms */
  readonly leaseMs?: number;
}

export interface Compacted {
  readonly groups: number;
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly rows: number;
  /** Attempts that others' commits made void. */
  readonly voided: number;
  /** Somebody else holds the lease: nothing was done. */
  readonly isElsewhere: boolean;
}

type Tally = { -readonly [Name in keyof Compacted]: Compacted[Name] };

/** A task of upkeep. @param owner unique to the process */
export function compactionTask(
  ports: CompactPorts,
  options: CompactOptions,
  everyMs: number,
  owner: string,
): UpkeepTask {
  return {
    name: "compact",
    everyMs,
    run: async (table, signal) => {
      const { name, log } = table;
      await compactTable(ports, options, { name, log, base: await table.snapshot(), owner }, signal);
    },
  };
}

export interface CompactRequest {
  readonly name: string;
  readonly log: TableLog;
  /** What is planned on. */
  readonly base: TableSnapshot;
  readonly owner: string;
}

/**
 * One run within its budget of bytes and rows. @throws table.paused, table.corrupt, table.rewrite_failed,
 *   table.commit_unknown, table.unsupported for a struct without fields, store.unavailable
 */
export async function compactTable(
  ports: CompactPorts,
  options: CompactOptions,
  request: CompactRequest,
  signal: AbortSignal,
): Promise<Compacted> {
  const { clock } = ports;
  const { name, base, owner } = request;
  checkNotPaused(base.metadata, clock.nowMs());
  const tally = emptyTally();
  if (planCompaction(base, clock.nowMs(), options).length === 0) return tally;
  const { leaseMs } = options;
  const take = async (): Promise<Lease | undefined> =>
    leaseMs === undefined ? undefined : takeLease(ports, `${name}/${REWRITE_LEASE}`, owner, leaseMs);
  const lease = await take();
  if (leaseMs !== undefined && !lease) return { ...tally, isElsewhere: true };
  try {
    await new Run(ports, options, request, tally).run(take, signal);
  } finally {
    await lease?.release();
  }
  if (tally.groups > 0) ports.logger.info("files of a table were put together", { table: name, ...tally });
  return tally;
}

class Run {
  readonly #ports: CompactPorts;
  readonly #options: CompactOptions;
  readonly #request: CompactRequest;
  readonly #tally: Tally;
  #snapshot: TableSnapshot;

  constructor(ports: CompactPorts, options: CompactOptions, request: CompactRequest, tally: Tally) {
    this.#ports = ports;
    this.#options = options;
    this.#request = request;
    this.#tally = tally;
    this.#snapshot = request.base;
  }

  /** @param renew of the lease; whether that works is no matter */
  async run(renew: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    let { runBytes, runRows } = this.#options;
    while (!signal.aborted && this.#tally.voided < VOID_MAX) {
      // Planned anew after each group: others go on meanwhile.
      const plan = planCompaction(this.#snapshot, this.#ports.clock.nowMs(), this.#options);
      const group = plan.find((one) => one.bytes <= runBytes && one.rows <= runRows);
      if (!group) return;
      if (this.#tally.groups + this.#tally.voided > 0) await renew();
      if (!(await this.#compact(group, signal))) continue;
      runBytes -= group.bytes;
      runRows -= group.rows;
    }
  }

  /** @returns false where the attempt was void; the snapshot is newer then */
  async #compact(group: Group, signal: AbortSignal): Promise<boolean> {
    const written = await this.#write(group, signal);
    if (!written) return false;
    const removed = new Set(group.files.map(({ path }) => path));
    const deletionTimestamp = this.#ports.clock.nowMs();
    checkYoung([written], deletionTimestamp);
    const outcome = await this.#request.log.commit({
      base: this.#snapshot,
      change: {
        operation: "OPTIMIZE",
        add: [written],
        remove: [...removed].map((path) => ({ path, deletionTimestamp, dataChange: false })),
        txns: [],
        info: { kind: "compact" },
      },
      check: (winner) => judge(winner, removed),
      signal,
    });
    this.#snapshot = outcome.snapshot;
    if (outcome.outcome === "committed") {
      this.#count(group, written);
      return true;
    }
    this.#tally.voided++;
    await this.#takeBack(written);
    return false;
  }

  /** @returns undefined where a file is gone because the table has moved on */
  async #write(group: Group, signal: AbortSignal): Promise<AddFile | undefined> {
    const { store, clock, randomness, rewriter } = this.#ports;
    const { name, log } = this.#request;
    const { schemaString, partitionColumns } = this.#snapshot.metadata!;
    const orderBy = orderOf(schemaString);
    try {
      const { files } = group;
      const path = dataFilePath(group.partitionValues, randomness.uuid());
      const request = { store, table: name, files, schemaString, partitionColumns, orderBy, to: path };
      const { bytes: size, stats, tags } = await rewriter.rewrite(request, signal);
      const { partitionValues } = group;
      const modificationTime = clock.nowMs();
      return { path, partitionValues, size, modificationTime, dataChange: false, stats, tags };
    } catch (error) {
      if (!hasCode(error, "table.version_not_found")) throw error;
      const newest = await log.snapshot({ from: this.#snapshot });
      const isLive = group.files.every(({ path }) => newest.files.has(path));
      if (isLive)
        throw new MuaraError("table.corrupt", `${name} names a file that does not exist.`, { cause: error });
      this.#snapshot = newest;
      this.#tally.voided++;
      return undefined;
    }
  }

  async #takeBack({ path }: AddFile): Promise<void> {
    const { store, logger } = this.#ports;
    try {
      await store.delete(`${this.#request.name}/${path}`);
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      logger.warn("a file of a void compaction stays for the sweeper", { path, error });
    }
  }

  #count({ files, bytes }: Group, written: AddFile): void {
    this.#tally.groups++;
    this.#tally.filesBefore += files.length;
    this.#tally.filesAfter++;
    this.#tally.bytesBefore += bytes;
    this.#tally.bytesAfter += written.size;
    this.#tally.rows += rowsOf(written);
  }
}

/** Whoever rewrote, removed or replaced one of the files, or changed what a file looks like, was faster. */
function judge({ metadata, add, remove }: TableCommit, removed: ReadonlySet<string>): Verdict {
  const touches = [...add, ...remove].some(({ path }) => removed.has(path));
  return metadata || touches ? "abandon" : "rebase";
}

/** @throws table.unsupported */
function orderOf(schemaString: string): readonly string[] {
  const { fields } = parseSchema(schemaString);
  // The engine has no struct without fields and would write a text instead.
  if (schemaString.includes('"fields":[]'))
    throw new MuaraError("table.unsupported", "The table has a struct without fields.");
  return ORDER.filter((name) => fields.some((field) => field.name === name));
}

function emptyTally(): Tally {
  const nothing = { groups: 0, filesBefore: 0, filesAfter: 0, bytesBefore: 0, bytesAfter: 0 };
  return { ...nothing, rows: 0, voided: 0, isElsewhere: false };
}
