/** One value of an answer as text. */

export function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  return value === null || value === undefined ? "NULL" : JSON.stringify(value);
}

export function isNumeric(type: string): boolean {
  return /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|DECIMAL)/.test(type);
}

export function isTime(type: string): boolean {
  return /^(?:TIMESTAMP|DATE)/.test(type);
}
