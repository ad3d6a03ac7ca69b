/**
 * What a job's engine is given: first what was there at the start, in slices of event time, then what comes. A table
 * without a column `event_time` (a job's results need none) is given as a whole with the first slice, and so is every
 * table where the job goes by another time.
 */
import { MuaraError } from "../../core/errors.ts";
import { HISTORY_DONE, type JobLimits, type JobPosition } from "../../core/job.ts";
import type { AddFile, TableMetadata } from "../../core/ports/table-log.ts";
import type { JobPlan } from "../../lake/job/plan.ts";
import { sqlColumns } from "../../lake/query/view.ts";
import type { EngineInput } from "./engine-orders.ts";
import { type HistorySlice, type InputFeed, type InputPlace, nextSlice } from "./job-feed.ts";
import type { LocalFiles } from "./local-files.ts";

export interface Next {
  readonly position: JobPosition;
  readonly inputs: readonly EngineInput[];
  readonly places: readonly InputPlace[];
}

export interface InputsAbout {
  readonly plan: JobPlan;
  readonly limits: JobLimits;
  /** [input] */
  readonly feeds: readonly InputFeed[];
  /** [input] as the engine reads it, without files. */
  readonly shapes: readonly EngineInput[];
  readonly files: LocalFiles;
}

export class JobInputs {
  readonly #about: InputsAbout;
  /** [input] whether its rows have an event time to cut by. */
  readonly #isTimed: readonly boolean[];
  #history: readonly (readonly AddFile[])[] | undefined;

  constructor(about: InputsAbout) {
    this.#about = about;
    this.#isTimed = about.shapes.map(
      ({ schemaString }, i) =>
        about.plan.goesByEventTime && isLanded(about.feeds[i]!) && hasEventTime(schemaString),
    );
  }

  /** @throws as `InputFeed.next` */
  async next(position: JobPosition): Promise<Next | "changed" | undefined> {
    if (position.historyUs !== HISTORY_DONE) return this.#nextOfHistory(position);
    const { feeds, limits, plan, shapes } = this.#about;
    const steps = await Promise.all(feeds.map((feed) => feed.next(limits)));
    const places = steps.map(({ to }) => to);
    if (places.every(({ version }, i) => version === feeds[i]!.place.version)) return undefined;
    const isChanged = places.some(({ metadata }, i) => {
      const { schemaString } = shapeOf(plan, i, metadata);
      return typesOf(plan, i, schemaString) !== typesOf(plan, i, shapes[i]!.schemaString);
    });
    if (isChanged) return "changed";
    const inputs = await this.#taken(
      steps.map(({ files }) => files),
      () => null,
    );
    return { inputs, places, position: positionAt(position, places, HISTORY_DONE, undefined) };
  }

  /** Rows up to a place that may still count for what is released behind it, for making state anew. */
  async pending({ historyUs, releasedUs }: JobPosition): Promise<readonly EngineInput[]> {
    const { plan, feeds } = this.#about;
    const needsRows = plan.state.length > 0 && historyUs !== undefined;
    const files = await Promise.all(feeds.map(async (feed) => (needsRows ? feed.whole() : [])));
    return this.#taken(files, (i) => {
      const pending = releasedUs === undefined ? null : plan.inputs[i]!.pending;
      const isWhole = historyUs === undefined || historyUs === HISTORY_DONE || !this.#isTimed[i];
      const until = isWhole ? null : notAfter(historyUs);
      return [pending, until].filter((one) => one !== null).join(") AND (") || null;
    });
  }

  /** The step is done. */
  moveTo(places: readonly InputPlace[]): void {
    this.#about.feeds.forEach((feed, i) => feed.moveTo(places[i]!));
  }

  async #nextOfHistory(position: JobPosition): Promise<Next> {
    const { feeds, limits } = this.#about;
    this.#history ??= await Promise.all(feeds.map((feed) => feed.whole()));
    const { historyUs } = position;
    const timed = this.#history.map((files, i) => (this.#isTimed[i] ? files : []));
    const slice = nextSlice(timed, historyUs, limits.step_rows);
    const files = slice.files.map((some, i) =>
      this.#isTimed[i] ? some : historyUs === undefined ? this.#history![i]! : [],
    );
    const condition = sliceCondition(historyUs, slice);
    const inputs = await this.#taken(files, (i) => (this.#isTimed[i] ? condition : null));
    const places = feeds.map(({ place }) => place);
    if (slice.untilUs === undefined) this.#history = undefined;
    const reached = positionAt(position, places, slice.untilUs ?? HISTORY_DONE, slice.untilUs);
    return { inputs, places, position: reached };
  }

  #taken(
    files: readonly (readonly AddFile[])[],
    where: (i: number) => string | null,
  ): Promise<readonly EngineInput[]> {
    const { shapes, plan } = this.#about;
    return Promise.all(
      shapes.map(async (shape, i) => {
        const local = await this.#about.files.take(plan.inputs[i]!.table, files[i]!);
        return { ...shape, files: local, where: where(i) };
      }),
    );
  }
}

/** @param untilUs of a slice of history: no further, whatever the watermarks are */
function positionAt(
  { releasedUs }: JobPosition,
  places: readonly InputPlace[],
  historyUs: bigint,
  untilUs: bigint | undefined,
): JobPosition {
  const versions = Object.fromEntries(places.map(({ metadata, version }) => [metadata.id, version]));
  const lowestUs = lowestWatermark(places);
  const reached = untilUs !== undefined && lowestUs !== undefined && untilUs < lowestUs ? untilUs : lowestUs;
  const isFurther = reached !== undefined && (releasedUs === undefined || reached > releasedUs);
  return { versions, historyUs, releasedUs: isFurther ? reached : releasedUs };
}

/** µs; undefined where an input has none yet. */
export function lowestWatermark(places: readonly InputPlace[]): bigint | undefined {
  const all = places.map(({ watermarkMs }) => watermarkMs);
  if (all.includes(undefined)) return undefined;
  return BigInt(Math.min(...(all as number[]))) * 1_000n;
}

/** @throws job.input_missing where the table lacks a column */
export function shapeOf(
  plan: JobPlan,
  i: number,
  { schemaString, partitionColumns }: Pick<TableMetadata, "schemaString" | "partitionColumns">,
): EngineInput {
  const { table, columns } = plan.inputs[i]!;
  const present = new Set(sqlColumns(schemaString).map(({ name }) => name));
  const missing = columns.find((name) => !present.has(name));
  if (missing !== undefined)
    throw new MuaraError("job.input_missing", `The table "${table}" has no column "${missing}".`, {
      details: { table, column: missing },
    });
  return { schemaString, partitionColumns, files: [], where: null };
}

function typesOf(plan: JobPlan, i: number, schemaString: string): string {
  const wanted = new Set(plan.inputs[i]!.columns);
  return JSON.stringify(sqlColumns(schemaString).filter(({ name }) => wanted.has(name)));
}

function hasEventTime(schemaString: string): boolean {
  return sqlColumns(schemaString).some(({ name }) => name === "event_time");
}

/** Windows over a job's results may go by another time than `event_time`: by that alone nothing is cut. */
function isLanded({ place }: InputFeed): boolean {
  return !place.isOfJob;
}

function sliceCondition(afterUs: bigint | undefined, { untilUs }: HistorySlice): string | null {
  const after = afterUs === undefined ? [] : [`event_time > make_timestamptz(${afterUs}::BIGINT)`];
  const until = untilUs === undefined ? [] : [notAfter(untilUs)];
  return [...after, ...until].join(" AND ") || null;
}

function notAfter(us: bigint): string {
  return `event_time <= make_timestamptz(${us}::BIGINT)`;
}
