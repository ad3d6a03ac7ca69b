/** A value of an answer as a label has it: what is null is not there; lists and objects are JSON. */
export function labelText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
