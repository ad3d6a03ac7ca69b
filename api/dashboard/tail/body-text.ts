/** What an event tells of itself, for one line: its own fields, not the metadata that all events have. */

/** Members of `metadata` with objects of their own, or texts with braces, are left as they are. */
const METADATA = /^\s*\{\s*"metadata"\s*:\s*\{[^{}]*\}\s*,\s*/;

/** @param payload as published, maybe cut; digits and order stay as they are */
export function bodyText(payload: string): string {
  return payload.replace(METADATA, "{");
}
