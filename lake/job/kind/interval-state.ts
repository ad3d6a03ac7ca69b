/**
 * What is kept where each row of one relation, the left one, waits for rows of another for a time: left rows until they
 * are released, right rows as long as a left row is to come that they can count for. A right row can count for a left
 * row when its time is within [left time + lowMs, left time + highMs], and came before that one's release.
 */
import { quoteName } from "../../query/quote.ts";
import { inputOf, type Analysis } from "../analysis.ts";
import { correction, isReadElsewhere, keep } from "./kept-rows.ts";
import { intervalOf } from "./macros.ts";
import type { CompiledPlan } from "./compiled-plan.ts";

export interface Spans {
  readonly left: Waiting;
  readonly right: Waiting;
  readonly lowMs: number;
  readonly highMs: number;
  /** From a left row's time to its release, without the lateness. */
  readonly waitMs: number;
  readonly latenessMs: number;
}

export interface Waiting {
  /** Table or CTE, lower case. */
  readonly source: string;
  readonly isStage: boolean;
  /** Column, lower case. */
  readonly time: string;
  /** SELECT over new rows. */
  readonly stage: string;
}

/** Tables of left rows that are not released yet, and of right rows that may count for one. */
export const LEFT = "kept_0";
export const RIGHT = "kept_1";

type Parts = Pick<CompiledPlan, "pending" | "state" | "absorb" | "corrections" | "forget">;

export function intervalState(analysis: Analysis, spans: Spans): Parts {
  const { left, right } = spans;
  const last = lastUseOf(spans);
  return {
    pending: analysis.inputs.map((_, input) => pendingOf(analysis, spans, input)),
    state: [
      { name: LEFT, like: `SELECT * FROM (\n${left.stage}\n) LIMIT 0` },
      { name: RIGHT, like: `SELECT * FROM (\n${right.stage}\n) LIMIT 0` },
    ],
    absorb: [keep(LEFT, left.stage, left.time, releaseOf(spans)), keep(RIGHT, right.stage, right.time, last)],
    corrections: corrections(spans),
    forget: [
      `DELETE FROM ${LEFT} WHERE ${releaseOf(spans)} <= getvariable('release_to')`,
      `DELETE FROM ${RIGHT} WHERE ${last} <= getvariable('release_to')`,
    ],
  };
}

/** When a left row is released. */
export function releaseOf({ left, waitMs, latenessMs }: Spans, alias = ""): string {
  return plus(`${alias}${quoteName(left.time)}`, waitMs + latenessMs);
}

/** When the last left row is released that a right row can count for. */
function lastUseOf({ right, lowMs, waitMs, latenessMs }: Spans): string {
  return plus(quoteName(right.time), waitMs - lowMs + latenessMs);
}

function plus(time: string, ms: number): string {
  return `${time} + ${intervalOf(ms)}`;
}

/**
 * Of a left row its interval; of a right row the times of the left rows that it is too late for, whether there are such
 * or not.
 */
function corrections({ left, right, lowMs, highMs, waitMs, latenessMs }: Spans): readonly string[] {
  const [leftTime, rightTime] = [left.time, right.time].map((time) => `muara_stage.${quoteName(time)}`);
  const released = `muara_stage.watermark - ${intervalOf(waitMs + latenessMs)}`;
  const [first, last] = [plus(rightTime!, -highMs), plus(rightTime!, -lowMs)];
  return [
    correction(left.source, left.stage, {
      start: plus(leftTime!, lowMs),
      end: plus(leftTime!, highMs),
      isLate: `muara_stage.watermark >= ${plus(leftTime!, waitMs + latenessMs)}`,
    }),
    correction(right.source, right.stage, {
      start: first,
      end: `least(${last}, ${released})`,
      isLate: `${first} <= ${released}`,
    }),
  ];
}

/** Known where rows are read of the table itself. It asks of the time alone, so that files are passed over. */
function pendingOf(
  analysis: Analysis,
  { left, right, lowMs, waitMs, latenessMs }: Spans,
  input: number,
): string | null {
  if (isReadElsewhere(analysis, input)) return null;
  const own = [left, right].filter(
    ({ isStage, source }) => !isStage && inputOf(analysis.inputs, source) === input,
  );
  const conditions = own.map((side) => {
    const keptMs = waitMs + latenessMs - (side === right ? lowMs : 0);
    return `${quoteName(side.time)} > getvariable('released_to') - ${intervalOf(keptMs)}`;
  });
  return conditions.join(" OR ") || null;
}
