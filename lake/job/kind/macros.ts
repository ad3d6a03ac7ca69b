/**
 * TUMBLE, HOP, SESSION and DEDUP as table macros: in a batch every window of the rows that are admitted, in a job's
 * engine only the windows that are being released. Windows begin at multiples of their step since 1970 UTC, as Flink's
 * do.
 *
 * A row is admitted to a window when the watermark of its table before its commit was less than the window's end and
 * the allowed lateness; to a session, whose end is not known, and to DEDUP, when it was less than its own time and the
 * lateness. So no row that comes later can be near enough to a released session to belong to it.
 */
export const WINDOW_MACROS = ["tumble", "hop", "session", "dedup"] as const;
export type WindowMacro = (typeof WINDOW_MACROS)[number];

/** At most so many columns can be the key of a session, or of DEDUP. */
export const SESSION_KEYS_MAX = 4;

/** `job`: the windows to be released; `preview`: all that are not yet; `batch`: all. */
export type MacroUse = "job" | "preview" | "batch";

const ORIGIN = "TIMESTAMPTZ '1970-01-01 00:00:00+00'";

export function macroName(macro: string, use: MacroUse): string {
  return use === "preview" ? `${macro}_preview` : macro;
}

/** Start of the window of that size in which a time lies; all are SQL. */
export function windowStart(size: string, time: string): string {
  return `time_bucket(${size}, ${time}, ${ORIGIN})`;
}

export function intervalOf(ms: number): string {
  return `INTERVAL '${ms} milliseconds'`;
}

/** Whether a row counts for what ends at `end`. */
export function admitted(end: string, latenessMs: number, watermark = "watermark"): string {
  return `coalesce(${watermark} < ${end} + ${intervalOf(latenessMs)}, true)`;
}

/**
 * Starts of the windows of HOP in which a time lies, that admit it and are wanted: a list, in µs. All of it are bounds
 * of one range, so that a row costs what it gives. (`greatest` and `least` pass over NULL, which infinite times
 * become.)
 * @returns of a time, and of the lowest start that admits it in µs; all are SQL
 */
export function windowEdge(
  step: string,
  size: string,
  latenessMs: number,
  use: MacroUse,
): (time: string, admittedFrom: string) => string {
  const lowest: string[] = [];
  const highest: string[] = [];
  if (use !== "batch")
    lowest.push(
      startAfter(
        step,
        beforeEnd(`getvariable('${use === "job" ? "released_to" : "release_to"}')`, latenessMs, size),
      ),
    );
  if (use === "job") highest.push(`epoch_us(${beforeEnd("getvariable('release_to')", latenessMs, size)})`);
  return (time, admittedFrom) => {
    const from = [startAfter(step, `${time} - ${size}`), admittedFrom, ...lowest].join(", ");
    return `range(greatest(${from}), least(${[`epoch_us(${time})`, ...highest].join(", ")}) + 1, epoch_us(${step}))`;
  };
}

/** The start of a window that is final at `end`. */
function beforeEnd(end: string, latenessMs: number, size: string): string {
  return `${end} - ${intervalOf(latenessMs)} - ${size}`;
}

/** The first start of a window behind a time, µs. */
function startAfter(step: string, time: string): string {
  return `epoch_us(${windowStart(step, time)} + ${step})`;
}

function hopStarts(step: string, size: string, time: string, latenessMs: number, use: MacroUse): string {
  const admittedFrom = startAfter(step, beforeEnd("watermark", latenessMs, size));
  return windowEdge(step, size, latenessMs, use)(time, admittedFrom);
}

/** Whether what ends at `end` is wanted. */
export function wanted(end: string, latenessMs: number, use: MacroUse): string {
  const released = `${end} + ${intervalOf(latenessMs)}`;
  if (use === "batch") return "true";
  if (use === "preview") return `${released} > getvariable('release_to')`;
  return `${released} > getvariable('released_to') AND ${released} <= getvariable('release_to')`;
}

export function windowMacros(latenessMs: number, use: MacroUse): readonly string[] {
  const wants = wanted("window_end", latenessMs, use);
  const admits = admitted("window_end", latenessMs);
  const make = (macro: WindowMacro, parameters: string, body: string): string =>
    `CREATE OR REPLACE TEMP MACRO ${macroName(macro, use)}(${parameters}) AS TABLE ${body}`;
  // As a bound of HOP's range an infinite time is none: before the first watermark nothing may be released.
  const begun = use === "job" ? " AND getvariable('release_to') > TIMESTAMPTZ '-infinity'" : "";
  const keys = Array.from({ length: SESSION_KEYS_MAX }, (_, i) => `muara_key_${i}`);
  return [
    make(
      "tumble",
      "muara_rows, muara_time, muara_size",
      `SELECT * FROM (
        SELECT *, ${windowStart("muara_size", "muara_time")} AS window_start,
          ${windowStart("muara_size", "muara_time")} + muara_size AS window_end
        FROM query_table(muara_rows) WHERE muara_time IS NOT NULL)
      WHERE ${admits} AND ${wants}`,
    ),
    make(
      "hop",
      "muara_rows, muara_time, muara_step, muara_size",
      `SELECT *, window_start + muara_size AS window_end FROM (
        SELECT *, make_timestamptz(unnest(
          ${hopStarts("muara_step", "muara_size", "muara_time", latenessMs, use)})) AS window_start
        FROM query_table(muara_rows) WHERE muara_time IS NOT NULL${begun})`,
    ),
    make(
      "session",
      ["muara_rows", "muara_time", "muara_gap", ...keys.map((key) => `${key} := NULL`)].join(", "),
      `SELECT * FROM (${sessions("query_table(muara_rows)", "muara_time", "muara_gap", keys, latenessMs)})
      WHERE ${wants}`,
    ),
    make(
      "dedup",
      ["muara_rows", "muara_time", "muara_horizon", ...keys.map((key) => `${key} := NULL`)].join(", "),
      firsts(keys, latenessMs, use),
    ),
  ];
}

/**
 * Rows of which none of the same key lies within the horizon before them, by time and then by event_id: whether a row
 * is one follows from what is not later than it, so that it is released by its own time. A row that is none counts,
 * too: a key that comes again and again is told once. In a job only keys that have a row to be released are looked at.
 */
function firsts(keys: readonly string[], latenessMs: number, use: MacroUse): string {
  const own = `struct_pack(${keys.map((key, i) => `k${i} := ${key}`).join(", ")})`;
  const wants = wanted("muara_time", latenessMs, use);
  const sought =
    use === "batch" ? "" : ` AND ${own} IN (SELECT ${own} FROM query_table(muara_rows) WHERE ${wants})`;
  return `SELECT * EXCLUDE (muara_before) FROM (
      SELECT *, lag(muara_time) OVER (PARTITION BY ${keys.join(", ")} ORDER BY muara_time, event_id) AS muara_before
      FROM query_table(muara_rows)
      WHERE muara_time IS NOT NULL AND ${admitted("muara_time", latenessMs)}${sought})
    WHERE coalesce(muara_before < muara_time - muara_horizon, true) AND ${wants}`;
}

/**
 * Rows with the bounds of their session. Rows of one time are of one session, whatever their order.
 * @param extra further columns of `rows` that `*` does not have
 */
export function sessions(
  rows: string,
  time: string,
  gap: string,
  keys: readonly string[],
  latenessMs: number,
  extra = "",
): string {
  const by = keys.length > 0 ? keys.join(", ") : "NULL";
  return `SELECT * EXCLUDE (muara_begins, muara_run),
      min(${time}) OVER (PARTITION BY ${by}, muara_run) AS window_start,
      max(${time}) OVER (PARTITION BY ${by}, muara_run) + ${gap} AS window_end
    FROM (SELECT *, sum(muara_begins) OVER (PARTITION BY ${by} ORDER BY ${time}) AS muara_run
      FROM (SELECT *${extra}, CASE WHEN ${time} <= lag(${time}) OVER (PARTITION BY ${by} ORDER BY ${time}) + ${gap}
          THEN 0 ELSE 1 END AS muara_begins
        FROM ${rows} WHERE ${time} IS NOT NULL AND ${admitted(time, latenessMs)}))`;
}
