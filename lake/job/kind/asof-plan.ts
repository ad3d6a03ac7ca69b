/**
 * The kind `asof`: to each left row the newest right row of its key as of the left row's time. A left row is released
 * at its own time and the lateness.
 *
 * A right row counts for a left row when it came before that one's release, so a right row that came late counts from
 * a later time on than its own: from when it `begins`. Right rows that others of the key outdo from their own beginning
 * on are never the newest. Without them the newest row is the one that began last, which is what the engine's join
 * finds. (Of two right rows of one time the later in the log is the newer.)
 */
import { ROW_ID_COLUMN } from "../../../core/job.ts";
import { quoteName } from "../../query/quote.ts";
import { inputOf, type Analysis } from "../analysis.ts";
import type { AsofJoin } from "../relation/asof-join.ts";
import type { JoinSide } from "../relation/join-side.ts";
import { checkTimes, correction, isBehind, isReadElsewhere, keep, over, stageOf } from "./kept-rows.ts";
import { admitted, intervalOf } from "./macros.ts";
import type { CompiledPlan } from "./compiled-plan.ts";
import type { Column } from "../planning-engine.ts";
import { JobRefused } from "../refusal.ts";
import type { Replacement } from "../select-text.ts";
import { text } from "../tree.ts";

interface Lookup {
  readonly join: AsofJoin;
  readonly latenessMs: number;
  /** Columns by which of two right rows one is the newer: its time, then its place. */
  readonly order: readonly string[];
}

/** Tables of left rows that are not released yet, and of right rows that may be the newest for one. */
const [LEFT, RIGHT] = ["kept_0", "kept_1"];
const MICROSECOND = "INTERVAL '1 microsecond'";
const PLACES = [["log_partition", "log_offset"], ["event_id"]];
/** Of results of another job. */
const RESULT_PLACES = [[ROW_ID_COLUMN]];
const WHOLE_NUMBER = /^(TINY|SMALL|BIG)?INT(EGER)?$/;

/** @throws JobRefused */
export async function asofPlan(analysis: Analysis, join: AsofJoin): Promise<CompiledPlan> {
  const { latenessMs, select, at, proof } = analysis;
  const stage = (side: JoinSide): string => stageOf(analysis, side.source, proof.joinsStage.has(side));
  const [leftStage, rightStage] = [stage(join.left), stage(join.right)];
  const [leftAt, rightAt] = [at(join.left.sourceByte), at(join.right.sourceByte)];
  const leftColumns = await checkTimes(analysis, { ...join.left, stage: leftStage }, leftAt);
  const rightColumns = await checkTimes(analysis, { ...join.right, stage: rightStage }, rightAt);
  checkKeys(join, leftColumns, rightColumns, rightAt);
  const order = [join.right.time, ...placeOf(analysis, join, rightColumns, rightAt)];
  const lookup: Lookup = { join, latenessMs, order };
  const released = `${releaseOf(lookup)} <= getvariable('release_to')`;
  const outcome = (isWanted: string): string => {
    const keys = `(SELECT ${columnsOf(join, "left")} FROM ${LEFT} WHERE ${isWanted})`;
    const right = `SELECT * FROM ${RIGHT} WHERE (${columnsOf(join, "right")}) IN ${keys}`;
    const changes = [
      over(join.left, `(SELECT * FROM ${LEFT} WHERE ${isWanted})`),
      over(join.right, `(${newest(lookup, right)})`),
      beginning(lookup),
    ];
    return select.whole(changes, (name) => isBehind(analysis, name));
  };
  return {
    kind: "asof",
    pending: analysis.inputs.map((_, input) => pendingOf(analysis, lookup, input)),
    state: [
      { name: LEFT, like: `SELECT * FROM (\n${leftStage}\n) LIMIT 0` },
      { name: RIGHT, like: `SELECT * FROM (\n${rightStage}\n) LIMIT 0` },
    ],
    prepare: [],
    absorb: [
      keep(LEFT, leftStage, join.left.time, releaseOf(lookup)),
      `INSERT INTO ${RIGHT} SELECT * FROM (\n${rightStage}\n) WHERE ${isKnown(join)}`,
    ],
    release: outcome(released),
    corrections: corrections(lookup, leftStage, rightStage),
    forget: [`DELETE FROM ${LEFT} WHERE ${released}`, forget(lookup)],
    preview: outcome("true"),
    batch: [],
    batchSelect: select.whole(inBatch(lookup), () => true),
  };
}

/** @throws JobRefused: values of two types may be equal without being the same */
function checkKeys(join: AsofJoin, left: readonly Column[], right: readonly Column[], place: number): void {
  for (const key of join.keys) {
    const [a, b] = [typeOf(left, key.left), typeOf(right, key.right)];
    if (a === b || (WHOLE_NUMBER.test(a) && WHOLE_NUMBER.test(b))) continue;
    throw new JobRefused(
      place,
      `${key.left} is of type ${a || "unknown"}, ${key.right} of type ${b || "unknown"}.`,
      `CAST(${key.right} AS ${a || "…"}) in a CTE before it`,
    );
  }
}

function typeOf(columns: readonly Column[], name: string): string {
  return columns.find((column) => column.name.toLowerCase() === name)?.type ?? "";
}

/** @throws JobRefused where right rows of one time have no order */
function placeOf(
  { proof, inputs }: Analysis,
  { right }: AsofJoin,
  columns: readonly Column[],
  place: number,
): readonly string[] {
  const isOfJob = inputs[inputOf(inputs, right.source) ?? -1]?.table.isOfJob === true;
  const own = isOfJob ? RESULT_PLACES : PLACES;
  const keys = proof.joinsStage.has(right) ? (proof.stages.get(right.source)?.keys ?? []) : own;
  const found = [...PLACES, ...RESULT_PLACES].find(
    (names) =>
      keys.some((key) => key.length === names.length && key.every((name) => names.includes(name))) &&
      names.every((name) => columns.some((column) => column.name.toLowerCase() === name)),
  );
  if (found) return found;
  throw new JobRefused(
    place,
    `Which of two rows of "${right.source}" of one time is the newer is not said.`,
    "SELECT log_partition, log_offset, … in the CTE",
  );
}

function columnsOf({ keys }: AsofJoin, side: "left" | "right"): string {
  return keys.map((key) => quoteName(key[side])).join(", ");
}

/** Whether a right row can be found at all. */
function isKnown({ right, keys }: AsofJoin): string {
  return [right.time, ...keys.map((key) => key.right)]
    .map((name) => `${quoteName(name)} IS NOT NULL`)
    .join(" AND ");
}

function releaseOf({ join, latenessMs }: Lookup): string {
  return `${quoteName(join.left.time)} + ${intervalOf(latenessMs)}`;
}

/** The earliest time of a left row for which a right row counts. */
function begins({ join, latenessMs }: Lookup, alias = ""): string {
  const time = `${alias}${quoteName(join.right.time)}`;
  const came = `${alias}watermark - ${intervalOf(latenessMs)}`;
  return join.isStrict ? `greatest(${time}, ${came})` : `greatest(${time}, ${came} + ${MICROSECOND})`;
}

/** @param right SELECT of rows; @returns those of them that are the newest when they begin */
function newest(lookup: Lookup, right: string): string {
  return `${right} QUALIFY ${isNewest(lookup, begins(lookup))}`;
}

function isNewest({ join, order }: Lookup, by: string): string {
  const row = `row(${order.map(quoteName).join(", ")})`;
  return `${row} = max(${row}) OVER (PARTITION BY ${columnsOf(join, "right")} ORDER BY ${by})`;
}

/** Only those rows are left that are the newest for a left row behind `release_to`. Keys with one row have it. */
function forget(lookup: Lookup): string {
  const keys = columnsOf(lookup.join, "right");
  const earliest = `getvariable('release_to') - ${intervalOf(lookup.latenessMs)}`;
  const by = `greatest(${begins(lookup)}, ${earliest}${lookup.join.isStrict ? "" : ` + ${MICROSECOND}`})`;
  const several = `SELECT ${keys} FROM ${RIGHT} GROUP BY ${keys} HAVING count(*) > 1`;
  return `DELETE FROM ${RIGHT} WHERE rowid IN (
    SELECT rowid FROM ${RIGHT} WHERE (${keys}) IN (${several}) QUALIFY NOT (${isNewest(lookup, by)}))`;
}

/** In the join's condition, in the place of the right row's time. */
function beginning(lookup: Lookup): Replacement {
  const { right, rightTimeByte } = lookup.join;
  const by = begins(lookup, `${quoteName(right.alias)}.`);
  return { byte: rightTimeByte, name: right.alias, tokens: 3, by };
}

function written({ node }: JoinSide): string {
  return quoteName(text(node, "table_name"));
}

function inBatch(lookup: Lookup): readonly Replacement[] {
  const { join } = lookup;
  const isAdmitted = `${quoteName(join.left.time)} IS NOT NULL AND ${admitted(releaseOf(lookup), 0)}`;
  return [
    over(join.left, `(SELECT * FROM ${written(join.left)} WHERE ${isAdmitted})`),
    over(join.right, `(${newest(lookup, `SELECT * FROM ${written(join.right)} WHERE ${isKnown(join)}`)})`),
    beginning(lookup),
  ];
}

/** Of a left row its time; of a right row the times of the left rows that it is too late for. */
function corrections({ join, latenessMs }: Lookup, leftStage: string, rightStage: string): readonly string[] {
  const { left, right } = join;
  const [start, time] = [left.time, right.time].map((name) => `muara_stage.${quoteName(name)}`);
  const end = `muara_stage.watermark - ${intervalOf(latenessMs)}`;
  return [
    correction(left.source, leftStage, { start: start!, end: start!, isLate: `${end} >= ${start}` }),
    correction(right.source, rightStage, { start: time!, end, isLate: `${end} >= ${time}` }),
  ];
}

/** A right row counts for good. */
function pendingOf(analysis: Analysis, { join, latenessMs }: Lookup, input: number): string | null {
  const { inputs, proof } = analysis;
  const isRead = (side: JoinSide): boolean =>
    !proof.joinsStage.has(side) && inputOf(inputs, side.source) === input;
  if (isReadElsewhere(analysis, input) || isRead(join.right) || !isRead(join.left)) return null;
  return `${quoteName(join.left.time)} > getvariable('released_to') - ${intervalOf(latenessMs)}`;
}
