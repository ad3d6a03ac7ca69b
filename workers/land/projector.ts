/**
 * Keeps `books`, `dead_letters`, `duplicates` and `replays` up to date with the landing commits of every event
 * table. One pass reads each new commit once and writes at most one commit per projection. What a pass holds is
 * bounded by rows, which it knows from the ledger before it reads any side file; what is left is taken by the next.
 */
import type { LandInfo } from "./change.ts";
import type { CommitBudget } from "./commit-budget.ts";
import { findFirstLandings, type FirstLandingPorts } from "./first-landing.ts";
import type { EventType } from "../../core/event-type.ts";
import { isAssertion } from "../../core/assert.ts";
import type { Randomness } from "../../core/clock.ts";
import type { Column } from "../../core/columns.ts";
import type { Logger } from "../../core/logger.ts";
import type { Ownership } from "../../core/ports/ownership.ts";
import type { TableCommit, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Registry } from "../../core/registry.ts";
import { recordId } from "../../core/replay.ts";
import {
  BOOKS,
  BOOKS_COLUMNS,
  booksRows,
  DEAD_LETTERS,
  DEAD_LETTERS_COLUMNS,
  deadLetterRow,
  DUPLICATES,
  DUPLICATES_COLUMNS,
  duplicateRow,
  type FirstLanding,
  REPLAYS,
  REPLAYS_COLUMNS,
  replayRow,
} from "../../lake/ledger-tables.ts";
import { Projection, type ProjectedRow, type ProjectedStep } from "../../lake/projection.ts";
import { readSideFile, type SideRow } from "../../lake/side-file.ts";
import { ensureTable } from "../../lake/tables.ts";

/** Commits of one source taken in one pass. */
const COMMITS_MAX = 200;
/** Rows of one projection written in one pass, unless a single commit has more. */
const ROWS_MAX = 25_000;
/** What a stop waits for commits not yet booked; the rest is booked after the next start. */
const DRAIN_MS = 2_000;

export interface ProjectorPorts extends FirstLandingPorts {
  readonly registry: Registry;
  readonly openTable: (name: string) => TableLog;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Where its commits are noted. */
  readonly budget?: CommitBudget;
  /** Projections are owned like other tables; absent: all are this process's. */
  readonly ownership?: Pick<Ownership, "owns">;
}

export interface ProjectorOptions {
  /** Versions without rows for a projection are consumed together, once there are this many. */
  readonly emptyVersionsMax: number;
}

const DEFAULTS: ProjectorOptions = { emptyVersionsMax: 100 };

interface Source {
  readonly name: string;
  readonly log: TableLog;
  snapshot: TableSnapshot;
}

interface Target {
  readonly projection: Projection;
  /** Rows that a commit gives, about. */
  readonly countOf: (info: LandInfo) => number;
  readonly rowsOf: (source: Source, commits: readonly TableCommit[]) => Promise<ProjectedRow[]>;
  /** What of the rows is counted apart: the name that a row counts under. */
  readonly counted: ((row: ProjectedRow) => string) | undefined;
  /** By source id: versions looked at, none of which had rows for this projection. A cache of work, not of truth. */
  readonly looked: Map<string, number>;
  /** Whether it was this process's at the last pass: what others wrote since is not in memory. */
  isOurs: boolean;
  /** Whether the last pass wrote it, or would have: it is ours, and nobody has paused it. */
  isFollowing: boolean;
}

export interface Projector {
  run(intervalMs: number, signal: AbortSignal): Promise<void>;
  /** One pass. @returns whether anything was written; then there may be more */
  pass(signal: AbortSignal): Promise<boolean>;
  /** After `run`: books what landed last; where it cannot, the next start does. */
  drain(): Promise<void>;
}

export function createProjector(ports: ProjectorPorts, options: ProjectorOptions = DEFAULTS): Projector {
  return new LedgerProjector(ports, options);
}

class LedgerProjector implements Projector {
  readonly #ports: ProjectorPorts;
  readonly #options: ProjectorOptions;
  readonly #sources = new Map<string, Source>();
  #targets: readonly Target[] | undefined;
  /** Whether the last pass left something over, because of its bounds or another owner. */
  #hasMore = false;

  constructor(ports: ProjectorPorts, options: ProjectorOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async run(intervalMs: number, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#ports;
    while (!signal.aborted) {
      try {
        // What landed meanwhile is the next pass's, an interval later: else every commit of every table would be
        // followed by one of each projection.
        if ((await this.pass(signal)) && this.#hasMore) continue;
      } catch (error) {
        if (signal.aborted) break;
        if (isAssertion(error)) throw error;
        // Nothing is lost: the versions stay unconsumed and the next pass takes them again.
        logger.error("projections failed", { problem: error instanceof Error ? error.stack : String(error) });
      }
      await clock.sleep(intervalMs, signal);
    }
  }

  async drain(): Promise<void> {
    const { clock, logger } = this.#ports;
    const endMs = clock.monotonicMs() + DRAIN_MS;
    const limit = new AbortController();
    const done = new AbortController();
    const timer = clock.sleep(DRAIN_MS, done.signal).then(() => limit.abort());
    try {
      while ((await this.pass(limit.signal)) && clock.monotonicMs() < endMs);
    } catch (error) {
      if (isAssertion(error)) throw error;
      logger.warn("what landed last is booked after the next start", { error });
    } finally {
      done.abort();
      await timer;
    }
  }

  async pass(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#pass(signal);
    } catch (error) {
      // What is in memory may be behind the tables now; they know.
      this.#targets = undefined;
      throw error;
    }
  }

  async #pass(signal: AbortSignal): Promise<boolean> {
    this.#targets ??= await this.#openTargets();
    await this.#adopt();
    this.#hasMore = false;
    let wrote = false;
    for (const target of this.#targets) {
      target.isFollowing = (await this.#isOurs(target)) && !(await target.projection.isPaused());
      if (!target.isFollowing) continue;
      const steps = await this.#stepsOf(target);
      if (steps.length === 0) continue;
      wrote = true;
      this.#ports.budget?.spendOther(1);
      if (await target.projection.append(steps, signal)) continue;
      this.#hasMore = true;
      await target.projection.refresh();
      target.looked.clear();
    }
    return wrote;
  }

  /** Whether this process has it; where that is news, what others wrote is read first. */
  async #isOurs(target: Target): Promise<boolean> {
    const wasOurs = target.isOurs;
    target.isOurs = this.#ports.ownership?.owns(target.projection.name) ?? true;
    if (!target.isOurs || wasOurs) return target.isOurs;
    await target.projection.refresh();
    target.looked.clear();
    return true;
  }

  async #adopt(): Promise<void> {
    for (const { value } of this.#ports.registry.list<EventType>("event-type")) {
      if (!value || this.#sources.has(value.name)) continue;
      const log = this.#ports.openTable(value.name);
      const snapshot = await log.snapshot();
      if (snapshot.version >= 0) this.#sources.set(value.name, { name: value.name, log, snapshot });
    }
  }

  async #stepsOf(target: Target): Promise<ProjectedStep[]> {
    const steps: ProjectedStep[] = [];
    let rows = 0;
    for (const source of this.#sources.values()) {
      if (rows >= ROWS_MAX) {
        this.#hasMore = true;
        break;
      }
      const step = await this.#stepOf(source, target, ROWS_MAX - rows);
      if (!step) continue;
      steps.push(step);
      rows += step.rows.length;
    }
    return steps;
  }

  async #stepOf(source: Source, target: Target, rowsMax: number): Promise<ProjectedStep | undefined> {
    const sourceId = source.snapshot.metadata!.id;
    const from = target.projection.consumed(sourceId);
    const landings: TableCommit[] = [];
    let to = Math.max(from, target.looked.get(sourceId) ?? -1);
    let expected = 0;
    const limit = to + COMMITS_MAX;
    const readableTo = this.#readableTo(sourceId, target);
    for (; to < readableTo; to++) {
      if (to === limit) {
        this.#hasMore = true;
        break;
      }
      const commit = await source.log.read(to + 1);
      if (!commit) break;
      const { kind, ledger } = commit.info as Partial<LandInfo>;
      if (kind !== "land" || !ledger) continue;
      const count = target.countOf(infoOf(commit));
      if (count === 0) continue;
      if (expected > 0 && expected + count > rowsMax) {
        this.#hasMore = true;
        break;
      }
      landings.push(commit);
      expected += count;
    }
    const rows = await target.rowsOf(source, landings);
    if (rows.length > 0 || to - from >= this.#options.emptyVersionsMax) {
      const counts = target.counted ? countsOf(rows, target.counted) : undefined;
      return { sourceId, from, to, rows, ...(counts ? { counts } : {}) };
    }
    target.looked.set(sourceId, to);
    return undefined;
  }

  /**
   * The newest version of a table that `target` may read. The books stay behind the other three, as far as this process
   * writes them: whoever reads in the books that an event is dead, a duplicate or replayed finds its row.
   */
  #readableTo(sourceId: string, target: Target): number {
    if (target.projection.name !== BOOKS) return Infinity;
    const others = this.#targets!.filter((other) => other !== target && other.isFollowing);
    const seen = others.map(({ projection, looked }) =>
      Math.max(projection.consumed(sourceId), looked.get(sourceId) ?? -1),
    );
    return Math.min(Infinity, ...seen);
  }

  /** The books come last: see `#readableTo`. */
  #openTargets(): Promise<Target[]> {
    return Promise.all([
      this.#openTarget(
        DEAD_LETTERS,
        DEAD_LETTERS_COLUMNS,
        ({ ledger }) => ledger.reduce((sum, line) => sum + line.dead, 0),
        async ({ name }, commits) =>
          (await this.#sideRows(commits, "dead")).map(([commit, row]) => deadLetterRow(name, commit, row)),
      ),
      this.#openTarget(
        DUPLICATES,
        DUPLICATES_COLUMNS,
        ({ ledger }) => ledger.reduce((sum, line) => sum + line.duplicates, 0),
        (source, commits) => this.#duplicateRows(source, commits),
        (row) => String(row.values["verdict"]),
      ),
      this.#openTarget(
        REPLAYS,
        REPLAYS_COLUMNS,
        ({ replays }) => replays ?? 0,
        async ({ name }, commits) =>
          (await this.#sideRows(commits, "replay")).flatMap(
            ([commit, row]) => replayRow(name, commit, row) ?? [],
          ),
      ),
      this.#openTarget(
        BOOKS,
        BOOKS_COLUMNS,
        ({ ledger }) => ledger.length,
        async ({ name }, commits) =>
          commits.flatMap((commit) => booksRows(name, commit, infoOf(commit).ledger)),
      ),
    ]);
  }

  async #openTarget(
    name: string,
    columns: readonly Column[],
    countOf: Target["countOf"],
    rowsOf: Target["rowsOf"],
    counted?: Target["counted"],
  ): Promise<Target> {
    const log = this.#ports.openTable(name);
    const snapshot = await ensureTable(log, name, columns, {}, this.#ports);
    const projection = new Projection(name, columns, log, snapshot, this.#ports);
    return { projection, countOf, rowsOf, counted, looked: new Map(), isOurs: true, isFollowing: true };
  }

  async #duplicateRows(source: Source, commits: readonly TableCommit[]): Promise<ProjectedRow[]> {
    const found = await this.#sideRows(commits, "duplicate");
    if (found.length === 0) return [];
    source.snapshot = await source.log.snapshot({ from: source.snapshot });
    const duplicates = found.map(([, row]) => row);
    const firsts = await findFirstLandings(this.#ports, source.name, source.snapshot, duplicates);
    this.#warnOfDifferent(source.name, duplicates, firsts);
    return found.map(([commit, row], i) => duplicateRow(source.name, commit, row, firsts[i]!));
  }

  /** A resend is the same event: other bytes under a known id are a mistake of the producer, which is told here. */
  #warnOfDifferent(table: string, rows: readonly SideRow[], firsts: readonly FirstLanding[]): void {
    const different = rows.filter((_, i) => firsts[i]!.verdict === "different");
    const [one] = different;
    if (!one) return;
    this.#ports.logger.warn("events came again under a known id with other bytes", {
      table,
      count: different.length,
      example: recordId(one.topic_id, one.log_partition, one.log_offset),
    });
  }

  async #sideRows(commits: readonly TableCommit[], kind: SideRow["kind"]): Promise<[TableCommit, SideRow][]> {
    const found: [TableCommit, SideRow][] = [];
    for (const commit of commits) {
      const { side } = infoOf(commit);
      if (side === null) continue;
      for (const row of await readSideFile(this.#ports.store, side))
        if (row.kind === kind) found.push([commit, row]);
    }
    return found;
  }
}

function countsOf(rows: readonly ProjectedRow[], nameOf: (row: ProjectedRow) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(nameOf(row), (counts.get(nameOf(row)) ?? 0) + 1);
  return counts;
}

function infoOf(commit: TableCommit): LandInfo {
  return commit.info as unknown as LandInfo;
}
