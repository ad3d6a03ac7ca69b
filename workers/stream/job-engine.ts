/**
 * The engine of a job, inside its process: state in a DuckDB file, everything else (macros, views of what is new) in
 * memory beside it. It knows no SQL but what stands around a plan's statements.
 *
 * State and its place are written in one transaction of the state's file. A step is left open until it is known
 * whether its results were committed: so state is never ahead of them, unless there were no results.
 *
 * Surprising rule: no table of state has an index. Rows that are deleted under an index are never given back
 * (measured by others, streaming research §8); without one each CHECKPOINT does it.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { JobPlan } from "../../lake/job/plan.ts";
import { columnsOf } from "../../lake/parquet/delta-type.ts";
import { deltaStats } from "../../lake/parquet/delta-stats.ts";
import { readFooter } from "../../lake/parquet/footer-file.ts";
import { footerStatistics } from "../../lake/parquet/footer-stats.ts";
import { listOfTexts, quoteName, quoteText, sqlColumns, viewStatements } from "../../lake/query/view.ts";
import { checkInput, copyToFile } from "../../lake/rewrite-file.ts";
import { formatSchema } from "../../lake/table/delta-schema.ts";
import {
  type EngineInput,
  type EngineOrder,
  type PrepareOrder,
  type RebuildOrder,
  type ResultFile,
  type ResultName,
  RESULTS,
  type StatePlace,
  type StateSize,
  type StepOrder,
} from "./engine-orders.ts";
import { type ResultShape, resultShape, rowVariables, withRowColumns } from "./result-schema.ts";

/** After so many steps the state's file is put in order. */
const CHECKPOINT_STEPS = 50;
/** Pieces of state are put together when there are so many. */
const PIECES_MAX = 50_000;
/** Of the shape of the file itself. */
const STATE_VERSION = 1;
/** Files that were found to be what the log says are not read for it again. */
const CHECKED_MAX = 10_000;
const PLACE = "state.main.muara_place";

type PreviewOrder = Extract<EngineOrder, { readonly order: "preview" }>;
type Results<Value> = Record<ResultName, Value | null>;

export class JobEngine {
  readonly #connection: DuckDBConnection;
  #plan: JobPlan | undefined;
  #shapes: Results<ResultShape> = { release: null, corrections: null, violations: null };
  /** Of what makes state: another one cannot use it. */
  #fingerprint = "";
  #steps = 0;
  /** [input] statements that made what `new_<i>` is. */
  readonly #views: ReadonlySet<string>[] = [];
  readonly #checked = new Set<string>();

  /** @param connection to an engine in memory, which nobody else uses */
  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** @returns the place that the state's file has; null: it cannot be used, and is empty now */
  async prepare(order: PrepareOrder): Promise<{ place: StatePlace | null; schemas: Results<string> }> {
    const { plan, inputs, stateFile, folders } = order;
    this.#plan = plan;
    const types = inputs.map(({ schemaString }, i) => wantedColumns(plan, i, schemaString));
    this.#fingerprint = createHash("sha256")
      .update(JSON.stringify([STATE_VERSION, plan, types]))
      .digest("hex");
    await this.#run(
      `ATTACH ${quoteText(stateFile)} AS state`,
      "SET search_path = 'memory.main,state.main'",
      "SET checkpoint_threshold = '64MiB'",
      // Each step brings files of its own, read once: kept, they would fill the engine's memory to its limit.
      "SET enable_external_file_cache = false",
      `SET allowed_directories = ${listOfTexts(folders)}`,
      "SET enable_external_access = false",
      "SET lock_configuration = true",
      `CREATE TABLE IF NOT EXISTS ${PLACE} (fingerprint VARCHAR, base_place VARCHAR, at_place VARCHAR)`,
    );
    await this.#setTimes({ releasedTo: null, releaseTo: null });
    await this.#run(...rowVariables("", null));
    await this.#setInputs(inputs);
    const place = await this.#place();
    if (!place) await this.#emptyState();
    await this.#run(...plan.prepare);
    this.#shapes = {
      release: withRowColumns((await this.#shapeOf([plan.release]))!),
      corrections: await this.#shapeOf(plan.corrections),
      violations: await this.#shapeOf(plan.violations),
    };
    const text = (name: ResultName): string | null => {
      const shape = this.#shapes[name];
      return shape && formatSchema(shape.schema);
    };
    const schemas = {
      release: text("release"),
      corrections: text("corrections"),
      violations: text("violations"),
    };
    return { place, schemas };
  }

  /** Leaves a transaction open. */
  async step(order: StepOrder): Promise<Results<ResultFile>> {
    const plan = this.#plan!;
    const { rowPrefix, watermarkMs } = order;
    await this.#run(...rowVariables(rowPrefix, watermarkMs));
    await this.#begin(order, order.inputs);
    await this.#run(...plan.absorb);
    const files: Results<ResultFile> = { release: null, corrections: null, violations: null };
    for (const name of RESULTS)
      if (name !== "release" || isDue(plan, order))
        files[name] = await this.#write(name, join(order.folder, `${name}.parquet`));
    await this.#forget();
    return files;
  }

  async #forget(): Promise<void> {
    const { forget, compact } = this.#plan!;
    await this.#run(...forget);
    for (const { pending, statements } of compact)
      if ((await this.#number(pending)) >= PIECES_MAX) await this.#run(...statements);
  }

  async rebuild({ inputs, place, ...times }: RebuildOrder): Promise<void> {
    await this.#emptyState();
    await this.#begin(times, inputs);
    await this.#run(...this.#plan!.absorb);
    await this.#forget();
    await this.keep(place);
    await this.#run("CHECKPOINT state");
  }

  /** Ends the transaction. @returns how large the state is, now and then */
  async keep({ base, at }: StatePlace): Promise<StateSize | null> {
    const values = [this.#fingerprint, base, at].map(quoteText).join(", ");
    await this.#run(`DELETE FROM ${PLACE}`, `INSERT INTO ${PLACE} VALUES (${values})`, "COMMIT");
    const isKept = ++this.#steps % CHECKPOINT_STEPS === 0;
    if (isKept) await this.#run("CHECKPOINT state");
    // Early, too (the first may be the rebuild's): who has few steps an hour wants to know as well.
    return isKept || this.#steps <= 2 ? this.#size() : null;
  }

  /** Forgets what the step has changed, also where it failed in its midst. */
  async drop(): Promise<void> {
    await this.#connection.run("ROLLBACK").catch(() => undefined);
  }

  async #size(): Promise<StateSize> {
    let stateRows = 0;
    let storedRows = 0;
    for (const { name } of this.#plan!.state) {
      stateRows += await this.#number(`SELECT count(*) FROM state.main.${quoteName(name)}`);
      const stored = `SELECT row_group_id, max(count) AS n FROM pragma_storage_info(${quoteText(`state.main.${name}`)})
        WHERE segment_type = 'VALIDITY' GROUP BY row_group_id`;
      storedRows += await this.#number(`SELECT coalesce(sum(n), 0) FROM (${stored})`);
    }
    return { stateRows, storedRows };
  }

  async preview({
    rows,
    releaseTo,
  }: PreviewOrder): Promise<{ columns: readonly string[]; rows: readonly (readonly unknown[])[] }> {
    const { preview } = this.#plan!;
    if (preview === null) return { columns: [], rows: [] };
    await this.#setTimes({ releasedTo: releaseTo, releaseTo });
    const reader = await this.#connection.runAndReadAll(`SELECT * FROM (${preview}\n) LIMIT ${rows}`);
    return { columns: reader.columnNames(), rows: reader.getRowsJson() };
  }

  /** What views and variables need is set before: a transaction writes to one of the two databases only. */
  async #begin(
    times: Pick<StepOrder, "releasedTo" | "releaseTo">,
    inputs: readonly EngineInput[],
  ): Promise<void> {
    this.#check(inputs);
    await this.#setTimes(times);
    await this.#setInputs(inputs);
    await this.#run("BEGIN");
  }

  #check(inputs: readonly EngineInput[]): void {
    if (this.#checked.size > CHECKED_MAX) this.#checked.clear();
    for (const file of inputs.flatMap(({ files }) => files)) {
      if (this.#checked.has(file.path)) continue;
      checkInput(file);
      this.#checked.add(file.path);
    }
  }

  async #setTimes({ releasedTo, releaseTo }: Pick<StepOrder, "releasedTo" | "releaseTo">): Promise<void> {
    await this.#run(
      `SET VARIABLE released_to = ${timeText(releasedTo)}`,
      `SET VARIABLE release_to = ${timeText(releaseTo)}`,
      `SET VARIABLE lateness = to_milliseconds(${this.#plan!.latenessMs})`,
    );
  }

  async #setInputs(inputs: readonly EngineInput[]): Promise<void> {
    for (const [i, input] of inputs.entries()) {
      const { schemaString, partitionColumns, files, where } = input;
      const whole = `muara_whole_${i}`;
      const condition = where === null ? "" : ` WHERE (${where}\n)`;
      const pinned = { names: [whole], schemaString, partitionColumns, files, ingestedUntilMs: null };
      const list = this.#plan!.inputs[i]!.columns.map(quoteName).join(", ");
      const statements = [
        ...viewStatements(pinned, i),
        `CREATE VIEW memory.main.new_${i} AS SELECT ${list} FROM ${whole}${condition}`,
      ];
      // The list of files is a variable: what else says the same as before is there.
      const isSet = (one: string): boolean => this.#views[i]?.has(one) ?? false;
      const isSameView = statements.every((one) => !one.startsWith("CREATE VIEW") || isSet(one));
      const drops = [`DROP VIEW IF EXISTS memory.main.new_${i}`, `DROP VIEW IF EXISTS memory.main.${whole}`];
      await this.#run(...(isSameView ? statements.filter((one) => !isSet(one)) : [...drops, ...statements]));
      this.#views[i] = new Set(statements);
    }
  }

  async #place(): Promise<StatePlace | null> {
    const reader = await this.#connection.runAndReadAll(
      `SELECT fingerprint, base_place, at_place FROM ${PLACE}`,
    );
    const [row] = reader.getRowsJson() as string[][];
    return row?.[0] === this.#fingerprint ? { base: row[1]!, at: row[2]! } : null;
  }

  /** Also of tables that another plan had. */
  async #emptyState(): Promise<void> {
    const names = await this.#connection.runAndReadAll(
      "SELECT table_name FROM duckdb_tables() WHERE database_name = 'state' AND table_name <> 'muara_place'",
    );
    const drops = (names.getRowsJson() as string[][]).map(
      ([name]) => `DROP TABLE state.main.${quoteName(name!)}`,
    );
    const tables = this.#plan!.state.map(
      ({ name, like }) => `CREATE TABLE state.main.${quoteName(name)} AS SELECT * FROM (${like}\n) LIMIT 0`,
    );
    await this.#run("BEGIN", ...drops, `DELETE FROM ${PLACE}`, ...tables, "COMMIT", "CHECKPOINT state");
  }

  async #shapeOf(selects: readonly string[]): Promise<ResultShape | null> {
    if (selects.length === 0) return null;
    const all = selects.map((select) => `(${select}\n)`).join(" UNION ALL BY NAME ");
    const select = selects.length === 1 ? selects[0]! : all;
    const reader = await this.#connection.runAndReadAll(`SELECT * FROM (${select}\n) LIMIT 0`);
    return resultShape(select, reader.columnNames(), reader.columnTypes());
  }

  async #write(name: ResultName, path: string): Promise<ResultFile | null> {
    const shape = this.#shapes[name];
    if (!shape) return null;
    const file = await copyToFile(this.#connection, shape.select, path);
    if (file.rows === 0) return null;
    const columns = columnsOf(shape.schema);
    const { rows, groups } = footerStatistics(readFooter(path, file.bytes), columns);
    return { path, ...file, stats: deltaStats(columns, rows, groups) };
  }

  async #number(select: string): Promise<number> {
    return Number((await this.#connection.runAndReadAll(select)).getRows()[0]![0]);
  }

  /** In one call: each by itself costs as much again in going to and fro. The first that fails is the last. */
  async #run(...statements: readonly string[]): Promise<void> {
    if (statements.length > 0) await this.#connection.run(statements.join("\n;\n"));
  }
}

/** Whether something may be released: one of the plan's ticks lies behind W0, and not behind W1. */
function isDue({ ticks }: JobPlan, { releasedTo, releaseTo }: StepOrder): boolean {
  if (ticks === null || releasedTo === null || releaseTo === null) return true;
  const [after, until] = [BigInt(releasedTo), BigInt(releaseTo)];
  return ticks.some(({ everyMs, offsetMs }) => {
    const every = BigInt(everyMs) * 1_000n;
    const offset = BigInt(offsetMs) * 1_000n;
    const passed = (us: bigint): bigint => (us - offset - modulo(us - offset, every)) / every;
    return passed(after) < passed(until);
  });
}

function modulo(value: bigint, by: bigint): bigint {
  return ((value % by) + by) % by;
}

/** With their types: state of others is not for them. */
function wantedColumns(plan: JobPlan, i: number, schemaString: string): unknown {
  const wanted = new Set(plan.inputs[i]!.columns);
  return sqlColumns(schemaString).filter(({ name }) => wanted.has(name));
}

function timeText(us: string | null): string {
  return us === null ? "'-infinity'::TIMESTAMPTZ" : `make_timestamptz(${us}::BIGINT)`;
}
