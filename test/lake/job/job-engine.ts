/** Runs plans of jobs in plain DuckDB, step by step, as the runtime does, with no lake. */
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { quoteName } from "../../../lake/query/quote.ts";
import { COLUMNS, END_MS, land, sqlRow, TABLES, type LandedRow, type World } from "./job-world.ts";

export async function openEngine(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return connection;
}

export async function rowsOf(connection: DuckDBConnection, sql: string): Promise<readonly string[]> {
  const rows = (await connection.runAndReadAll(sql)).getRowsJson();
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

export interface JobOutcome {
  readonly released: readonly string[];
  readonly corrections: readonly string[];
  /** Rows of state in the end, when no window is open. */
  readonly kept: number;
}

/** One life of a job over a world. The engine of the job is a connection of its own. */
export class JobEngine {
  readonly #plan: JobPlan;
  readonly #connection: DuckDBConnection;
  readonly #rows: readonly LandedRow[];
  readonly #watermarks: readonly (readonly (number | null)[])[];
  readonly #world: World;
  readonly #tables: readonly number[];
  #releasedTo: number = -Infinity;
  /** Commits taken in, by input. */
  #until = 0;
  readonly #released: string[] = [];
  readonly #corrections: string[] = [];

  constructor(plan: JobPlan, world: World, connection: DuckDBConnection) {
    this.#plan = plan;
    this.#world = world;
    this.#connection = connection;
    this.#tables = plan.inputs.map(({ table }) => TABLES.findIndex(({ names }) => names[0] === table));
    ({ rows: this.#rows, watermarks: this.#watermarks } = land(world));
  }

  async live(): Promise<JobOutcome> {
    await this.#load(-1, -1);
    for (const statement of this.#plan.prepare) await this.#connection.run(statement);
    const { commits, history, historySteps } = this.#world;
    if (history > 0) await this.#beginWith(Math.min(history, commits.length), historySteps);
    for (let commit = this.#until; commit < commits.length; commit++) {
      const { ends } = commits[commit]!;
      if (ends === "nothing" && commit + 1 < commits.length) continue;
      await this.#step(this.#until, commit + 1, this.#watermark(commit + 1));
      if (ends === "restart") await this.#restart();
    }
    await this.#step(this.#until, commits.length, END_MS);
    let kept = 0;
    for (const { name } of this.#plan.state)
      kept += (await this.#connection.runAndReadAll(`FROM ${name}`)).currentRowCount;
    return { released: this.#released.toSorted(), corrections: this.#corrections.toSorted(), kept };
  }

  /** History in steps of bounded size: all rows are there, and the watermark goes on. */
  async #beginWith(commits: number, steps: number): Promise<void> {
    this.#until = commits;
    if (this.#plan.kind === "rows") {
      await this.#step(0, commits, this.#watermark(commits));
      return;
    }
    await this.#remake();
    const to = this.#watermark(commits);
    for (let step = 1; step < steps; step++)
      await this.#step(commits, commits, to - (steps - step) * 300_000);
    await this.#step(commits, commits, to);
  }

  /** State made anew is the state there was. */
  async #restart(): Promise<void> {
    const before = await this.#state();
    await this.#remake();
    const after = await this.#state();
    if (JSON.stringify(before) !== JSON.stringify(after))
      throw new Error(`State made anew differs: ${JSON.stringify({ before, after })}`);
  }

  async #remake(): Promise<void> {
    await this.#load(0, this.#until, true);
    for (const { name, like } of this.#plan.state)
      await this.#connection.run(`CREATE OR REPLACE TABLE ${name} AS ${like}`);
    await this.#set(this.#releasedTo, this.#releasedTo);
    for (const statement of [...this.#plan.absorb, ...this.#plan.forget])
      await this.#connection.run(statement);
  }

  #state(): Promise<readonly (readonly string[])[]> {
    return Promise.all(this.#plan.content.map((select) => rowsOf(this.#connection, select)));
  }

  async #step(from: number, until: number, to: number): Promise<void> {
    const releaseTo = Math.max(this.#releasedTo, to);
    await this.#load(from, until);
    await this.#set(this.#releasedTo, releaseTo);
    for (const statement of this.#plan.absorb) await this.#connection.run(statement);
    const released = await rowsOf(this.#connection, this.#plan.release);
    if (released.length > 0 && !this.#hasTick(releaseTo))
      throw new Error("rows are released between two ticks");
    this.#released.push(...released);
    for (const select of this.#plan.corrections)
      this.#corrections.push(...(await rowsOf(this.#connection, select)));
    for (const statement of this.#plan.forget) await this.#connection.run(statement);
    // Of every other step: it must change nothing.
    if (this.#until % 2 === 0)
      for (const { statements } of this.#plan.compact)
        for (const statement of statements) await this.#connection.run(statement);
    this.#releasedTo = releaseTo;
    this.#until = until;
  }

  #hasTick(releaseTo: number): boolean {
    const { ticks } = this.#plan;
    const isPassed = (every: number, offset: number): boolean =>
      Math.floor((this.#releasedTo - offset) / every) < Math.floor((releaseTo - offset) / every);
    return ticks === null || ticks.some(({ everyMs, offsetMs }) => isPassed(everyMs, offsetMs));
  }

  /** The lowest of the inputs' after so many commits. */
  #watermark(commits: number): number {
    const after = commits === 0 ? this.#world.begins.map(() => null) : this.#watermarks[commits - 1]!;
    return Math.min(...this.#tables.map((table) => after[table] ?? -Infinity));
  }

  async #set(releasedTo: number, releaseTo: number): Promise<void> {
    await this.#connection.run(`SET VARIABLE released_to = ${variable(releasedTo)}`);
    await this.#connection.run(`SET VARIABLE release_to = ${variable(releaseTo)}`);
  }

  /** Rows of some commits, as `new_<i>`; of a snapshot only those that may still count. */
  async #load(from: number, until: number, isSnapshot = false): Promise<void> {
    if (isSnapshot) await this.#set(this.#releasedTo, this.#releasedTo);
    for (const [index, { columns, pending }] of this.#plan.inputs.entries()) {
      const rows = this.#rows.filter(
        ({ table, commit }) => table === this.#tables[index] && commit >= from && commit < until,
      );
      await makeTable(this.#connection, `all_${index}`, rows);
      const where = isSnapshot && pending !== null ? ` WHERE ${pending}` : "";
      await this.#connection.run(
        `CREATE OR REPLACE TABLE new_${index} AS SELECT ${columns.map(quoteName).join(", ")} FROM all_${index}${where}`,
      );
      if (from < 0)
        for (const { name, like } of this.#plan.state)
          await this.#connection.run(`CREATE OR REPLACE TABLE ${name} AS ${like}`).catch((error: unknown) => {
            if (index === this.#plan.inputs.length - 1) throw error;
          });
    }
  }
}

function variable(ms: number): string {
  return Number.isFinite(ms) ? `make_timestamptz(${ms * 1_000})` : "TIMESTAMPTZ '-infinity'";
}

export async function makeTable(
  connection: DuckDBConnection,
  name: string,
  rows: readonly LandedRow[],
): Promise<void> {
  const list = COLUMNS.map((column) => `${quoteName(column.name)} ${column.type}`).join(", ");
  await connection.run(`CREATE OR REPLACE TABLE ${quoteName(name)} (${list})`);
  if (rows.length > 0)
    await connection.run(`INSERT INTO ${quoteName(name)} VALUES ${rows.map(sqlRow).join(", ")}`);
}

/** The whole at once, over the tables as they are in the end. */
export async function runBatch(
  plan: JobPlan,
  world: World,
  connection: DuckDBConnection,
): Promise<readonly string[]> {
  await loadLake(world, connection);
  for (const statement of plan.batch.prepare) await connection.run(statement);
  return rowsOf(connection, plan.batch.select);
}

export async function loadLake(world: World, connection: DuckDBConnection): Promise<void> {
  const { rows } = land(world);
  for (const [table, { names }] of TABLES.entries())
    for (const name of names)
      await makeTable(
        connection,
        name,
        rows.filter((row) => row.table === table),
      );
}
