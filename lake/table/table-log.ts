/**
 * TableLog over any ObjectStore: a Delta log whose versions are claimed by put-if-absent.
 *
 * The commit loop is the heart of exactly once. Version base+1 is put with one name and one content. Refused means
 * another commit has it: every version since the base is read in order and judged by the caller's check before the
 * next one is tried. Unknown means nothing: the same put is repeated until the store says done or refused. A version
 * that is absent on reading back proves nothing either, since the lost request may still arrive. Never is a later
 * head adopted while the outcome of an earlier put is open.
 *
 * The head is found by probing N+1 until it is absent, never by one listing. `_last_checkpoint` only says where to
 * begin.
 */
import { assert, AssertionError } from "../../core/assert.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { hasCode, isStoreTrouble, MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type {
  CommitOutcome,
  CommitRequest,
  RemoveFile,
  TableChange,
  TableCommit,
  TableLog,
  TableSnapshot,
} from "../../core/ports/table-log.ts";
import { joinStorePath } from "../../core/store-path.ts";
import { type CommitFile, commitFileName, formatCommit, parseCommit } from "./commit-file.ts";
import { LogReader, OUTLIVED_AFTER_MS } from "./log-reader.ts";
import { logFolder, writeCheckpoint } from "./table-checkpoint.ts";
import { checkChangeAllowed } from "./table-pause.ts";
import { isCheckpointDue, stateOf, type TableState } from "./table-state.ts";

const BACK_OFF_MS_MIN = 20;
const BACK_OFF_MS_MAX = 5000;

export interface TableLogOptions {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** A version of ours is there. */
  readonly onCommit?: () => void;
}

/** `tablePath` is the table's folder in the store; it need not exist yet. */
export function openTableLog(store: ObjectStore, tablePath: string, options: TableLogOptions): TableLog {
  const reader = new LogReader(store, tablePath, options.clock, options.logger);
  const committer = new Committer(store, tablePath, reader, options);
  return {
    snapshot: (at) => reader.snapshot(at),
    read: (version) => reader.read(version),
    commit: (request) => committer.commit(request),
  };
}

class Committer {
  readonly #store: ObjectStore;
  readonly #tablePath: string;
  readonly #reader: LogReader;
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  readonly #logger: Logger;
  readonly #onCommit: (() => void) | undefined;

  constructor(store: ObjectStore, tablePath: string, reader: LogReader, options: TableLogOptions) {
    this.#store = store;
    this.#tablePath = tablePath;
    this.#reader = reader;
    this.#clock = options.clock;
    this.#randomness = options.randomness;
    this.#logger = options.logger.with({ table: tablePath });
    this.#onCommit = options.onCommit;
  }

  async commit({ base, change, check, signal }: CommitRequest): Promise<CommitOutcome> {
    checkChange(change);
    const commitId = this.#randomness.uuid();
    let state = stateOf(base);
    const startedMs = this.#timesMs();
    await this.#reader.checkNotOutlived(state);
    for (;;) {
      checkChangeAllowed(state.metadata, change, this.#clock.nowMs());
      state.checkApplicable(change);
      const bytes = this.#format(state, commitId, change);
      let next = await this.#settle(readable(state.version + 1, bytes), bytes, signal);
      if (next.commitId === commitId) {
        await this.#checkReadable(next, startedMs);
        return this.#committed(state.apply(next), next);
      }
      for (;;) {
        state = state.apply(next);
        if (check(next) === "abandon") return { outcome: "abandoned", snapshot: state, winner: next };
        checkMetadata(change, next);
        const following = await this.#reader.readFile(state.version + 1);
        if (following === undefined) break;
        next = following;
      }
    }
  }

  #timesMs(): readonly [number, number] {
    return [this.#clock.nowMs(), this.#clock.monotonicMs()];
  }

  /**
   * A commit that took very long (its machine slept) may lie before the log's beginning by now. What is in memory is
   * then as old as that: whoever asks the table anew is right.
   * @throws table.commit_unknown
   */
  async #checkReadable(
    { version, commitId }: CommitFile,
    startedMs: readonly [number, number],
  ): Promise<void> {
    const tookMs = Math.max(...this.#timesMs().map((ms, i) => ms - startedMs[i]!));
    if (tookMs < OUTLIVED_AFTER_MS || !(await this.#reader.isBeforeLog(version))) return;
    // A reader as old as this writer would take it for the next version.
    await this.#store.delete(joinStorePath(logFolder(this.#tablePath), commitFileName(version)));
    const details = { version, commitId, tookMs };
    throw new MuaraError("table.commit_unknown", `commit ${version} may lie before the log's beginning`, {
      details,
    });
  }

  #format(base: TableState, commitId: string, change: TableChange): Uint8Array {
    const heading = {
      version: base.version + 1,
      commitId,
      timestampMs: Math.max(base.timestampMs + 1, Math.floor(this.#clock.nowMs())),
      isFirst: base.protocol === undefined,
      removedFiles: base.files,
    };
    return formatCommit(heading, { ...change, remove: removedBy(change.remove, heading.timestampMs) });
  }

  /**
   * Puts `bytes`, which say `own`, until it is known whose that version is.
   * @returns the commit that has it, ours or not @throws table.commit_unknown when `signal` ends it before
   */
  async #settle(own: CommitFile, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<CommitFile> {
    const { version, commitId } = own;
    const path = joinStorePath(logFolder(this.#tablePath), commitFileName(version));
    for (let attempt = 0; ; attempt++) {
      const isSettled = await this.#put(path, bytes, attempt > 0);
      if (isSettled === "done") return own;
      if (isSettled === "refused") {
        const found = await this.#readBack(version);
        if (found) return found;
      }
      const details = { version, commitId, attempts: attempt + 1 };
      if (signal?.aborted) {
        throw new MuaraError("table.commit_unknown", `the outcome of commit ${version} is not known`, {
          details,
        });
      }
      this.#logger.warn("the outcome of a commit is not known yet", details);
      const longestMs = Math.min(BACK_OFF_MS_MIN * 2 ** attempt, BACK_OFF_MS_MAX);
      await this.#clock.sleep(longestMs * (0.5 + this.#randomness.fraction() / 2), signal);
    }
  }

  /** @throws what the store throws, as long as no earlier try is open: then nothing was written */
  async #put(path: string, bytes: Uint8Array, isRepeated: boolean): Promise<"done" | "refused" | "unknown"> {
    try {
      return (await this.#store.putIfAbsent(path, bytes)).outcome;
    } catch (error) {
      if (!isRepeated || !isStoreTrouble(error)) throw error;
      return "unknown";
    }
  }

  /** @returns undefined where the store shows nothing yet or does not answer */
  async #readBack(version: number): Promise<CommitFile | undefined> {
    try {
      return await this.#reader.readFile(version);
    } catch (error) {
      if (hasCode(error, "store.unavailable")) return undefined;
      throw error;
    }
  }

  async #committed(snapshot: TableState, commit: TableCommit): Promise<CommitOutcome> {
    this.#onCommit?.();
    if (isCheckpointDue(snapshot)) await this.#checkpoint(snapshot);
    return { outcome: "committed", snapshot, commit };
  }

  /** A checkpoint is a cache: without it the table is slower to open, not wrong. */
  async #checkpoint(snapshot: TableSnapshot): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    try {
      const written = await writeCheckpoint(this.#store, this.#tablePath, snapshot);
      const tookMs = Math.round(this.#clock.monotonicMs() - startMs);
      this.#logger.info("table checkpoint written", { ...written, took_ms: tookMs });
    } catch (error) {
      if (!(error instanceof MuaraError)) throw error;
      this.#logger.warn("table checkpoint failed", { version: snapshot.version, code: error.code, error });
    }
  }
}

/**
 * A file is removed when its commit is written, not when somebody began to think of it: a machine may sleep in between,
 * and clocks differ. Commits' times grow with their versions, so do these; who holds files for a reader relies on it.
 */
function removedBy(remove: readonly RemoveFile[], timestampMs: number): readonly RemoveFile[] {
  return remove.map((one) =>
    one.deletionTimestamp >= timestampMs ? one : { ...one, deletionTimestamp: timestampMs },
  );
}

/** Our commit as everybody will read it. What cannot be read back must never be written. */
function readable(version: number, bytes: Uint8Array): CommitFile {
  try {
    return parseCommit(version, bytes);
  } catch (error) {
    throw new AssertionError(`a change holds what a commit cannot: ${String(error)}`, { cause: error });
  }
}

/** Of two concurrent changes of the metadata the second would undo the first unseen. @throws table.commit_conflict */
function checkMetadata(change: TableChange, winner: TableCommit): void {
  if (change.metadata === undefined || winner.metadata === undefined) return;
  const details = { version: winner.version };
  throw new MuaraError("table.commit_conflict", "the metadata was changed meanwhile", { details });
}

/** A change names each path once. */
function checkChange(change: TableChange): void {
  const paths = new Set([...change.add, ...change.remove].map((action) => action.path));
  assert(paths.size === change.add.length + change.remove.length, "a change names a path twice");
  const apps = new Set(change.txns.map((txn) => txn.appId));
  assert(apps.size === change.txns.length, "a change moves a txn twice");
}
