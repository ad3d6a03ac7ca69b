/** Figures as people read them. All times are UTC; the reader's own time stands in the tip. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const DECIMAL = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const NONE = "–";

type Maybe = number | string | null | undefined;

/** 12,340 */
export function count(value: Maybe): string {
  return isNumber(value) ? WHOLE.format(Number(value)) : NONE;
}

/** 12.3K */
export function shortCount(value: Maybe): string {
  return isNumber(value) ? SHORT.format(Number(value)) : NONE;
}

/** 12,340.125, at most three digits behind the point */
export function decimal(value: Maybe): string {
  return isNumber(value) ? DECIMAL.format(Number(value)) : NONE;
}

/** Events a second: 0, 0.4, 38, 12,340. */
export function rate(perSecond: Maybe): string {
  if (!isNumber(perSecond)) return NONE;
  const value = Number(perSecond);
  return value > 0 && value < 10 ? String(Math.round(value * 10) / 10) : WHOLE.format(value);
}

/** 41 kB, 3.2 GB */
export function bytes(value: Maybe): string {
  if (!isNumber(value)) return NONE;
  let rest = Number(value);
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (rest < 1_000 || unit === "TB")
      return `${rest < 10 && unit !== "B" ? rest.toFixed(1) : WHOLE.format(rest)} ${unit}`;
    rest /= 1_000;
  }
  return NONE;
}

/** 240 ms, 1.4 s, 12 min, 3 h, 5 d */
export function duration(ms: Maybe): string {
  if (!isNumber(ms)) return NONE;
  const value = Math.max(0, Number(ms));
  if (value < 1_000) return `${Math.round(value)} ms`;
  if (value < 10_000) return `${(value / 1_000).toFixed(1)} s`;
  if (value < 120_000) return `${Math.round(value / 1_000)} s`;
  if (value < 7_200_000) return `${Math.round(value / 60_000)} min`;
  if (value < 172_800_000) return `${Math.round(value / 3_600_000)} h`;
  return `${Math.round(value / 86_400_000)} d`;
}

/** ISO text or ms → ms; undefined where there is no time. */
export function msOf(time: Maybe): number | undefined {
  if (time === null || time === undefined || time === "") return undefined;
  const ms =
    typeof time === "number" ? time : Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** 2026-11-22 10:41:07 */
export function utc(time: Maybe): string {
  const ms = msOf(time);
  return ms === undefined ? NONE : new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** 10:41:07 */
export function utcClock(time: Maybe): string {
  const ms = msOf(time);
  return ms === undefined ? NONE : new Date(ms).toISOString().slice(11, 19);
}

/** In the reader's zone, for tips. */
export function localTime(time: Maybe): string {
  const ms = msOf(time);
  return ms === undefined ? "" : new Date(ms).toLocaleString("en-GB", { timeZoneName: "short" });
}

function isNumber(value: Maybe): boolean {
  return value !== null && value !== undefined && value !== "" && Number.isFinite(Number(value));
}
