/**
 * Reading a Delta log: where to begin (a table checkpoint or version 0), then commit after commit until the next
 * one is absent. A missing or damaged checkpoint costs time only; a hole between commits is table.corrupt.
 */
import type { Clock } from "../../core/clock.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableCommit, TableSnapshot } from "../../core/ports/table-log.ts";
import { joinStorePath } from "../../core/store-path.ts";
import { type CommitFile, commitFileName, parseCommit } from "./commit-file.ts";
import {
  type CheckpointHint,
  hintOfFileName,
  logFolder,
  readCheckpoint,
  readHint,
} from "./table-checkpoint.ts";
import { EMPTY_TABLE, stateOf, type TableState } from "./table-state.ts";

const READ_AHEAD_MAX = 16; // commits fetched at once on a long tail
const OPENINGS_MAX = 3; // the log's clean-up may pass a reader by, hardly ever twice
const OUTLIVED_CHECK_EVERY_MS = 10_000;
/** Far below any retention of commits. */
export const OUTLIVED_AFTER_MS = 3_600_000;

export interface SnapshotRequest {
  readonly version?: number;
  readonly timeMs?: number;
  readonly from?: TableSnapshot;
}

export class LogReader {
  readonly #store: ObjectStore;
  readonly #tablePath: string;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #outlivedCheckedMs = -Infinity; // monotonic

  constructor(store: ObjectStore, tablePath: string, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#tablePath = tablePath;
    this.#folder = logFolder(tablePath);
    this.#clock = clock;
    this.#logger = logger.with({ table: tablePath });
  }

  /** @throws table.version_not_found */
  async snapshot({ version, timeMs, from }: SnapshotRequest = {}): Promise<TableSnapshot> {
    if (timeMs !== undefined) return this.#snapshotAtTime(timeMs);
    const limit = version ?? Infinity;
    const base = from === undefined || from.version < 0 || from.version > limit ? undefined : stateOf(from);
    const state = base === undefined ? await this.#open(limit) : await this.#refresh(base, limit);
    if (version !== undefined && state.version < version) throw this.#notFound({ version });
    return state;
  }

  /** One version, or undefined where there is none (yet). @throws table.version_not_found when cleaned up */
  async read(version: number): Promise<TableCommit | undefined> {
    const commit = await this.readFile(version);
    if (commit || !(await this.#isOutlived(version))) return commit;
    const again = await this.readFile(version); // it may have come just before the checkpoint that outlives it
    if (again === undefined) throw this.#notFound({ version });
    return again;
  }

  async readFile(version: number): Promise<CommitFile | undefined> {
    const bytes = await this.#store.get(joinStorePath(this.#folder, commitFileName(version)));
    return bytes && parseCommit(version, bytes);
  }

  /**
   * A writer that slept through the log's clean-up would find its next version free and write it a second time,
   * unseen by all who begin at a later checkpoint. So a base of some age is compared with the newest checkpoint.
   * @throws table.commit_conflict
   */
  async checkNotOutlived(base: TableState): Promise<void> {
    const ageMs = this.#clock.nowMs() - base.timestampMs;
    // Where the clock went back, nobody knows how old the base is.
    if (base.version >= 0 && ageMs >= 0 && ageMs < OUTLIVED_AFTER_MS) return;
    const hint = await readHint(this.#store, this.#tablePath);
    if (hint === undefined || hint.version <= base.version) return;
    if ((await this.readFile(base.version + 1)) !== undefined) return;
    const details = { version: base.version, checkpoint: hint.version };
    throw new MuaraError("table.commit_conflict", "the versions after the commit's base were cleaned up", {
      details,
    });
  }

  /**
   * Whether `version`, which was just written, lies before the place where the log begins: its writer slept through
   * a clean-up, found the name free, and nobody will ever read it.
   */
  async isBeforeLog(version: number): Promise<boolean> {
    const hint = await readHint(this.#store, this.#tablePath);
    if (version === 0 || hint === undefined || hint.version < version) return false;
    return (await this.readFile(version - 1)) === undefined;
  }

  /** The newest state up to `limit`, without help. Clean-up may remove commits before they are read: again, then. */
  async #open(limit: number): Promise<TableState> {
    for (let opening = 1; ; opening++) {
      try {
        return await this.#openOnce(limit);
      } catch (error) {
        if (!hasCode(error, "table.corrupt") || opening === OPENINGS_MAX) throw error;
      }
    }
  }

  async #openOnce(limit: number): Promise<TableState> {
    const hint = await readHint(this.#store, this.#tablePath);
    if (hint !== undefined && hint.version <= limit) {
      const state = await this.#tryCheckpoint(hint);
      if (state) return this.#advance(state, limit);
    }
    const listed = await this.#listVersions();
    const others = listed.checkpoints.filter((one) => one.version <= limit && one.version !== hint?.version);
    for (const checkpoint of others) {
      const state = await this.#tryCheckpoint(checkpoint);
      if (state) return this.#whole(await this.#advance(state, limit), limit, listed.newest);
    }
    const state = await this.#advance(EMPTY_TABLE, limit);
    return this.#whole(state, limit, Math.max(listed.newest, hint?.version ?? -1));
  }

  /** @throws table.version_not_found or table.corrupt where `state` ends before a version that is known to exist */
  #whole(state: TableState, limit: number, newest: number): TableState {
    const expected = Math.min(limit, newest);
    if (state.version >= expected) return state;
    if (limit < newest) throw this.#notFound({ version: limit });
    const details = { table: this.#tablePath, missing: commitFileName(state.version + 1), newest };
    throw new MuaraError("table.corrupt", "a commit is missing and no table checkpoint replaces it", {
      details,
    });
  }

  async #refresh(base: TableState, limit: number): Promise<TableState> {
    const state = await this.#advance(base, limit);
    if (state.version >= limit || !(await this.#isOutlived(state.version + 1))) return state;
    const again = await this.#advance(state, limit);
    return again.version > state.version ? again : this.#open(limit);
  }

  /** Applies the commits after `state` until the next one is absent, at most up to `limit`. */
  async #advance(state: TableState, limit: number): Promise<TableState> {
    let current = state;
    for (let ahead = 1; current.version < limit; ahead = Math.min(ahead * 2, READ_AHEAD_MAX)) {
      const first = current.version + 1;
      const count = Math.min(ahead, limit - current.version);
      const commits = await Promise.all(
        Array.from({ length: count }, (_, index) => this.readFile(first + index)),
      );
      for (const commit of commits) {
        if (commit === undefined) return current;
        current = current.apply(commit);
      }
    }
    return current;
  }

  async #tryCheckpoint(hint: CheckpointHint): Promise<TableState | undefined> {
    try {
      return await readCheckpoint(this.#store, this.#tablePath, hint);
    } catch (error) {
      if (!hasCode(error, "table.corrupt")) throw error;
      this.#logger.warn("a table checkpoint cannot be used", { version: hint.version, error });
      return undefined;
    }
  }

  /** Whether a checkpoint newer than the absent `version` exists. Asked rarely: it costs a request. */
  async #isOutlived(version: number): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#outlivedCheckedMs < OUTLIVED_CHECK_EVERY_MS) return false;
    const hint = await readHint(this.#store, this.#tablePath);
    const isOutlived = hint !== undefined && hint.version >= version;
    if (!isOutlived) this.#outlivedCheckedMs = nowMs;
    return isOutlived;
  }

  /** The newest version that was committed at or before `timeMs`. */
  async #snapshotAtTime(timeMs: number): Promise<TableState> {
    const head = await this.#open(Infinity);
    if (head.version >= 0 && head.timestampMs <= timeMs) return head;
    for (let looked = -1; ;) {
      const { oldestCommit } = await this.#listVersions();
      if (oldestCommit === undefined) throw this.#notFound({ timeMs });
      try {
        return await this.#lastBefore(timeMs, oldestCommit, head);
      } catch (error) {
        // Commits that went away during the search may have made it go astray.
        if (!hasCode(error, "table.version_not_found") || oldestCommit <= looked) throw error;
        looked = oldestCommit;
      }
    }
  }

  async #lastBefore(timeMs: number, oldestCommit: number, head: TableState): Promise<TableState> {
    let low = oldestCommit; // the answer is below `low`, or `low` itself once it is known to be early enough
    let high = head.version;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const commit = await this.read(middle);
      if (commit !== undefined && commit.timestampMs <= timeMs) low = middle + 1;
      else high = middle;
    }
    if (low === oldestCommit) throw this.#notFound({ timeMs, oldestVersion: oldestCommit });
    return this.#open(low - 1);
  }

  /** What one listing shows; a hint, since a listing may lag. Checkpoints newest first. */
  async #listVersions(): Promise<{
    readonly checkpoints: readonly CheckpointHint[];
    readonly newest: number;
    readonly oldestCommit: number | undefined;
  }> {
    const objects = await this.#store.list(this.#folder);
    const names = objects.map((object) => object.path.slice(this.#folder.length + 1));
    const checkpoints = new Map<number, CheckpointHint>();
    for (const name of names) {
      const hint = hintOfFileName(name);
      if (hint) checkpoints.set(hint.version, hint);
    }
    const commits = names
      .filter((name) => /^\d{20}\.json$/.test(name))
      .map((name) => Number(name.slice(0, 20)));
    return {
      checkpoints: [...checkpoints.values()].sort((a, b) => b.version - a.version),
      newest: Math.max(-1, ...checkpoints.keys(), commits.at(-1) ?? -1),
      oldestCommit: commits[0],
    };
  }

  #notFound(asked: Readonly<Record<string, number>>): MuaraError {
    const details = { table: this.#tablePath, ...asked };
    return new MuaraError("table.version_not_found", "the table has no such version", { details });
  }
}
