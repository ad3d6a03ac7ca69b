/**
 * The kind `interval`: two tables joined by how far apart in time their rows are. A left row is released, with all that
 * it is joined with or with its absence, when no right row can come any more that counts for it: at the upper bound of
 * its interval (at its own time where that bound lies before it) and the lateness. The text runs as it stands but for
 * what the join reads: of the left side the rows that are released, and in its condition the admission of the right
 * row, which depends on both.
 */
import { quoteName } from "../query/quote.ts";
import { inputOf, type Analysis } from "./analysis.ts";
import type { IntervalJoin } from "./interval-join.ts";
import type { JoinSide } from "./join-side.ts";
import { checkTimes, correction, isBehind, isReadElsewhere, keep, over, stageOf } from "./kept-rows.ts";
import { admitted, intervalOf } from "./macros.ts";
import type { CompiledPlan } from "./plan-job.ts";
import type { Replacement } from "./select-text.ts";
import { text } from "./tree.ts";

interface Sides {
  readonly join: IntervalJoin;
  /** SELECTs over new rows. */
  readonly leftStage: string;
  readonly rightStage: string;
  /** From a left row's time to its release, without the lateness. */
  readonly waitMs: number;
  readonly latenessMs: number;
}

/** Tables of left rows that are not released yet, and of right rows that may count for one. */
const [LEFT, RIGHT] = ["kept_0", "kept_1"];

/** @throws JobRefused */
export async function intervalPlan(analysis: Analysis, join: IntervalJoin): Promise<CompiledPlan> {
  const { latenessMs, select, at } = analysis;
  const stage = (side: JoinSide): string =>
    stageOf(analysis, side.source, analysis.proof.joinsStage.has(side));
  const [leftStage, rightStage] = [stage(join.left), stage(join.right)];
  await checkTimes(analysis, { ...join.left, stage: leftStage }, at(join.left.sourceByte));
  await checkTimes(analysis, { ...join.right, stage: rightStage }, at(join.right.sourceByte));
  const sides: Sides = { join, leftStage, rightStage, waitMs: Math.max(join.highMs, 0), latenessMs };
  const outcome = (isWanted: string | null): string =>
    select.whole(
      [
        over(join.left, `(SELECT * FROM ${LEFT}${isWanted === null ? "" : ` WHERE ${isWanted}`})`),
        over(join.right, RIGHT),
        admission(sides),
      ],
      (name) => isBehind(analysis, name),
    );
  return {
    kind: "interval",
    pending: analysis.inputs.map((_, input) => pendingOf(analysis, sides, input)),
    state: [
      { name: LEFT, like: `SELECT * FROM (\n${leftStage}\n) LIMIT 0` },
      { name: RIGHT, like: `SELECT * FROM (\n${rightStage}\n) LIMIT 0` },
    ],
    prepare: [],
    absorb: absorb(sides),
    release: outcome(`${releaseOf(sides)} <= getvariable('release_to')`),
    corrections: corrections(sides),
    forget: [
      `DELETE FROM ${LEFT} WHERE ${releaseOf(sides)} <= getvariable('release_to')`,
      `DELETE FROM ${RIGHT} WHERE ${lastUseOf(sides)} <= getvariable('release_to')`,
    ],
    preview: outcome(null),
    batch: [],
    batchSelect: select.whole(inBatch(sides), () => true),
  };
}

/** When a left row is released. */
function releaseOf({ join, waitMs, latenessMs }: Sides, alias = ""): string {
  return `${alias}${quoteName(join.left.time)} + ${intervalOf(waitMs + latenessMs)}`;
}

/** When the last left row is released that a right row can count for. */
function lastUseOf({ join, waitMs, latenessMs }: Sides): string {
  return `${quoteName(join.right.time)} + ${intervalOf(waitMs - join.lowMs + latenessMs)}`;
}

function absorb(sides: Sides): readonly string[] {
  const { join, leftStage, rightStage } = sides;
  return [
    keep(LEFT, leftStage, join.left.time, releaseOf(sides)),
    keep(RIGHT, rightStage, join.right.time, lastUseOf(sides)),
  ];
}

/**
 * Stands before the join's own condition, which is a conjunction. Each side of the comparison asks one table alone, so
 * that the engine can hash by the key.
 */
function admission(sides: Sides): Replacement {
  const { left, right } = sides.join;
  const before = `coalesce(${quoteName(right.alias)}.watermark, TIMESTAMPTZ '-infinity')`;
  const by = `ON ${before} < ${releaseOf(sides, `${quoteName(left.alias)}.`)} AND`;
  return { byte: right.sourceByte, name: right.source, behind: "on", by };
}

function inBatch(sides: Sides): readonly Replacement[] {
  const { left } = sides.join;
  const source = quoteName(text(left.node, "table_name"));
  const isAdmitted = `${quoteName(left.time)} IS NOT NULL AND ${admitted(releaseOf(sides), 0)}`;
  return [over(left, `(SELECT * FROM ${source} WHERE ${isAdmitted})`), admission(sides)];
}

function plus(time: string, ms: number): string {
  return `${time} + ${intervalOf(ms)}`;
}

/**
 * Of a left row its interval; of a right row the times of the left rows that it is too late for, whether there are such
 * or not.
 */
function corrections({ join, leftStage, rightStage, waitMs, latenessMs }: Sides): readonly string[] {
  const { left, right, lowMs, highMs } = join;
  const [leftTime, rightTime] = [left.time, right.time].map((time) => `muara_stage.${quoteName(time)}`);
  const released = `muara_stage.watermark - ${intervalOf(waitMs + latenessMs)}`;
  const [first, last] = [plus(rightTime!, -highMs), plus(rightTime!, -lowMs)];
  return [
    correction(left.source, leftStage, {
      start: plus(leftTime!, lowMs),
      end: plus(leftTime!, highMs),
      isLate: `muara_stage.watermark >= ${plus(leftTime!, waitMs + latenessMs)}`,
    }),
    correction(right.source, rightStage, {
      start: first,
      end: `least(${last}, ${released})`,
      isLate: `${first} <= ${released}`,
    }),
  ];
}

/** Known where the join reads the table itself. It asks of the time alone, so that files are passed over. */
function pendingOf(analysis: Analysis, { join, waitMs, latenessMs }: Sides, input: number): string | null {
  const { inputs, proof } = analysis;
  if (isReadElsewhere(analysis, input)) return null;
  const own = [join.left, join.right].filter(
    (side) => !proof.joinsStage.has(side) && inputOf(inputs, side.source) === input,
  );
  const conditions = own.map((side) => {
    const keptMs = waitMs + latenessMs - (side === join.right ? join.lowMs : 0);
    return `${quoteName(side.time)} > getvariable('released_to') - ${intervalOf(keptMs)}`;
  });
  return conditions.join(" OR ") || null;
}
