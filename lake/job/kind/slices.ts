/**
 * Windows that overlap share what lies between their edges: a slice (Carbone, Traub et al., "Cutty", CIKM 2016, and
 * Scotty, EDBT 2019; panes of two lengths: Krishnamurthy et al., SIGMOD 2006). State has, per slice and group, partial
 * aggregates in the place of rows; a window's aggregate is made of those of its slices.
 *
 * Slices begin where windows begin and where they end. A late row may count for later windows of its slice only: its
 * partials are kept apart by the end of the first window that admits it.
 *
 * A step's partials are appended as they are (`fresh_<i>`), and put together with the others (`kept_<i>`) when there
 * are many: of a slice only where what is new is a good part of it, so that each is written anew a few times in all.
 */
import { admitted, intervalOf, type MacroUse, windowEdge, windowStart } from "./macros.ts";
import type { JobCompaction } from "../plan.ts";
import type { SlicedSelect } from "./sliced-select.ts";
import type { WindowCall } from "../relation/window-call.ts";

export interface Slices {
  readonly call: WindowCall;
  readonly sliced: SlicedSelect;
  readonly latenessMs: number;
  /** SELECT that gives new rows of the source. */
  readonly stage: string;
  /** Of the tables' names. */
  readonly index: number;
}

/** Pieces of a slice are put together where at least one in so many is new. */
const NEW_SHARE = 4;

const keptTable = ({ index }: Slices): string => `kept_${index}`;
const freshTable = ({ index }: Slices): string => `fresh_${index}`;
const mergingTable = ({ index }: Slices): string => `merging_${index}`;

export function sliceTables(slices: Slices): readonly string[] {
  return [keptTable(slices), freshTable(slices), mergingTable(slices)];
}

/** Partials of new rows. Rows that no window admits any more, or that is to come, are left out. */
export function slicesOfNew({ call, sliced, latenessMs, stage }: Slices): string {
  const { stepMs, sizeMs } = call;
  const [step, size] = [intervalOf(stepMs), intervalOf(sizeMs)];
  const time = `"${call.time.replaceAll('"', '""')}"`;
  const rest = sizeMs % stepMs;
  const newest = windowStart(step, time);
  const edge =
    rest === 0
      ? newest
      : `greatest(${newest}, ${windowStart(step, `${time} - ${intervalOf(rest)}`)} + ${intervalOf(rest)})`;
  const last = `${newest} + ${size}`;
  const first = firstEnd(call, time);
  const admitting = firstEnd(call, `watermark - ${intervalOf(latenessMs)}`);
  const counts = `${admitted(last, latenessMs)} AND ${last} + ${intervalOf(latenessMs)} > getvariable('released_to')`;
  const columns = columnsOf(sliced).map(({ name, sql }) => `${sql} AS ${name}`);
  return `SELECT muara_slice, muara_from${columns.map((sql) => `, ${sql}`).join("")}
    FROM (SELECT *, ${edge} AS muara_slice, coalesce(greatest(${first}, ${admitting}), ${first}) AS muara_from
      FROM (\n${stage}\n) WHERE isfinite(${time}) AND ${counts}) AS "${sliced.alias.replaceAll('"', '""')}"
    ${sliced.where === null ? "" : `WHERE ${sliced.where}`} ${groupBy(sliced)}`;
}

/** A SELECT in the place of that of the job: over windows that are wanted. */
export function overSlices(slices: Slices, use: MacroUse): string {
  const { call, sliced } = slices;
  const groups = sliced.groups.map(({ name }) => `${name}, `).join("");
  const merged = sliced.splits.flatMap((split) => split.merged).map(({ name, sql }) => `, ${sql} AS ${name}`);
  const results = sliced.splits.map(({ result }, i) => `, ${result} AS muara_a${i}`);
  const aggregated = `SELECT ${groups}muara_start${merged.join("")}
    FROM (SELECT *, make_timestamptz(unnest(${windowsOf(slices, use)})) AS muara_start
      FROM (${wantedSlices(slices, use)})) GROUP BY ${groups}muara_start`;
  return `${sliced.head} FROM (SELECT ${groups}muara_start AS window_start,
    muara_start + ${intervalOf(call.sizeMs)} AS window_end${results.join("")} FROM (${aggregated})) AS muara_windows
    ${sliced.tail}`;
}

/** All that is kept, each slice's groups in one row. */
export function wholeSlices(slices: Slices): string {
  return `SELECT muara_slice, muara_from${mergedColumns(slices.sliced)}
    FROM (${allSlices(slices)}) ${groupBy(slices.sliced)}`;
}

export function absorbSlices(slices: Slices): string {
  return `INSERT INTO ${freshTable(slices)} ${slicesOfNew(slices)}`;
}

/** Slices of which no window is to come. The bound is a constant, so that whole blocks are passed over. */
export function forgetSlices(slices: Slices): readonly string[] {
  const { call, latenessMs } = slices;
  const step = intervalOf(call.stepMs);
  const past = `getvariable('release_to') - ${intervalOf(latenessMs + call.sizeMs)}`;
  return [keptTable(slices), freshTable(slices)].map(
    (table) => `DELETE FROM ${table} WHERE muara_slice < ${windowStart(step, past)} + ${step}`,
  );
}

/** Puts new pieces and old ones together; what is kept says the same before and after. */
export function compactSlices(slices: Slices): JobCompaction {
  const [kept, fresh, merging] = sliceTables(slices) as [string, string, string];
  const touched = `SELECT muara_slice FROM (${bySlice(fresh)}) AS f JOIN (${bySlice(kept)}) AS k USING (muara_slice)
    WHERE f.n * ${NEW_SHARE} >= k.n`;
  const statements = [
    `INSERT INTO ${merging} SELECT muara_slice, muara_from${mergedColumns(slices.sliced)}
      FROM (FROM ${fresh} UNION ALL FROM ${kept} WHERE muara_slice IN (${touched})) ${groupBy(slices.sliced)}`,
    `DELETE FROM ${kept} WHERE muara_slice IN (${touched})`,
    `INSERT INTO ${kept} FROM ${merging} ORDER BY muara_slice`,
    `DELETE FROM ${fresh}`,
    `DELETE FROM ${merging}`,
  ];
  return { pending: `SELECT count(*) FROM ${fresh}`, statements };
}

function bySlice(table: string): string {
  return `SELECT muara_slice, count(*) AS n FROM ${table} GROUP BY muara_slice`;
}

function allSlices(slices: Slices): string {
  return `FROM ${keptTable(slices)} UNION ALL FROM ${freshTable(slices)}`;
}

/**
 * Slices that lie in all windows which are released now, and are admitted to all, become one first: then a window that
 * is much longer than its step costs what its ends have.
 */
function wantedSlices(slices: Slices, use: MacroUse): string {
  if (use !== "job") return allSlices(slices);
  const { call, sliced, latenessMs } = slices;
  const [step, size] = [intervalOf(call.stepMs), intervalOf(call.sizeMs)];
  const first = firstEnd(call, `getvariable('released_to') - ${intervalOf(latenessMs)}`);
  const until = `getvariable('release_to') - ${intervalOf(latenessMs)}`;
  const lastStart = windowStart(step, `${until} - ${size}`);
  const isShared = `muara_slice >= ${lastStart} AND muara_slice < ${first} AND muara_from <= ${first}`;
  return `SELECT CASE WHEN ${isShared} THEN ${lastStart} ELSE muara_slice END AS muara_slice,
      CASE WHEN ${isShared} THEN ${first} ELSE muara_from END AS muara_from${mergedColumns(sliced)}
    FROM (${allSlices(slices)})
    WHERE muara_slice < ${until} AND ${first} <= ${until} ${groupBy(sliced)}`;
}

/** Starts of the windows in which a slice lies, that admit it and are wanted: a list of µs. */
function windowsOf({ call, latenessMs }: Slices, use: MacroUse): string {
  const edge = windowEdge(intervalOf(call.stepMs), intervalOf(call.sizeMs), latenessMs, use);
  return edge("muara_slice", `epoch_us(muara_from - ${intervalOf(call.sizeMs)})`);
}

/** End of the first window that ends behind a time; SQL. */
function firstEnd({ stepMs, sizeMs }: WindowCall, time: string): string {
  const [step, size] = [intervalOf(stepMs), intervalOf(sizeMs)];
  return `${windowStart(step, `${time} - ${size}`)} + ${step} + ${size}`;
}

interface SliceColumn {
  readonly name: string;
  readonly sql: string;
  readonly merge: string | null;
}

/** Behind slice and first window: those that pieces are cut by come first. */
function columnsOf({ groups, partials }: SlicedSelect): readonly SliceColumn[] {
  const keys = partials.filter(({ merge }) => merge === null);
  const others = partials.filter(({ merge }) => merge !== null);
  return [...groups.map((group) => ({ ...group, merge: null })), ...keys, ...others];
}

function mergedColumns(sliced: SlicedSelect): string {
  return columnsOf(sliced)
    .map(({ name, merge }) => `, ${merge === null ? name : `${merge} AS ${name}`}`)
    .join("");
}

function groupBy(sliced: SlicedSelect): string {
  const keys = columnsOf(sliced).filter(({ merge }) => merge === null);
  return `GROUP BY ${["1", "2", ...keys.map((_, i) => String(i + 3))].join(", ")}`;
}
