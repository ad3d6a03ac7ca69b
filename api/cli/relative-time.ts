/** Times for people: how long ago, or in how long. */

const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];
const DAYS_MAX = 30;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;
/** Fields of answers that hold an instant of the house; times of events stay as they are. */
const TIME_FIELD = /(?:_at|_until|_through)$|^(?:created|watermark|since)$/;

/** @returns undefined where `value` is no instant, or its field holds none */
export function relativeTime(
  field: string,
  value: unknown,
  nowMs: number,
  isWide: boolean,
): string | undefined {
  if (typeof value !== "string" || !TIME_FIELD.test(field) || !INSTANT.test(value)) return undefined;
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) return undefined;
  const text = distance(ms - nowMs);
  if (isWide) return text === undefined ? value : `${value} (${text})`;
  return text ?? value;
}

/** @param ms from now; negative is past @returns undefined where it is further away than 30 days */
function distance(ms: number): string | undefined {
  const length = Math.abs(ms);
  if (length > DAYS_MAX * 86_400_000) return undefined;
  const [unit, size] = UNITS.find(([, least]) => length >= least) ?? ["s", 1_000];
  const count = Math.floor(length / size);
  if (count === 0) return "now";
  return ms < 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`;
}
