/**
 * The kind `interval`: two tables joined by how far apart in time their rows are. A left row is released, with all that
 * it is joined with or with its absence, when no right row can come any more that counts for it: at the upper bound of
 * its interval (at its own time where that bound lies before it) and the lateness. The text runs as it stands but for
 * what the join reads: of the left side the rows that are released, and in its condition the admission of the right
 * row, which depends on both.
 */
import { quoteName } from "../../query/quote.ts";
import type { Analysis } from "../analysis.ts";
import type { IntervalJoin } from "../relation/interval-join.ts";
import { intervalState, LEFT, releaseOf, RIGHT, type Spans, type Waiting } from "./interval-state.ts";
import type { JoinSide } from "../relation/join-side.ts";
import { checkTimes, isBehind, over, stageOf } from "./kept-rows.ts";
import { admitted } from "./macros.ts";
import type { CompiledPlan } from "./compiled-plan.ts";
import type { Replacement } from "../select-text.ts";
import { text } from "../tree.ts";

/** @throws JobRefused */
export async function intervalPlan(analysis: Analysis, join: IntervalJoin): Promise<CompiledPlan> {
  const { latenessMs, select } = analysis;
  const [left, right] = [await waiting(analysis, join.left), await waiting(analysis, join.right)];
  const { lowMs, highMs } = join;
  const spans: Spans = { left, right, lowMs, highMs, waitMs: Math.max(highMs, 0), latenessMs };
  const outcome = (isWanted: string): string =>
    select.whole(
      [
        over(join.left, `(SELECT * FROM ${LEFT} WHERE ${isWanted})`),
        over(join.right, RIGHT),
        admission(join, spans),
      ],
      (name) => isBehind(analysis, name),
    );
  return {
    kind: "interval",
    ...intervalState(analysis, spans),
    prepare: [],
    release: outcome(`${releaseOf(spans)} <= getvariable('release_to')`),
    preview: outcome("true"),
    batch: [],
    batchSelect: select.whole(inBatch(join, spans), () => true),
  };
}

async function waiting(analysis: Analysis, side: JoinSide): Promise<Waiting> {
  const { source, sourceByte, time } = side;
  const isStage = analysis.proof.joinsStage.has(side);
  const stage = stageOf(analysis, source, isStage);
  await checkTimes(analysis, { source, time, stage }, analysis.at(sourceByte));
  return { source, isStage, time, stage };
}

/**
 * Stands before the join's own condition, which is a conjunction. Each side of the comparison asks one table alone, so
 * that the engine can hash by the key.
 */
function admission({ left, right }: IntervalJoin, spans: Spans): Replacement {
  const before = `coalesce(${quoteName(right.alias)}.watermark, TIMESTAMPTZ '-infinity')`;
  const by = `ON ${before} < ${releaseOf(spans, `${quoteName(left.alias)}.`)} AND`;
  return { byte: right.sourceByte, name: right.source, behind: "on", by };
}

function inBatch(join: IntervalJoin, spans: Spans): readonly Replacement[] {
  const { left } = join;
  const source = quoteName(text(left.node, "table_name"));
  const isAdmitted = `${quoteName(left.time)} IS NOT NULL AND ${admitted(releaseOf(spans), 0)}`;
  return [over(left, `(SELECT * FROM ${source} WHERE ${isAdmitted})`), admission(join, spans)];
}
