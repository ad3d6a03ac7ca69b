/**
 * Offsets as Nakadi writes them: `001-<timeline, 4 hex digits>-<offset, 18 digits>`. Muara has one timeline, 0001, for
 * ever. A cursor is exclusive: it names the last record that was read, so before the first one it is -1, written
 * `001-0001--1`.
 */
const WIDTH = 18;
const PREFIX = "001-0001-";
const WRITTEN = /^001-[0-9a-f]{4}-(-1|\d{1,18})$/i;
const BARE = /^(-1|\d{1,18})$/;

/** @param offset of the last record read, ≥ -1 */
export function offsetText(offset: number): string {
  return PREFIX + (offset < 0 ? "-1" : String(offset).padStart(WIDTH, "0"));
}

/**
 * @param start the oldest offset that can still be read, for `BEGIN`
 * @returns offset of the last record read, ≥ -1; undefined for what is no offset
 */
export function parseOffset(text: string, start: number): number | undefined {
  if (text === "BEGIN" || text === "begin") return start - 1;
  const digits = (WRITTEN.exec(text) ?? BARE.exec(text))?.[1];
  if (digits === undefined) return undefined;
  const offset = Number(digits);
  return Number.isSafeInteger(offset) ? offset : undefined;
}

/** As in a path or a body: `0`, `17`. @returns undefined for what is no partition's name */
export function parsePartition(text: string): number | undefined {
  return /^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined;
}
