/**
 * A job as a script of Flink SQL or a program of Spark: `muara job export`. What Muara plans is exported where the
 * other engine gives the same rows, else refused with line and reason.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ExportTarget } from "../../core/job-export.ts";
import type { JobTable } from "../job/analysis.ts";
import { planJob } from "../job/plan-job.ts";
import type { JobPlan, JobRefusal } from "../job/plan.ts";
import { PlanningEngine } from "../job/planning-engine.ts";
import { indexOfByte, JobRefused, refusalOf } from "../job/refusal.ts";
import type { JobText } from "../job/job-text.ts";
import { child, children, walk, type Tree } from "../job/tree.ts";
import { intervalMs, windowCalls } from "../job/relation/window-call.ts";
import { DIALECTS, typeText } from "./dialect.ts";
import { ENVELOPE, type ExportedJob, type ExportOptions } from "./exported.ts";
import { flinkScript } from "./flink-script.ts";
import { QueryText } from "./query-text.ts";
import { sparkProgram } from "./spark-program.ts";
import { Spelling } from "./spelling.ts";
import { checkTimes } from "./time-columns.ts";

export type Exported =
  | { readonly kind: "exported"; readonly text: string }
  | { readonly kind: "refused"; readonly refusal: JobRefusal };

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
    const exported = await translate(
      planned.job,
      planned.plan,
      tables,
      new PlanningEngine(connection),
      options,
    );
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
    if (table.isOfJob)
      throw new JobRefused(
        start,
        `Not exported to ${DIALECTS[to].engine}: it reads the table of another job.`,
      );
    const name = to === "flink" ? input.table : (table.names[1] ?? input.table).replaceAll(/\W/g, "_");
    return { type: input.table, name, fields: fieldsOf(table, input.columns, to, start) };
  });
  const names = new Map(
    inputs.flatMap(({ type, name }) =>
      tables
        .find(({ names: own }) => own[0] === type)!
        .names.map((known) => [known.toLowerCase(), name] as const),
    ),
  );
  const spelling = new Spelling([
    ...ENVELOPE,
    ...inputs.flatMap(({ fields }) => fields.map(({ name }) => name)),
  ]);
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
  return (
    node["class"] === "FUNCTION" &&
    /^to_(milliseconds|seconds|minutes|hours|days|weeks)$/.test(String(node["function_name"]))
  );
}

function fieldsOf(
  table: JobTable,
  wanted: readonly string[],
  to: ExportTarget,
  at: number,
): ExportedJob["inputs"][number]["fields"] {
  const envelope = new Set<string>([...ENVELOPE, "watermark"]);
  const payload = table.columns.filter(({ name }) => wanted.includes(name) && !envelope.has(name));
  return payload.map(({ name, type }) => {
    const engine = DIALECTS[to].engine;
    if (LAKE_ONLY.has(name) || name.startsWith("data_"))
      throw new JobRefused(at, `Not exported to ${engine}: the column ${name}, which events do not have.`);
    return { name, type: typeText(DIALECTS[to], type, at) };
  });
}

function notesOf({ checks, sinks }: JobText): readonly string[] {
  const late = "Rows that come too late for a window are left out; Muara has them in a table of their own.";
  const more = sinks.slice(1).map(({ kind }) => kind);
  const delivered = more.length > 0 ? [`Muara delivers the results on to ${more.join(", ")}.`] : [];
  return [
    late,
    ...delivered,
    ...checks.map(({ name }) => `CHECK ${name} is not here: it takes no rows out.`),
  ];
}
