/**
 * Columns of a table as properties of its event type. Several shards, and the same table at other times, share one
 * type, so nothing that is declared is taken away or made narrower: a column whose values have another form than its
 * property goes on as `NAME__TYPE`, one that is text now as `NAME__text_2`.
 */
import { BESIDE_SUFFIX } from "../../core/change.ts";
import { DECIMAL_PRECISION_MAX } from "../../core/columns.ts";
import { joinedType } from "./joined-type.ts";
import { isSameValue } from "../ingest/same-schema.ts";

export type PropertySchema = Readonly<Record<string, unknown>>;
export type Properties = Readonly<Record<string, PropertySchema>>;

export interface TypedColumn {
  readonly name: string;
  /** As the source writes it: `numeric(12,2)`. */
  readonly typeName: string;
  readonly schema: PropertySchema;
}

export interface MergedProperties {
  readonly properties: Properties;
  /** Per column: its property. */
  readonly names: readonly string[];
  /** Whether a property was added or widened. */
  readonly isChanged: boolean;
}

/** @param mayWiden false: a property that would have to be widened is left as it is, and the column goes on beside */
export function mergeProperties(
  declared: Properties,
  columns: readonly TypedColumn[],
  mayWiden: boolean,
): MergedProperties {
  const properties: Record<string, PropertySchema> = { ...declared };
  const names: string[] = [];
  let isChanged = false;
  for (const column of columns) {
    for (const name of candidates(column)) {
      if (names.includes(name)) continue;
      const present = ownOf(properties, name);
      const schema = present ? union(present, column, mayWiden) : described(column);
      if (!schema) continue;
      if (schema !== present) isChanged = true;
      properties[name] = schema;
      names.push(name);
      break;
    }
  }
  return { properties, names, isChanged };
}

function ownOf(properties: Properties, name: string): PropertySchema | undefined {
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

function* candidates({ name, typeName }: TypedColumn): Generator<string> {
  yield name;
  const type = typeName.replaceAll(/[^A-Za-z0-9]+/g, "_").replace(/^_|_$/g, "");
  const other = `${name}__${type}`;
  // The texts of values that their column cannot hold stand there.
  if (!other.endsWith(BESIDE_SUFFIX)) yield other;
  for (let number = 2; ; number++) yield `${other}_${number}`;
}

function described({ schema, typeName }: TypedColumn): PropertySchema {
  return { ...schema, description: typeName };
}

/** What holds values of both; `present` itself where it does. */
function union(
  present: PropertySchema,
  { schema: wanted, typeName }: TypedColumn,
  mayWiden: boolean,
): PropertySchema | undefined {
  const { description, ...schema } = present;
  if (isSameValue(schema, wanted)) {
    const joined = typeof description === "string" ? joinedType(description, typeName) : description;
    return joined === description || !mayWiden ? present : { ...present, description: joined };
  }
  const [a, b] = [decimalOf(schema), decimalOf(wanted)];
  if (!a || !b) return undefined;
  const scale = Math.max(a.scale, b.scale);
  const precision = Math.max(a.precision - a.scale, b.precision - b.scale) + scale;
  if (precision === a.precision && scale === a.scale) return present;
  if (!mayWiden || precision > DECIMAL_PRECISION_MAX) return undefined;
  const type = `(${precision},${scale})`;
  return { ...wanted, format: `decimal${type}`, description: `numeric${type}` };
}

function decimalOf(
  schema: PropertySchema,
): { readonly precision: number; readonly scale: number } | undefined {
  const match = /^decimal\((\d+),(\d+)\)$/.exec((schema["format"] as string | undefined) ?? "");
  // A number that is a decimal has another JSON form.
  if (!match || ![schema["type"]].flat().includes("string")) return undefined;
  return { precision: Number(match[1]), scale: Number(match[2]) };
}
