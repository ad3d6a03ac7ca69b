/**
 * Plans a job: from the text of its file and the tables that there are to the statements of its engine, or to why not.
 * The SELECT goes through the gate of user SQL first, then through the proof (prove.ts), then to the compiler of its
 * kind.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { ROW_ID_COLUMN } from "../../core/job.ts";
import { judge } from "../query/gate.ts";
import { nearestName } from "../query/functions.ts";
import { quoteName } from "../query/quote.ts";
import { inputOf, type Analysis, type Input, type JobTable } from "./analysis.ts";
import { asofPlan } from "./kind/asof-plan.ts";
import { checkedColumns, checkSums, violationsOf } from "./checks.ts";
import { goesByEventTime } from "./proof/history-times.ts";
import type { CompiledPlan } from "./kind/compiled-plan.ts";
import { intervalPlan } from "./kind/interval-plan.ts";
import { splitJob, type JobText } from "./job-text.ts";
import { WINDOW_MACROS, windowMacros } from "./kind/macros.ts";
import { patternCalls, PATTERN_TABLES } from "./relation/pattern-call.ts";
import { patternMacro } from "./kind/pattern-macros.ts";
import { needsList, patternPlan } from "./kind/pattern-plan.ts";
import { PLANNER_VERSION, type JobPlan, type JobRefusal, type JobState } from "./plan.ts";
import { PlanningEngine, reasonOf } from "./planning-engine.ts";
import { OWN_NAMES, prove, type Proof } from "./proof/prove.ts";
import { indexOfByte, indexOfCharacter, JobRefused, refusalOf } from "./refusal.ts";
import { checkOwnColumns, lakeColumns, withTypes } from "./result-columns.ts";
import { rowsPlan } from "./kind/rows-plan.ts";
import { SelectText, type Replacement } from "./select-text.ts";
import { timeJoins } from "./relation/time-join.ts";
import { child, children, type Tree } from "./tree.ts";
import { windowCalls } from "./relation/window-call.ts";
import { windowsPlan } from "./kind/windows-plan.ts";

export type Planned =
  | { readonly kind: "planned"; readonly job: JobText; readonly plan: JobPlan }
  | { readonly kind: "refused"; readonly refusal: JobRefusal };

/** With how many of their first arguments are tables. */
const MACROS = new Map<string, number>([
  ...WINDOW_MACROS.map((name): [string, number] => [name, 1]),
  ...Object.entries(PATTERN_TABLES),
]);
const LATENESS_MS_MAX = 31 * 24 * 3_600_000;

/**
 * @param source the job's file
 * @param tables all that the job may read
 * @param connection of an engine in the time zone UTC; is left with temporary tables, views and macros
 */
export async function planJob(
  source: string,
  tables: readonly JobTable[],
  connection: DuckDBConnection,
): Promise<Planned> {
  try {
    const job = splitJob(source);
    const engine = await new PlanningEngine(connection).open();
    const analysis = await analyse(job, tables, engine);
    const plan = await compile(analysis);
    return { kind: "planned", job, plan };
  } catch (error) {
    if (!(error instanceof JobRefused)) throw error;
    return { kind: "refused", refusal: refusalOf(error, source) };
  }
}

async function compile(analysis: Analysis): Promise<JobPlan> {
  const { job, engine, inputs, latenessMs, result, proof } = analysis;
  const { pending, batch, batchSelect, state, ...compiled } = await compilerOf(proof)(analysis);
  const columns = lakeColumns(result, job.select.at);
  checkOwnColumns(columns, compiled.kind, job.select.at);
  await rehearse(compiled, state, engine, job.select.at);
  await checkSums(analysis, analysis.batch);
  return {
    version: PLANNER_VERSION,
    name: job.name,
    ...compiled,
    state,
    compact: compiled.compact ?? [],
    content: compiled.content ?? state.map(({ name }) => `FROM ${name}`),
    keeps: compiled.keeps ?? [],
    ticks: compiled.ticks ?? null,
    inputs: inputs.map(({ table, columns: wanted }, i) => ({
      table: table.names[0]!,
      columns: wanted.map(({ name }) => name),
      pending: pending[i] ?? null,
    })),
    latenessMs,
    goesByEventTime: goesByEventTime(analysis),
    columns,
    release: withTypes(compiled.release, result, columns),
    preview: compiled.preview === null ? null : withTypes(compiled.preview, result, columns),
    violations: await violationsOf(analysis),
    batch: { prepare: batch, select: withTypes(batchSelect ?? analysis.batch, result, columns) },
  };
}

function compilerOf({ join, pattern, result }: Proof): (analysis: Analysis) => Promise<CompiledPlan> {
  if (pattern) return (analysis) => patternPlan(analysis, pattern);
  if (join)
    return (analysis) => (join.kind === "asof" ? asofPlan(analysis, join) : intervalPlan(analysis, join));
  return result.isWindowed ? windowsPlan : rowsPlan;
}

/** One step over no rows: what the engine does not take then, it will never take. @throws JobRefused */
async function rehearse(
  plan: Omit<CompiledPlan, "pending" | "batch" | "batchSelect" | "state">,
  state: readonly JobState[],
  engine: PlanningEngine,
  at: number,
): Promise<void> {
  const { prepare, absorb, release, corrections, forget, compact = [], preview } = plan;
  const created = state.map(({ name, like }) => `CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  const put = compact.flatMap(({ pending, statements }) => [pending, ...statements]);
  const answers = [release, ...corrections, ...(preview === null ? [] : [preview])];
  try {
    for (const sql of [...created, ...prepare, ...absorb, ...answers, ...forget, ...put])
      await engine.run(sql);
  } catch (error) {
    throw new JobRefused(at, `The engine does not take what this becomes: ${reasonOf(error)}`);
  }
}

async function analyse(job: JobText, tables: readonly JobTable[], engine: PlanningEngine): Promise<Analysis> {
  const { text, at: start } = job.select;
  const at = (byte: number | null): number => start + (byte === null ? 0 : indexOfByte(text, byte));
  const latenessMs = await latenessOf(job, engine);
  const serialized = await engine.serialize(text);
  const judged = judge(serialized, MACROS);
  if (judged.kind === "syntax")
    throw new JobRefused(start + indexOfCharacter(text, judged.character ?? 0), judged.reason);
  if (judged.kind === "refused") throw new JobRefused(at(judged.byte), `Not allowed: ${judged.reason}.`);
  if (judged.kind === "show_tables") throw new JobRefused(start, "A job is a SELECT.");
  const mentioned = judged.tables.map(({ name, byte }) => ({ table: known(name, tables, at(byte)), name }));
  for (const { name, byte } of judged.tables)
    if (OWN_NAMES.test(name)) throw new JobRefused(at(byte), `The name "${name}" is the engine's own.`);
  const checked = await checkedColumns(job, engine);
  // By its place in the log an as-of join tells which of two rows is the newer.
  const places = serialized.includes('"ref_type":"ASOF"')
    ? ["log_partition", "log_offset", ROW_ID_COLUMN]
    : [];
  const inputs = [...new Set(mentioned.map(({ table }) => table))].map((table) =>
    inputFrom(table, judged.columns && [...judged.columns, ...checked, ...places]),
  );
  const tree = onlyNode(await engine.serializeWhole(text));
  const readInterval = (written: string): Promise<number | null> => engine.intervalMs(written);
  const calls = await windowCalls(tree, readInterval, at);
  const joins = await timeJoins(tree, readInterval, at);
  const isOfJob = (name: string): boolean => inputs[inputOf(inputs, name) ?? -1]?.table.isOfJob === true;
  const patterns = await patternCalls(tree, readInterval, at);
  const calledBy = new Map(calls.map((call) => [call.node, call]));
  const proof = prove(tree, { calls: calledBy, joins, patterns, at, isOfJob });
  for (const [i, input] of inputs.entries()) await engine.emptyTable(`new_${i}`, input.columns);
  for (const { name } of mentioned) {
    const body = `FROM new_${inputOf(inputs, name.toLowerCase())!}`;
    await engine.run(`CREATE OR REPLACE TEMP VIEW ${quoteName(name)} AS ${body}`);
  }
  const select = new SelectText(text);
  const macros = windowMacros(latenessMs, "batch");
  for (const macro of [...macros, ...(await batchPattern(proof, select, latenessMs, engine))])
    await engine.run(macro);
  const sources = [
    ...calls.map(({ source, sourceByte }) => ({ name: source, byte: sourceByte })),
    ...(proof.pattern?.sources ?? []),
  ];
  const batch = select.whole(sources.flatMap(quotedTwice), () => true);
  const result = await engine.describeWritten(batch, start);
  return { job, select, batch, tree, latenessMs, inputs, calls, proof, engine, result, at };
}

/** The engine takes the text of a macro's table for SQL: a name with a dot in it needs quotes within its quotes. */
function quotedTwice({
  name,
  byte,
}: {
  readonly name: string;
  readonly byte: number;
}): readonly Replacement[] {
  if (/^[a-z_][a-z0-9_]*$/.test(name)) return [];
  return [{ byte, name, by: quoteName(quoteName(name)) }];
}

async function batchPattern(
  { pattern, patternStages }: Proof,
  select: SelectText,
  latenessMs: number,
  engine: PlanningEngine,
): Promise<readonly string[]> {
  if (!pattern) return [];
  const { name } = pattern.sources[0]!;
  const anchors = patternStages.has(name)
    ? select.stage(name, [], () => true)
    : `SELECT * FROM ${quoteName(name)}`;
  // Where its SELECT is wrong, the engine says so of the whole.
  const isList = await needsList(engine, anchors, pattern).catch(() => false);
  return [patternMacro(pattern, latenessMs, isList, "batch")];
}

async function latenessOf({ options }: JobText, engine: PlanningEngine): Promise<number> {
  let latenessMs = 0;
  for (const { name, value, at } of options) {
    if (name !== "lateness")
      throw new JobRefused(at, `There is no option "${name}".`, "lateness = '5 minutes'");
    const ms = await engine.intervalMs(value);
    if (ms === null || ms < 0 || ms > LATENESS_MS_MAX)
      throw new JobRefused(at, "The lateness goes from 0 to 31 days.", "lateness = '5 minutes'");
    latenessMs = ms;
  }
  return latenessMs;
}

function known(name: string, tables: readonly JobTable[], at: number): JobTable {
  const found = tables.find(({ names }) => names.some((own) => own.toLowerCase() === name.toLowerCase()));
  if (found) return found;
  const near = nearestName(
    name,
    tables.flatMap(({ names }) => names),
  );
  throw new JobRefused(at, `There is no table "${name}".`, near ?? null);
}

/** @param named columns that the SELECT may name, lower case; null: any */
function inputFrom(table: JobTable, named: readonly string[] | null): Input {
  const always = ["watermark"];
  const wanted = named && new Set([...named, ...always]);
  return { table, columns: table.columns.filter(({ name }) => !wanted || wanted.has(name.toLowerCase())) };
}

function onlyNode(serialized: string): Tree {
  const [statement] = children(JSON.parse(serialized) as Tree, "statements");
  return child(statement!, "node")!;
}
