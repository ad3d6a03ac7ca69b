/**
 * The kind `pattern`: ALL_OF and SEQUENCE. Each anchor is released, complete or not, at the end of its time and the
 * lateness. The text runs as it stands, with macros that read what is kept.
 */
import { quoteName, quoteText } from "../../query/quote.ts";
import type { Analysis } from "../analysis.ts";
import { intervalState, type Waiting } from "./interval-state.ts";
import { checkTimes, isBehind, stageOf } from "./kept-rows.ts";
import { macroName, type MacroUse } from "./macros.ts";
import { patternMacro } from "./pattern-macros.ts";
import { PATTERN_COLUMNS, type PatternCall } from "../relation/pattern-call.ts";
import type { CompiledPlan } from "./compiled-plan.ts";
import type { Column, PlanningEngine } from "../planning-engine.ts";
import { JobRefused } from "../refusal.ts";

/** @throws JobRefused */
export async function patternPlan(analysis: Analysis, call: PatternCall): Promise<CompiledPlan> {
  const { latenessMs, select, at, proof } = analysis;
  const { time, part, steps, withinMs } = call;
  const [anchors, parts = anchors] = call.sources;
  const source = async (index: number, columns: readonly Wanted[]): Promise<Waiting> => {
    const { name, byte } = index === 0 ? anchors! : parts!;
    const isStage = proof.patternStages.has(name);
    const stage = stageOf(analysis, name, isStage);
    const found = await checkTimes(analysis, { source: name, stage, time }, at(byte));
    checkColumns(found, name, columns, at(byte));
    return { source: name, isStage, time, stage };
  };
  const isSequence = call.macro === "sequence";
  const anyKey: Wanted = { name: call.key, types: /./, as: "…" };
  const kind: Wanted = { name: part, types: /^VARCHAR$/, as: "VARCHAR" };
  const need: Wanted = { name: call.need, types: /(^(TINY|SMALL|BIG)?INT(EGER)?|\[\])$/, as: "BIGINT" };
  const left = await source(0, [anyKey, isSequence ? kind : need]);
  const right = await source(1, [anyKey, isSequence ? kind : { ...kind, types: /./ }]);
  checkFree(await analysis.engine.describe(left.stage), call, at(anchors!.byte));
  const kinds = (wanted: readonly string[]): string =>
    `${quoteName(part)} IN (${wanted.map(quoteText).join(", ")})`;
  const only = (waiting: Waiting, wanted: readonly string[]): Waiting =>
    isSequence
      ? { ...waiting, stage: `SELECT * FROM (\n${waiting.stage}\n) WHERE ${kinds(wanted)}` }
      : waiting;
  const spans = {
    left: only(left, steps.slice(0, 1)),
    right: only(right, steps.slice(1)),
    lowMs: 0,
    highMs: withinMs,
    waitMs: withinMs,
    latenessMs,
  };
  const isList = await needsList(analysis.engine, left.stage, call);
  const macro = (use: MacroUse): string => patternMacro(call, latenessMs, isList, use);
  const outcome = (use: MacroUse): string =>
    select.whole([{ byte: call.nameByte, name: call.macro, by: macroName(call.macro, use) }], (name) =>
      isBehind(analysis, name),
    );
  return {
    kind: "pattern",
    ...intervalState(analysis, spans),
    prepare: [macro("job"), macro("preview")],
    release: outcome("job"),
    preview: outcome("preview"),
    batch: [macro("batch")],
  };
}

/** @param stage SELECT of the anchors */
export async function needsList(engine: PlanningEngine, stage: string, call: PatternCall): Promise<boolean> {
  const columns = await engine.describe(stage);
  return columns.some(({ name, type }) => name.toLowerCase() === call.need && type.endsWith("[]"));
}

interface Wanted {
  readonly name: string;
  readonly types: RegExp;
  /** One of these. */
  readonly as: string;
}

function checkColumns(
  columns: readonly Column[],
  source: string,
  wanted: readonly Wanted[],
  place: number,
): void {
  for (const { name, types, as } of wanted) {
    const type = columns.find((column) => column.name.toLowerCase() === name)?.type;
    if (type === undefined)
      throw new JobRefused(place, `"${source}" has no column ${name}.`, `SELECT …, AS ${name}`);
    if (!types.test(type))
      throw new JobRefused(place, `${name} is of type ${type}.`, `CAST(${name} AS ${as})`);
  }
}

function checkFree(columns: readonly Column[], { macro }: PatternCall, place: number): void {
  for (const name of PATTERN_COLUMNS[macro])
    if (columns.some((column) => column.name.toLowerCase() === name))
      throw new JobRefused(place, `The anchors have a column ${name} already.`, `${name} AS other_name`);
}
