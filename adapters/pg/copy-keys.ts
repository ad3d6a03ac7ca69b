/** From keys as records have them (core/change.ts) to texts that the source reads as the same values. */
import type { SourceBinding, ValueForm } from "../../core/ports/source.ts";

/** Of a form whose JSON the source does not read as it stands: what it would read. */
const TEXTS: Partial<Record<ValueForm, (value: string) => string>> = {
  bytes: (value) => (value.startsWith("\\x") ? value : `\\x${Buffer.from(value, "base64").toString("hex")}`),
};
const UNASKABLE: ReadonlySet<ValueForm> = new Set(["array", "json", "loose-json"]);

/** @returns undefined where one of the keys has no such text */
export function askableKeys(
  keys: readonly string[],
  { key, fields, keyScope }: SourceBinding,
): readonly (readonly string[])[] | undefined {
  const forms = key.map((i) => fields[i]!.form);
  if (forms.some((form) => UNASKABLE.has(form))) return undefined;
  const lists: string[][] = [];
  for (const text of keys) {
    const values = valuesOf(text, keyScope !== null);
    if (values?.length !== forms.length) return undefined;
    lists.push(values.map((value, at) => TEXTS[forms[at]!]?.(value) ?? value));
  }
  return lists;
}

/** Numbers are taken as they are written: some have more digits than JavaScript's. */
function valuesOf(key: string, hasScope: boolean): readonly string[] | undefined {
  const values = [...key.slice(1, -1).matchAll(/"(?:[^"\\]|\\.)*"|[^",]+/gs)].map(([value]) => value);
  const own = hasScope ? values.slice(1) : values;
  if (own.includes("null")) return undefined;
  return own.map((value) => (value.startsWith('"') ? (JSON.parse(value) as string) : value));
}
