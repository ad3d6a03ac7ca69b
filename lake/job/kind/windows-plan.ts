/**
 * The kinds `windows` and `dedup`: of every call of a window macro the rows of its source are kept as long as a window
 * of theirs is to come, and the SELECT runs over these, with macros that give the windows which are released in the
 * step. Where a GROUP BY stands over the call and its aggregates can be had of partial ones, these are kept by slice in
 * the place of the rows (slices.ts). Stages before a macro run once, over new rows; those behind it run as they stand.
 */
import { quoteName, quoteText } from "../../query/quote.ts";
import { inputOf, type Analysis } from "../analysis.ts";
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
import type { CompiledPlan } from "./compiled-plan.ts";
import { MEAN_MACROS } from "./mean.ts";
import type { Column } from "../planning-engine.ts";
import { JobRefused } from "../refusal.ts";
import type { Replacement } from "../select-text.ts";
import { KeepsRows, sliceSelect } from "./sliced-select.ts";
import {
  absorbSlices,
  compactSlices,
  forgetSlices,
  overSlices,
  sliceTables,
  slicesOfNew,
  type Slices,
  wholeSlices,
} from "./slices.ts";
import { byteOf, child } from "../tree.ts";
import type { WindowCall } from "../relation/window-call.ts";

/** One call with what is kept for it. */
interface Kept {
  readonly call: WindowCall;
  readonly table: string;
  /** SELECT of its source over new rows. */
  readonly stage: string;
}

/** @throws JobRefused */
export async function windowsPlan(analysis: Analysis): Promise<CompiledPlan> {
  const { latenessMs } = analysis;
  const kept = analysis.calls.map((call, index) => ({
    call,
    table: `kept_${index}`,
    stage: stageOf(analysis, call.source, analysis.proof.fromStage.has(call)),
  }));
  for (const one of kept) await checkStage(analysis, one);
  const prepare = [
    ...MEAN_MACROS,
    ...windowMacros(latenessMs, "job"),
    ...windowMacros(latenessMs, "preview"),
  ];
  for (const macro of prepare) await analysis.engine.run(macro);
  const sliced = await formsOf(analysis, kept);
  const forms = (await isSameResult(analysis, sliced))
    ? sliced
    : sliced.map((form) => ({ ...form, slices: null, isFirst: true, why: "the result has other types" }));
  const outcome = (use: MacroUse): string => outcomeOf(analysis, forms, use);
  const own = forms.filter((form) => form.isFirst);
  return {
    kind: kept.every(({ call }) => call.macro === "dedup") ? "dedup" : "windows",
    pending: analysis.inputs.map((_, input) => pendingOf(analysis, input)),
    state: own.flatMap(stateOf),
    prepare,
    absorb: own.map((form) => (form.slices ? absorbSlices(form.slices) : absorb(form.kept, latenessMs))),
    release: outcome("job"),
    corrections: kept.map((one) => corrections(one, latenessMs)),
    forget: own.flatMap((form) =>
      form.slices ? forgetSlices(form.slices) : [forget(form.kept, latenessMs)],
    ),
    compact: own.flatMap((form) => (form.slices ? [compactSlices(form.slices)] : [])),
    content: own.map((form) => (form.slices ? wholeSlices(form.slices) : `FROM ${form.kept.table}`)),
    keeps: forms.map(({ kept: { call }, slices, why }) => ({
      source: call.source,
      form: slices ? "slices" : "rows",
      why,
    })),
    ticks: ticksOf(analysis.calls, latenessMs),
    preview: outcome("preview"),
    batch: windowMacros(latenessMs, "batch"),
  };
}

/** Ends of windows, and the lateness. */
function ticksOf(
  calls: readonly WindowCall[],
  latenessMs: number,
): NonNullable<CompiledPlan["ticks"]> | null {
  if (calls.some(({ macro }) => macro !== "tumble" && macro !== "hop")) return null;
  return calls.map(({ stepMs, sizeMs }) => ({ everyMs: stepMs, offsetMs: sizeMs + latenessMs }));
}

/** Over slices the SELECT has the columns that it has over rows. */
async function isSameResult(analysis: Analysis, forms: readonly Form[]): Promise<boolean> {
  const { engine, result } = analysis;
  for (const { name, like } of forms.filter(({ isFirst }) => isFirst).flatMap(stateOf))
    await engine.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  const columns = await engine.describe(outcomeOf(analysis, forms, "job")).catch(() => []);
  return areSame(columns, result);
}

function areSame(columns: readonly Column[], others: readonly Column[]): boolean {
  return (
    columns.length === others.length &&
    columns.every(({ name, type }, i) => name === others[i]!.name && type === others[i]!.type)
  );
}

/** What is kept of a call, in which form. */
interface Form {
  readonly kept: Kept;
  /** null: rows. */
  readonly slices: Slices | null;
  /** Of rows. */
  readonly why: string | null;
  /** Another call has the same. */
  readonly isFirst: boolean;
}

async function formsOf(analysis: Analysis, kept: readonly Kept[]): Promise<readonly Form[]> {
  const forms: Form[] = [];
  for (const one of kept) {
    const found = await slicesOf(analysis, one, forms.length);
    const slices = typeof found === "string" ? null : found;
    const twin = slices && forms.find((form) => form.slices && isSameState(form.slices, slices))?.slices;
    forms.push({
      kept: one,
      slices: slices && twin ? { ...slices, index: twin.index } : slices,
      why: typeof found === "string" ? found : null,
      isFirst: !twin,
    });
  }
  return forms;
}

/** @returns why rows are kept, where they are */
async function slicesOf(analysis: Analysis, { call, stage }: Kept, index: number): Promise<Slices | string> {
  try {
    const sliced = await sliceSelect(analysis, call, stage);
    const slices = { call, sliced, latenessMs: analysis.latenessMs, stage, index };
    // What the engine does not take as slices it may take as it was written.
    await analysis.engine.describe(slicesOfNew(slices)).catch(() => {
      throw new KeepsRows("an expression needs the window itself");
    });
    return slices;
  } catch (error) {
    if (error instanceof KeepsRows) return error.message;
    throw error;
  }
}

function isSameState(one: Slices, other: Slices): boolean {
  const { sliced: a, call } = one;
  const { sliced: b } = other;
  const isSameCall = call.stepMs === other.call.stepMs && call.sizeMs === other.call.sizeMs;
  return isSameCall && slicesOfNew(one) === slicesOfNew(other) && a.partials.length === b.partials.length;
}

function stateOf({ kept: { table, stage }, slices }: Form): CompiledPlan["state"] {
  if (!slices) return [{ name: table, like: `SELECT * FROM (\n${stage}\n) LIMIT 0` }];
  return sliceTables(slices).map((name) => ({
    name,
    like: `SELECT * FROM (\n${slicesOfNew(slices)}\n) LIMIT 0`,
  }));
}

/** The SELECT over what is kept. */
function outcomeOf(analysis: Analysis, forms: readonly Form[], use: MacroUse): string {
  const replacements = forms.flatMap(({ kept: { call, table }, slices }): readonly Replacement[] =>
    slices
      ? [{ piece: slices.sliced.piece, by: overSlices(slices, use) }]
      : [
          { byte: call.sourceByte, name: call.source, by: table },
          { byte: call.nameByte, name: call.macro, by: macroName(call.macro, use) },
        ],
  );
  return analysis.select.whole(replacements, (stage) => isBehind(analysis, stage));
}

/** @throws JobRefused where the source has not what the macro needs */
async function checkStage(analysis: Analysis, { call, stage }: Kept): Promise<void> {
  const { source, time, keys, node } = call;
  const place = analysis.at(byteOf(child(node, "function") ?? {}));
  const columns = await checkTimes(analysis, { source, stage, time }, place);
  const has = (name: string): boolean => columns.some((column) => column.name.toLowerCase() === name);
  for (const key of keys)
    if (!has(key)) throw new JobRefused(place, `"${source}" has no column ${key}.`, "a column of it");
  for (const name of call.macro === "dedup" ? [] : ["window_start", "window_end"])
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
    call.macro === "session" || call.macro === "dedup"
      ? admitted(time, latenessMs)
      : `${admitted(end, latenessMs)} AND ${end} + ${intervalOf(latenessMs)} > getvariable('released_to')`;
  return `INSERT INTO ${table} SELECT * FROM (\n${stage}\n) WHERE ${time} IS NOT NULL AND ${counts}`;
}

function forget({ call, table }: Kept, latenessMs: number): string {
  const time = quoteName(call.time);
  const isPast = (end: string): string => `${end} + ${intervalOf(latenessMs)} <= getvariable('release_to')`;
  if (call.macro === "dedup")
    return `DELETE FROM ${table} WHERE ${isPast(`${time} + ${intervalOf(call.sizeMs)}`)}`;
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

/**
 * Of DEDUP it is the row's own time. Of a session, which the row cannot have, it is what it would have begun. Of the
 * others all that ended so long ago: the list has these alone, and most rows have none.
 */
function corrections({ call, stage }: Kept, latenessMs: number): string {
  const time = quoteName(call.time);
  const [step, size] = [intervalOf(call.stepMs), intervalOf(call.sizeMs)];
  const first = `${windowStart(step, `${time} - ${size}`)} + ${step}`;
  const last = `watermark - ${intervalOf(latenessMs)} - ${size}`;
  const hasNone = call.macro === "session" || call.macro === "dedup";
  const length = call.macro === "dedup" ? intervalOf(0) : size;
  const start = hasNone
    ? time
    : `make_timestamptz(unnest(range(epoch_us(${first}),
        least(epoch_us(${time}), epoch_us(${last})) + 1, epoch_us(${step}))))`;
  const isLate = hasNone ? `NOT (${admitted(time, latenessMs)})` : `${first} <= ${last}`;
  return `SELECT ${quoteText(call.source)} AS source, window_start, window_start + ${length} AS window_end, late_row
  FROM (
    SELECT ${start} AS window_start, to_json(muara_stage)::VARCHAR AS late_row
    FROM (\n${stage}\n) AS muara_stage WHERE ${time} IS NOT NULL AND ${isLate})`;
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
