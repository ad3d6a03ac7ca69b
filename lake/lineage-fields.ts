/** A table's columns for lineage, from its Delta schema. */
import type { LineageField } from "../core/ports/lineage.ts";

interface Struct {
  readonly fields: readonly { readonly name: string; readonly type: unknown }[];
}

/** Types in Delta's words; nested ones as JSON. */
export function lineageFields(schemaString: string): readonly LineageField[] {
  return (JSON.parse(schemaString) as Struct).fields.map(({ name, type }) => ({
    name,
    type: typeof type === "string" ? type : JSON.stringify(type),
  }));
}
