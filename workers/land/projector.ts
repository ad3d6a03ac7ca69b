/**
 * Keeps `books`, `dead_letters` and `duplicates` up to date with the landing commits of every event table. One pass
 * reads each new commit once and writes at most one commit per projection.
 */
import type { LandInfo } from "./change.ts";
import { findFirstLandings, type FirstLandingPorts } from "./first-landing.ts";
import type { EventType } from "../../core/event-type.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Column } from "../../core/columns.ts";
import type { Logger } from "../../core/logger.ts";
import type { TableCommit, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Registry } from "../../core/registry.ts";
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
} from "../../lake/ledger-tables.ts";
import { Projection, type ProjectedRow, type ProjectedStep } from "../../lake/projection.ts";
import { readSideFile, type SideRow } from "../../lake/side-file.ts";
import { ensureTable } from "../../lake/tables.ts";

/** Commits of one source taken in one pass; bounds memory after a long pause. */
const COMMITS_MAX = 200;
/** Versions without rows for a projection are consumed together, once there are this many. */
const EMPTY_VERSIONS_MAX = 100;

export interface ProjectorPorts extends FirstLandingPorts {
  readonly registry: Registry;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

type RowsOf = (source: Source, commits: readonly TableCommit[]) => Promise<ProjectedRow[]>;

interface Source {
  readonly name: string;
  readonly log: TableLog;
  snapshot: TableSnapshot;
}

interface Target {
  readonly projection: Projection;
  readonly rowsOf: RowsOf;
  /** By source: versions looked at, none of which had rows for this projection. A cache of work, not of truth. */
  readonly looked: Map<string, number>;
}

export interface Projector {
  run(intervalMs: number, signal: AbortSignal): Promise<void>;
  /** One pass. @returns whether anything was written */
  pass(signal: AbortSignal): Promise<boolean>;
  /** After `run`: books what landed last. */
  drain(): Promise<void>;
}

export function createProjector(ports: ProjectorPorts): Projector {
  const sources = new Map<string, Source>();
  let targets: readonly Target[] | undefined;

  const openTarget = async (name: string, columns: readonly Column[], rowsOf: RowsOf): Promise<Target> => {
    const log = ports.openTable(name);
    const snapshot = await ensureTable(log, name, columns, {}, ports);
    return { projection: new Projection(name, columns, log, snapshot, ports), rowsOf, looked: new Map() };
  };

  const sideRows = async (
    commits: readonly TableCommit[],
    kind: SideRow["kind"],
  ): Promise<[TableCommit, SideRow][]> => {
    const found: [TableCommit, SideRow][] = [];
    for (const commit of commits) {
      const { side } = commit.info as unknown as LandInfo;
      if (!side) continue;
      for (const row of await readSideFile(ports.store, side))
        if (row.kind === kind) found.push([commit, row]);
    }
    return found;
  };

  const openTargets = (): Promise<Target[]> =>
    Promise.all([
      openTarget(BOOKS, BOOKS_COLUMNS, async ({ name }, commits) =>
        commits.flatMap((commit) => booksRows(name, commit, (commit.info as unknown as LandInfo).ledger)),
      ),
      openTarget(DEAD_LETTERS, DEAD_LETTERS_COLUMNS, async ({ name }, commits) =>
        (await sideRows(commits, "dead")).map(([commit, row]) => deadLetterRow(name, commit, row)),
      ),
      openTarget(DUPLICATES, DUPLICATES_COLUMNS, async (source, commits) => {
        const found = await sideRows(commits, "duplicate");
        if (found.length === 0) return [];
        source.snapshot = await source.log.snapshot({ from: source.snapshot });
        const firsts = await findFirstLandings(
          ports,
          source.name,
          source.snapshot,
          found.map(([, row]) => row),
        );
        return found.map(([commit, row], i) => duplicateRow(source.name, commit, row, firsts[i]!));
      }),
    ]);

  const adopt = async (): Promise<void> => {
    for (const { value } of ports.registry.list<EventType>("event-type")) {
      if (!value || sources.has(value.name)) continue;
      const log = ports.openTable(value.name);
      const snapshot = await log.snapshot();
      if (snapshot.version >= 0) sources.set(value.name, { name: value.name, log, snapshot });
    }
  };

  const stepOf = async (source: Source, target: Target): Promise<ProjectedStep | undefined> => {
    const sourceId = source.snapshot.metadata!.id;
    const from = target.projection.consumed(sourceId);
    const commits: TableCommit[] = [];
    const lookedTo = Math.max(from, target.looked.get(sourceId) ?? -1);
    for (let version = lookedTo + 1; commits.length < COMMITS_MAX; version++) {
      const commit = await source.log.read(version);
      if (!commit) break;
      commits.push(commit);
    }
    const to = commits.at(-1)?.version ?? lookedTo;
    const landings = commits.filter((commit) => (commit.info as { kind?: unknown }).kind === "land");
    const rows = await target.rowsOf(source, landings);
    target.looked.set(sourceId, to);
    return rows.length > 0 || to - from >= EMPTY_VERSIONS_MAX ? { sourceId, from, to, rows } : undefined;
  };

  const pass = async (signal: AbortSignal): Promise<boolean> => {
    targets ??= await openTargets();
    await adopt();
    let wrote = false;
    for (const target of targets) {
      const steps: ProjectedStep[] = [];
      for (const source of sources.values()) {
        const step = await stepOf(source, target);
        if (step) steps.push(step);
      }
      if (steps.length === 0) continue;
      if (await target.projection.append(steps, signal)) wrote = true;
      else {
        await target.projection.refresh();
        target.looked.clear();
      }
    }
    return wrote;
  };

  return {
    pass,
    drain: async () => {
      await pass(new AbortController().signal);
    },
    run: async (intervalMs, signal) => {
      while (!signal.aborted) {
        try {
          await pass(signal);
        } catch (error) {
          if (signal.aborted) break;
          // Nothing is lost: the versions stay unconsumed and the next pass takes them again.
          ports.logger.error("projections failed", {
            problem: error instanceof Error ? error.stack : String(error),
          });
          targets = undefined;
        }
        await ports.clock.sleep(intervalMs, signal);
      }
    },
  };
}
