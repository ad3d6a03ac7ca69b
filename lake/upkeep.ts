/**
 * Upkeep: what keeps Muara's own tables in shape, in the background of a process that writes the lake. A list of
 * tasks, each run for one table after another and never two at a time, so that what they cost stays small beside
 * landing. A task that fails for a table leaves the others alone and gets its next turn as usual.
 *
 * The surprising rule: nothing here owns a table. Any number of processes may run upkeep on the same tables; what a
 * task commits must be right whoever else does the same. Paused tables get no turn.
 */
import { isAssertion } from "../core/assert.ts";
import type { Clock, Randomness } from "../core/clock.ts";
import { hasCode } from "../core/errors.ts";
import { type EventType, RESERVED_TABLES } from "../core/event-type.ts";
import { type Job, jobTables } from "../core/job.ts";
import type { Logger } from "../core/logger.ts";
import type { Measures } from "../core/measures.ts";
import type { TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import type { Registry } from "../core/registry.ts";
import { currentName, hasCurrent } from "./current/current-table.ts";
import { pausedUntilMs } from "./table/table-pause.ts";

/** A table that exists, as a task meets it. */
export interface UpkeepTable {
  readonly name: string;
  /** Undefined for Muara's own ledger tables, current states and results of jobs. */
  readonly eventType: EventType | undefined;
  readonly log: TableLog;
  /** The newest snapshot; asking again is cheap, it is brought up to date. */
  snapshot(): Promise<TableSnapshot>;
}

export interface UpkeepTask {
  /** Unique; appears in the log. */
  readonly name: string;
  /** A table gets its next turn this long after the last one began, or when that has ended, ms. */
  readonly everyMs: number;
  /** Whether tables that are not Muara's get a turn, too. */
  readonly isForOthers?: boolean;
  /** Does what the table needs now, or a part of it that is worth a turn. Ends soon when `signal` is aborted. */
  run(table: UpkeepTable, signal: AbortSignal): Promise<void>;
}

export interface UpkeepPorts {
  readonly registry: Registry;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
  /** Tables in the lake that are neither declared nor Muara's own; asked for seldom, since it lists folders. */
  readonly others?: (known: ReadonlySet<string>) => Promise<readonly string[]>;
  /** Where a pass begins, so that no table is always the last where processes live briefly; default: at the first. */
  readonly randomness?: Pick<Randomness, "fraction">;
}

export interface UpkeepOptions {
  /** How long after the start the first turns come at the latest, ms; default: as the tasks' intervals are. */
  readonly firstMs?: number;
}

export interface Upkeep {
  /** Turns as they come due, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** One turn of every task that is due, for every table. */
  pass(signal: AbortSignal): Promise<void>;
}

/** Looked for due turns this often at least: tables come and go. */
const LOOK_MS_MAX = 60_000;
/** Tables that are not Muara's are looked for this often. */
const OTHERS_EVERY_MS = 3_600_000;

export function createUpkeep(
  ports: UpkeepPorts,
  tasks: readonly UpkeepTask[],
  options: UpkeepOptions = {},
): Upkeep {
  return new TurnByTurn(ports, tasks, options);
}

class TurnByTurn implements Upkeep {
  readonly #ports: UpkeepPorts;
  readonly #tasks: readonly UpkeepTask[];
  readonly #firstMs: number;
  readonly #tables = new Map<string, KnownTable>();
  /** By task and table: monotonic ms of the next turn. */
  readonly #dueMs = new Map<string, number>();
  #others: readonly string[] = [];
  #othersDueMs = -Infinity;

  constructor(ports: UpkeepPorts, tasks: readonly UpkeepTask[], { firstMs = Infinity }: UpkeepOptions) {
    this.#ports = ports;
    this.#tasks = tasks;
    this.#firstMs = firstMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#ports;
    if (this.#tasks.length === 0) return;
    const everyMs = Math.min(LOOK_MS_MAX, ...this.#tasks.map((task) => task.everyMs));
    for (let waitMs = Math.min(everyMs, this.#firstMs); !signal.aborted; waitMs = everyMs) {
      // First the wait: a start has more urgent things to do.
      await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
      try {
        await this.pass(signal);
      } catch (error) {
        if (isAssertion(error)) throw error;
        logger.error("upkeep cannot read what is declared", { error });
      }
    }
  }

  async pass(signal: AbortSignal): Promise<void> {
    await this.#ports.registry.refresh();
    const declared = this.#declared();
    const others = (await this.#findOthers(declared)).map((name) => [name, undefined] as const);
    const tables = [...declared, ...others].map((one, i) => [...one, i >= declared.length] as const);
    const first = Math.floor((this.#ports.randomness?.fraction() ?? 0) * tables.length);
    for (const [name, eventType, isOther] of [...tables.slice(first), ...tables.slice(0, first)]) {
      if (signal.aborted) return;
      const fit = this.#tasks.filter(({ isForOthers }) => !isOther || isForOthers === true);
      const due = fit.filter((task) => this.#isDue(task, name));
      if (due.length === 0) continue;
      const table = this.#tableOf(name, eventType);
      if (await this.#mayWork(table)) await this.#runTasks(table, due, signal);
    }
  }

  #declared(): readonly (readonly [string, EventType | undefined])[] {
    const types = this.#ports.registry.list<EventType>("event-type").flatMap(({ value }) => value ?? []);
    const jobs = this.#ports.registry.list<Job>("job").flatMap(({ value }) => value ?? []);
    return [
      ...types.map((type) => [type.name, type] as const),
      ...types.filter(hasCurrent).map(({ name }) => [currentName(name), undefined] as const),
      ...RESERVED_TABLES.map((name) => [name, undefined] as const),
      ...jobs.flatMap(jobTables).map((name) => [name, undefined] as const),
    ];
  }

  async #findOthers(
    declared: readonly (readonly [string, EventType | undefined])[],
  ): Promise<readonly string[]> {
    const { clock, logger, others } = this.#ports;
    if (!others || !this.#tasks.some(({ isForOthers }) => isForOthers === true)) return [];
    const known = new Set(declared.map(([name]) => name.toLowerCase()));
    if (this.#othersDueMs <= clock.monotonicMs()) {
      this.#othersDueMs = clock.monotonicMs() + OTHERS_EVERY_MS;
      try {
        this.#others = await others(known);
      } catch (error) {
        if (isAssertion(error)) throw error;
        logger.warn("upkeep cannot list the lake's folders", { error });
      }
    }
    return this.#others.filter((name) => !known.has(name.toLowerCase()));
  }

  #tableOf(name: string, eventType: EventType | undefined): KnownTable {
    let table = this.#tables.get(name);
    if (!table) this.#tables.set(name, (table = new KnownTable(name, this.#ports.openTable(name))));
    table.eventType = eventType;
    return table;
  }

  #isDue(task: UpkeepTask, table: string): boolean {
    return (this.#dueMs.get(keyOf(task, table)) ?? -Infinity) <= this.#ports.clock.monotonicMs();
  }

  /** Whether the table exists, can be read, and is not left to somebody else for now. */
  async #mayWork(table: KnownTable): Promise<boolean> {
    const { clock, logger } = this.#ports;
    try {
      const { version, metadata } = await table.snapshot();
      if (pausedUntilMs(metadata, clock.nowMs()) === undefined) return version >= 0;
      table.forget(); // others write now
    } catch (error) {
      if (isAssertion(error)) throw error;
      table.forget();
      logger.warn("upkeep cannot read a table", { table: table.name, error });
    }
    return false;
  }

  async #runTasks(table: KnownTable, tasks: readonly UpkeepTask[], signal: AbortSignal): Promise<void> {
    const { clock, logger, measures } = this.#ports;
    for (const task of tasks) {
      if (signal.aborted) return;
      const startedMs = clock.monotonicMs();
      try {
        await task.run(table, signal);
      } catch (error) {
        if (isAssertion(error)) throw error;
        if (signal.aborted) return;
        table.forget();
        measures?.count("muara_upkeep_failures", { task: task.name });
        if (!hasCode(error, "table.paused"))
          logger.error("upkeep of a table failed", { table: table.name, task: task.name, error });
      }
      const seconds = (clock.monotonicMs() - startedMs) / 1_000;
      measures?.observe("muara_upkeep_seconds", seconds, { task: task.name });
      this.#dueMs.set(keyOf(task, table.name), Math.max(clock.monotonicMs(), startedMs + task.everyMs));
    }
  }
}

class KnownTable implements UpkeepTable {
  readonly name: string;
  readonly log: TableLog;
  eventType: EventType | undefined;
  #snapshot: TableSnapshot | undefined;

  constructor(name: string, log: TableLog) {
    this.name = name;
    this.log = log;
  }

  async snapshot(): Promise<TableSnapshot> {
    this.#snapshot = await this.log.snapshot(this.#snapshot ? { from: this.#snapshot } : {});
    return this.#snapshot;
  }

  /** Reads the table from its beginning next time. */
  forget(): void {
    this.#snapshot = undefined;
  }
}

function keyOf(task: UpkeepTask, table: string): string {
  return `${task.name}\n${table}`;
}
