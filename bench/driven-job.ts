/** A job's engine in its own process, driven step by step with a simulated clock: rows are made by SQL, no lake. */
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { jobLimitsSchema } from "../core/job.ts";
import type { JobPlan } from "../lake/job/plan.ts";
import { quoteText } from "../lake/query/quote.ts";
import { openEngine } from "../lake/query/session.ts";
import { sqlColumns } from "../lake/query/view.ts";
import { type DeltaStruct, formatSchema } from "../lake/table/delta-schema.ts";
import type { EngineInput, ResultFile, StateSize } from "../workers/stream/engine-orders.ts";
import { EngineProcess } from "../workers/stream/engine-process.ts";

const MIB = 1_048_576;
const never = new AbortController().signal;

export interface DrivenOptions {
  readonly folder: string;
  /** The job's file. */
  readonly text: string;
  /** Its one input. */
  readonly table: string;
  readonly schema: DeltaStruct;
  readonly memoryBytes: number;
}

export interface DrivenStep {
  /** SELECT with the table's columns; null: no rows. */
  readonly rows: string | null;
  /** Parquet files instead, absolute. */
  readonly files?: readonly string[];
  /** ms since 1970 UTC. */
  readonly watermarkMs: number;
}

export class DrivenJob {
  readonly plan: JobPlan;
  readonly #options: DrivenOptions;
  readonly #engine: EngineProcess;
  readonly #maker: DuckDBConnection;
  #releasedTo: string | null = null;
  #steps = 0;
  size: StateSize | null = null;

  private constructor(options: DrivenOptions, engine: EngineProcess, maker: DuckDBConnection, plan: JobPlan) {
    this.#options = options;
    this.#engine = engine;
    this.#maker = maker;
    this.plan = plan;
  }

  static async start(options: DrivenOptions): Promise<DrivenJob> {
    const { folder, text, table, schema, memoryBytes } = options;
    await mkdir(join(folder, "input"), { recursive: true });
    const limits = jobLimitsSchema.parse({ memory_bytes: memoryBytes });
    const engine = await EngineProcess.start({ job: "driven", folder: join(folder, "job"), limits });
    const schemaString = formatSchema(schema);
    const tables = [{ names: [table], columns: sqlColumns(schemaString) }];
    const { planned } = await engine.ask({ order: "plan", text, tables }, "planned", never);
    if (planned.kind === "refused") throw new Error(JSON.stringify(planned.refusal));
    const { plan } = planned;
    const inputs = [{ schemaString, partitionColumns: [], files: [], where: null }];
    const stateFile = join(folder, "job", "state.duckdb");
    const folders = [`${folder}/`];
    await engine.ask({ order: "prepare", plan, inputs, stateFile, folders }, "prepared", never);
    await mkdir(join(engine.folder, "results"), { recursive: true });
    const maker = await openEngine({ memoryBytes: 512 * MIB, threads: 1 });
    return new DrivenJob(options, engine, maker, plan);
  }

  /** @returns what is final, which the next step writes over */
  async step({ rows, files = [], watermarkMs }: DrivenStep): Promise<ResultFile | null> {
    const { folder, schema } = this.#options;
    const made = join(folder, "input", `${++this.#steps}.parquet`);
    if (rows !== null) await this.#maker.run(`COPY (${rows}) TO ${quoteText(made)} (FORMAT parquet)`);
    const paths = rows === null ? files : [...files, made];
    const local = await Promise.all(
      paths.map(async (path) => ({ path, bytes: (await stat(path)).size, partitionValues: {} })),
    );
    const input: EngineInput = {
      schemaString: formatSchema(schema),
      partitionColumns: [],
      files: local,
      where: null,
    };
    const releaseTo = String(watermarkMs * 1_000);
    const { files: results } = await this.#engine.ask(
      {
        order: "step",
        inputs: [input],
        releasedTo: this.#releasedTo,
        releaseTo,
        folder: join(this.#engine.folder, "results"),
        rowPrefix: String(this.#steps),
        watermarkMs: null,
      },
      "stepped",
      never,
    );
    this.#releasedTo = releaseTo;
    if (rows !== null) await rm(made);
    return results.release;
  }

  /** Ends the step. */
  async keep(): Promise<void> {
    const at = String(this.#steps);
    const { size } = await this.#engine.ask({ order: "keep", place: { base: at, at } }, "kept", never);
    if (size) this.size = size;
  }

  /** MB of the process: now, and the most that it ever had. */
  async memory(): Promise<{ nowMb: number; mostMb: number }> {
    const status = await readFile(`/proc/${this.#engine.pid}/status`, "utf8");
    const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) / 1_024;
    return { nowMb: Math.round(of("VmRSS")), mostMb: Math.round(of("VmHWM")) };
  }

  /** CPU seconds of the process so far. */
  async cpuSeconds(): Promise<number> {
    const fields = (await readFile(`/proc/${this.#engine.pid}/stat`, "utf8")).split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  async query(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.#maker.runAndReadAll(sql)).getRowsJson();
  }

  async close(): Promise<void> {
    await this.#engine.close();
    this.#maker.closeSync();
  }
}
