/**
 * RFC 3339 date-times, independently: a regular expression, then Date for the calendar. A space may stand for the T; a
 * leap second, where UTC has one, is the second after it; years are 0001 to 9999 in UTC.
 */

export interface TimeModel {
  readonly us: bigint;
  readonly isCut: boolean;
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;
const PATTERN =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

export function parseTimeModel(text: string): TimeModel | null {
  const match = PATTERN.exec(text);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const isLeap = second === 60;
  if (hour > 23 || minute > 59 || second > 60 || year === 0) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day)
    return null;
  const zoneHours = Number(match[9] ?? 0);
  const zoneMinutes = Number(match[10] ?? 0);
  if (zoneHours > 23 || zoneMinutes > 59) return null;
  const eastMinutes = (match[8] === "-" ? -1 : 1) * (zoneHours * 60 + zoneMinutes);
  date.setUTCHours(hour, minute - eastMinutes, second, 0);
  if (isLeap && date.getTime() % 86_400_000 !== 0) return null;
  const seconds = date.getTime() / 1000;
  if (seconds < SECONDS_MIN || seconds > SECONDS_MAX) return null;
  const digits = isLeap ? "" : (match[7] ?? "");
  const micros = BigInt(digits.padEnd(6, "0").slice(0, 6));
  return {
    us: BigInt(date.getTime()) * 1000n + micros,
    isCut: isLeap || /[1-9]/.test(digits.slice(6)),
  };
}
