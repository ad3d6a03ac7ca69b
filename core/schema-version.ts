/**
 * Versions of an event type's schema: `major.minor.patch`, as Nakadi counts them. Patch: words only. Minor: what was
 * valid stays valid. Major: everything else, for types that promise nothing.
 */

export type SchemaStepKind = "major" | "minor" | "patch";

export const FIRST_SCHEMA_VERSION = "1.0.0";

const VERSION = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})$/;

/** @returns undefined for what is no such version: then it says nothing about order */
export function parseSchemaVersion(text: string | undefined): readonly number[] | undefined {
  return VERSION.exec(text ?? "")
    ?.slice(1)
    .map(Number);
}

/** Whether `a` comes after `b`. False where either is no version. */
export function isNewerSchema(a: string | undefined, b: string | undefined): boolean {
  const [left, right] = [parseSchemaVersion(a), parseSchemaVersion(b)];
  if (!left || !right) return false;
  const at = left.findIndex((part, i) => part !== right[i]);
  return at >= 0 && left[at]! > right[at]!;
}

/** @param version what is no version counts as the first */
export function nextSchemaVersion(version: string | undefined, kind: SchemaStepKind): string {
  const [major, minor, patch] = parseSchemaVersion(version) ?? [1, 0, 0];
  if (kind === "major") return `${major! + 1}.0.0`;
  return kind === "minor" ? `${major}.${minor! + 1}.0` : `${major}.${minor}.${patch! + 1}`;
}
