/**
 * What a new schema of an event type asks of its lake table, which has the columns of all schemas before it: a column
 * stays for ever, so a field that went may come back only as what it was. The door has no lake; it works out the
 * columns from the schemas alone.
 */
import { hasCode } from "../../core/errors.ts";
import { type Column, type ColumnType, planColumns } from "../../core/columns.ts";
import type { EventType } from "../../core/event-type.ts";
import { type ImpossibleStep, evolveSchema } from "../../lake/table/evolve-schema.ts";
import { deltaSchemaOf } from "../../lake/parquet/delta-type.ts";
import type { SchemaChange } from "./schema-changes.ts";

export interface ColumnChanges {
  /** Paths such as `place.city`. */
  readonly added: readonly string[];
  /** Their table is written anew. */
  readonly widened: readonly string[];
  readonly impossible: readonly SchemaChange[];
}

/** @param versions of one event type, oldest first @param after the one that is to be declared */
export function compareColumns(versions: readonly EventType[], after: EventType): ColumnChanges {
  let present = deltaSchemaOf([]);
  const seen: Column[][] = [];
  for (const version of versions) {
    const { columns } = planColumns(version);
    seen.push([...columns]);
    present = evolveSchema(present, deltaSchemaOf(columns))?.schema ?? present;
  }
  const { columns } = planColumns(after);
  const texts = seen.flatMap((earlier) => elementTexts(earlier, columns, ""));
  try {
    const step = evolveSchema(present, deltaSchemaOf(columns));
    const impossible = texts.map(impossibleChange);
    return { added: step?.added ?? [], widened: step?.widened ?? [], impossible };
  } catch (error) {
    if (!hasCode(error, "table.unsupported")) throw error;
    const steps = (error.details["changes"] ?? []) as readonly ImpossibleStep[];
    return { added: [], widened: [], impossible: [...steps, ...texts].map(impossibleChange) };
  }
}

function impossibleChange({ path, present, wanted }: ImpossibleStep): SchemaChange {
  const isNumber = ["long", "double"].includes(wanted) && /^(?:long|decimal)/.test(present);
  const hint = isNumber ? '; declare a "number" of the format decimal(precision,scale)' : "";
  return {
    field: path,
    keyword: "column",
    old: present,
    new: wanted,
    kind: "incompatible",
    reason: `the table's column is ${present} and cannot become ${wanted}${hint}`,
  };
}

/** Elements of lists that turn from text to JSON text or back, which a Delta schema does not tell apart. */
function elementTexts(before: readonly Column[], after: readonly Column[], prefix: string): ImpossibleStep[] {
  const byName = new Map(after.map((column) => [column.name, column]));
  return before.flatMap(({ name, type }) => {
    const other = byName.get(name);
    return other ? textsIn(type, other.type, prefix + name) : [];
  });
}

function textsIn(before: ColumnType, after: ColumnType, path: string): ImpossibleStep[] {
  if (before.kind === "struct" && after.kind === "struct")
    return elementTexts(before.fields, after.fields, `${path}.`);
  if (before.kind !== "list" || after.kind !== "list") return [];
  const [present, wanted] = [textOf(before.element), textOf(after.element)];
  if (present && wanted && present !== wanted) return [{ path: `${path}[]`, present, wanted, text: path }];
  return textsIn(before.element, after.element, `${path}[]`);
}

function textOf({ kind }: ColumnType): string | undefined {
  if (kind === "json") return "JSON text";
  return kind === "string" ? "text" : undefined;
}
