/**
 * A job as a script of Flink SQL or a program of Spark: `muara job export`. What Muara plans is exported where the other
 * engine gives the same rows, else refused with line and reason.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import type { JobTable } from "../job/analysis.ts";
import { planJob } from "../job/plan-job.ts";
import type { JobPlan, JobRefusal } from "../job/plan.ts";
import { PlanningEngine } from "../job/planning-engine.ts";
import { indexOfByte, JobRefused, refusalOf } from "../job/refusal.ts";
import type { JobText } from "../job/job-text.ts";
import { child, children, walk, type Tree } from "../job/tree.ts";
import { intervalMs, windowCalls } from "../job/window-call.ts";
import { type ExportTarget, typeText, DIALECTS } from "./dialect.ts";
import { flinkScript } from "./flink-script.ts";
import { QueryText } from "./query-text.ts";
import { sparkProgram } from "./spark-program.ts";
import { Spelling } from "./spelling.ts";
import { checkTimes } from "./time-columns.ts";

export interface ExportOptions {
  readonly to: ExportTarget;
  /** How far a partition may deliver behind its newest event, ms. */
  readonly disorderMs: number;
  /** `file:///folder`, with a folder of JSON lines per event type; or `kafka://host:port`, with a topic of each. */
  readonly source: string;
  /** `file:///folder`. */
  readonly sink: string;
}

export type Exported =
  | { readonly kind: "exported"; readonly text: string }
  | { readonly kind: "refused"; readonly refusal: JobRefusal };

/** What is the same for all engines. Types and names are the engine's. */
export interface ExportedJob {
  readonly name: string;
  readonly inputs: readonly {
    /** Event type, which folders and topics are named after. */
    readonly type: string;
    /** In the engine. */
    readonly name: string;
    /** Fields of the payload that the job reads. */
    readonly fields: readonly { readonly name: string; readonly type: string }[];
  }[];
  readonly output: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** SELECT with those columns, not yet cast to their types. */
  readonly query: string;
  /** How far the watermark stays behind the newest event: disorder and lateness. */
  readonly delayMs: number;
  /** What the job has and the export has not, a sentence each. */
  readonly notes: readonly string[];
}

/** Columns of the envelope that lines have. */
export const ENVELOPE = ["event_id", "event_time"] as const;
/** Those that only a lake has. */
const LAKE_ONLY = new Set([
  "event_key",
  "ingest_time",
  "ingest_date",
  "log_partition",
  "log_offset",
  "flow_id",
  "extra",
]);

/** As planJob, with the same connection. */
export async function exportJob(
  source: string,
  tables: readonly JobTable[],
  connection: DuckDBConnection,
  options: ExportOptions,
): Promise<Exported> {
  const planned = await planJob(source, tables, connection);
  if (planned.kind === "refused") return planned;
  try {
    const exported = await translate(planned.job, planned.plan, tables, new PlanningEngine(connection), options);
    const text = options.to === "flink" ? flinkScript(exported, options) : sparkProgram(exported, options);
    return { kind: "exported", text };
  } catch (error) {
    if (!(error instanceof JobRefused)) throw error;
    return { kind: "refused", refusal: refusalOf(error, source) };
  }
}

async function translate(
  job: JobText,
  plan: JobPlan,
  tables: readonly JobTable[],
  engine: PlanningEngine,
  { to, disorderMs }: ExportOptions,
): Promise<ExportedJob> {
  const { text, at: start } = job.select;
  const at = (byte: number | null): number => start + (byte === null ? 0 : indexOfByte(text, byte));
  const [statement] = children(JSON.parse(await engine.serializeWhole(text)) as Tree, "statements");
  const tree = child(statement!, "node")!;
  const read = (written: string): Promise<number | null> => engine.intervalMs(written);
  const calls = new Map((await windowCalls(tree, read, at)).map((call) => [call.node, call]));
  const spans = new Map<Tree, number | null>();
  for (const node of walk(tree)) if (isSpan(node)) spans.set(node, await intervalMs(node, read));
  checkTimes(tree, [...calls.values()], at, DIALECTS[to].engine);
  const inputs = plan.inputs.map((input) => {
    const table = tables.find(({ names }) => names[0] === input.table)!;
    const name = to === "flink" ? input.table : (table.names[1] ?? input.table).replaceAll(/\W/g, "_");
    return { type: input.table, name, fields: fieldsOf(table, input.columns, to, start) };
  });
  const names = new Map(
    inputs.flatMap(({ type, name }) =>
      tables.find(({ names: own }) => own[0] === type)!.names.map((known) => [known.toLowerCase(), name] as const),
    ),
  );
  const spelling = new Spelling([...ENVELOPE, ...inputs.flatMap(({ fields }) => fields.map(({ name }) => name))]);
  const query = new QueryText({ target: to, calls, spans, spelling, tables: names, at }).query(tree);
  const columns = plan.columns.map(({ name, type }) => ({
    name: spelling.of(name),
    type: typeText(DIALECTS[to], type, start),
  }));
  const delayMs = disorderMs + plan.latenessMs;
  return { name: job.name, inputs, output: job.sinks[0]!.name, columns, query, delayMs, notes: notesOf(job) };
}

function isSpan(node: Tree): boolean {
  if (node["class"] === "CAST") return child(node, "cast_type")?.["id"] === "INTERVAL";
  return node["class"] === "FUNCTION" && /^to_(milliseconds|seconds|minutes|hours|days|weeks)$/.test(String(node["function_name"]));
}

function fieldsOf(
  table: JobTable,
  wanted: readonly string[],
  to: ExportTarget,
  at: number,
): ExportedJob["inputs"][number]["fields"] {
  const envelope: readonly string[] = [...ENVELOPE, "watermark"];
  const payload = table.columns.filter(({ name }) => wanted.includes(name) && !envelope.includes(name));
  return payload.map(({ name, type }) => {
    const engine = DIALECTS[to].engine;
    if (LAKE_ONLY.has(name) || name.startsWith("data_"))
      throw new JobRefused(at, `Not exported to ${engine}: the column ${name}, which events do not have.`);
    return { name, type: typeText(DIALECTS[to], type, at) };
  });
}

function notesOf({ checks }: JobText): readonly string[] {
  const late = "Rows that come too late for a window are left out; Muara has them in a table of their own.";
  return [late, ...checks.map(({ name }) => `CHECK ${name} is not here: it takes no rows out.`)];
}
