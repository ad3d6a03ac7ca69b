/**
 * The kind `windows`: of every call of a window macro the rows of its source are kept as long as a window of theirs is
 * to come, and the SELECT runs over these, with macros that give the windows which are released in the step. Stages
 * before a macro run once, over new rows; those behind it run as they stand.
 */
import { quoteName, quoteText } from "../query/quote.ts";
import { inputOf, type Analysis } from "./analysis.ts";
import { checkTimes, isBehind, isReadElsewhere, stageOf } from "./kept-rows.ts";
import {
  admitted,
  intervalOf,
  macroName,
  sessions,
  windowMacros,
  windowStart,
  type MacroUse,
} from "./macros.ts";
import type { CompiledPlan } from "./plan-job.ts";
import { JobRefused } from "./refusal.ts";
import { byteOf, child } from "./tree.ts";
import type { WindowCall } from "./window-call.ts";

/** One call with what is kept for it. */
interface Kept {
  readonly call: WindowCall;
  readonly table: string;
  /** SELECT of its source over new rows. */
  readonly stage: string;
}

/** @throws JobRefused */
export async function windowsPlan(analysis: Analysis): Promise<CompiledPlan> {
  const kept = analysis.calls.map((call, index) => ({
    call,
    table: `kept_${index}`,
    stage: stageOf(analysis, call.source, analysis.proof.fromStage.has(call)),
  }));
  for (const one of kept) await checkStage(analysis, one);
  const { latenessMs } = analysis;
  const outcome = (use: MacroUse): string => {
    const sources = kept.map(({ call, table }) => ({ byte: call.sourceByte, name: call.source, by: table }));
    const macros = kept.map(({ call }) => ({
      byte: call.nameByte,
      name: call.macro,
      by: macroName(call.macro, use),
    }));
    return analysis.select.whole([...sources, ...macros], (stage) => isBehind(analysis, stage));
  };
  return {
    kind: "windows",
    pending: analysis.inputs.map((_, input) => pendingOf(analysis, input)),
    state: kept.map(({ table, stage }) => ({ name: table, like: `SELECT * FROM (\n${stage}\n) LIMIT 0` })),
    prepare: [...windowMacros(latenessMs, "job"), ...windowMacros(latenessMs, "preview")],
    absorb: kept.map((one) => absorb(one, latenessMs)),
    release: outcome("job"),
    corrections: kept.map((one) => corrections(one, latenessMs)),
    forget: kept.map((one) => forget(one, latenessMs)),
    preview: outcome("preview"),
    batch: windowMacros(latenessMs, "batch"),
  };
}

/** @throws JobRefused where the source has not what the macro needs */
async function checkStage(analysis: Analysis, { call, stage }: Kept): Promise<void> {
  const { source, time, keys, node } = call;
  const place = analysis.at(byteOf(child(node, "function") ?? {}));
  const columns = await checkTimes(analysis, { source, stage, time }, place);
  const has = (name: string): boolean => columns.some((column) => column.name.toLowerCase() === name);
  for (const key of keys)
    if (!has(key)) throw new JobRefused(place, `"${source}" has no column ${key}.`, "a column of it");
  for (const name of ["window_start", "window_end"])
    if (has(name))
      throw new JobRefused(place, `"${source}" has a column ${name} already.`, `${name} AS other_name`);
}

/** When the last window of a row ends. */
function lastEnd({ stepMs, sizeMs }: WindowCall, time: string): string {
  return `${windowStart(intervalOf(stepMs), time)} + ${intervalOf(sizeMs)}`;
}

function absorb({ call, table, stage }: Kept, latenessMs: number): string {
  const time = quoteName(call.time);
  const end = lastEnd(call, time);
  const counts =
    call.macro === "session"
      ? admitted(time, latenessMs)
      : `${admitted(end, latenessMs)} AND ${end} + ${intervalOf(latenessMs)} > getvariable('released_to')`;
  return `INSERT INTO ${table} SELECT * FROM (\n${stage}\n) WHERE ${time} IS NOT NULL AND ${counts}`;
}

function forget({ call, table }: Kept, latenessMs: number): string {
  const time = quoteName(call.time);
  const isPast = (end: string): string => `${end} + ${intervalOf(latenessMs)} <= getvariable('release_to')`;
  if (call.macro !== "session") return `DELETE FROM ${table} WHERE ${isPast(lastEnd(call, time))}`;
  const rows = sessions(
    table,
    time,
    intervalOf(call.sizeMs),
    call.keys.map(quoteName),
    latenessMs,
    ", rowid AS muara_row",
  );
  return `DELETE FROM ${table} WHERE rowid IN (SELECT muara_row FROM (${rows}) WHERE ${isPast("window_end")})`;
}

/** Of a session, which the row cannot have, it is what it would have begun. */
function corrections({ call, stage }: Kept, latenessMs: number): string {
  const time = quoteName(call.time);
  const [step, size] = [intervalOf(call.stepMs), intervalOf(call.sizeMs)];
  const first = `${windowStart(step, `${time} - ${size}`)} + ${step}`;
  const start =
    call.macro === "session"
      ? time
      : `make_timestamptz(unnest(range(epoch_us(${first}), epoch_us(${time}) + 1, epoch_us(${step}))))`;
  const end = call.macro === "session" ? "window_start" : "window_end";
  return `SELECT ${quoteText(call.source)} AS source, window_start, window_end, late_row FROM (
    SELECT *, window_start + ${size} AS window_end FROM (
      SELECT ${start} AS window_start, watermark, to_json(muara_stage)::VARCHAR AS late_row
      FROM (\n${stage}\n) AS muara_stage WHERE ${time} IS NOT NULL))
  WHERE NOT (${admitted(end, latenessMs)})`;
}

/**
 * Known where windows go over the table itself. It asks of the time alone, so that files are passed over by their
 * statistics; a session can have begun at any time before.
 */
function pendingOf(analysis: Analysis, input: number): string | null {
  const { proof, inputs, calls, latenessMs } = analysis;
  const own = calls.filter((call) => !proof.fromStage.has(call) && inputOf(inputs, call.source) === input);
  if (isReadElsewhere(analysis, input) || own.some(({ macro }) => macro === "session")) return null;
  const conditions = own.map(
    ({ time, sizeMs }) =>
      `${quoteName(time)} > getvariable('released_to') - ${intervalOf(latenessMs + sizeMs)}`,
  );
  return conditions.join(" OR ");
}
