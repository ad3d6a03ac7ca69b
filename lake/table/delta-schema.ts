/**
 * The schema of a Delta table: a struct of fields, as JSON text in the table's metadata (PROTOCOL.md, "Schema
 * Serialization Format"). Only types that every reader knows; `timestamp` is UTC microseconds, `timestamp_ntz`
 * would need a table feature.
 */
import { MuaraError } from "../../core/errors.ts";
import { corrupt, type Fields, isFields, textField } from "./json-fields.ts";

const PRIMITIVES = [
  "string",
  "long",
  "integer",
  "short",
  "byte",
  "float",
  "double",
  "boolean",
  "binary",
  "date",
  "timestamp",
] as const;

export type DeltaDecimal = `decimal(${number},${number})`;
export type DeltaPrimitive = (typeof PRIMITIVES)[number] | DeltaDecimal;
export type DeltaType = DeltaPrimitive | DeltaStruct | DeltaArray | DeltaMap;

export interface DeltaStruct {
  readonly type: "struct";
  readonly fields: readonly DeltaField[];
}

export interface DeltaArray {
  readonly type: "array";
  readonly elementType: DeltaType;
  readonly containsNull: boolean;
}

/** Only read: Muara writes none. */
export interface DeltaMap {
  readonly type: "map";
  readonly keyType: DeltaType;
  readonly valueType: DeltaType;
  readonly valueContainsNull: boolean;
}

export interface DeltaField {
  readonly name: string;
  readonly type: DeltaType;
  readonly nullable: boolean;
  /** Annotations, JSON-ready; Spark shows `comment`. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export function struct(...fields: readonly DeltaField[]): DeltaStruct {
  return { type: "struct", fields };
}

export function field(
  name: string,
  type: DeltaType,
  metadata: Readonly<Record<string, unknown>> = {},
): DeltaField {
  return { name, type, nullable: true, metadata };
}

export function arrayOf(elementType: DeltaType): DeltaArray {
  return { type: "array", elementType, containsNull: true };
}

/** @param precision digits in all, 1 to 38 @param scale digits after the point, 0 to `precision` */
export function decimal(precision: number, scale: number): DeltaDecimal {
  const isWhole = Number.isInteger(precision) && Number.isInteger(scale);
  if (!isWhole || precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    throw new MuaraError("table.unsupported", `no Delta type decimal(${precision},${scale})`);
  }
  return `decimal(${precision},${scale})`;
}

/** @returns undefined for any other type */
export function decimalParts(
  type: DeltaType,
): { readonly precision: number; readonly scale: number } | undefined {
  const match = typeof type === "string" ? /^decimal\((\d{1,2}),(\d{1,2})\)$/.exec(type) : null;
  return match ? { precision: Number(match[1]), scale: Number(match[2]) } : undefined;
}

export function formatSchema(schema: DeltaStruct): string {
  return JSON.stringify(schema);
}

/** @throws table.corrupt, table.unsupported for a type outside of the list above */
export function parseSchema(schemaString: string): DeltaStruct {
  let parsed: unknown;
  try {
    parsed = JSON.parse(schemaString);
  } catch (error) {
    throw corrupt("the table's schema is no JSON", error);
  }
  const type = parseType(parsed);
  if (typeof type === "string" || type.type !== "struct") throw corrupt("the table's schema is no struct");
  return type;
}

function parseType(value: unknown): DeltaType {
  if (typeof value === "string") return parsePrimitive(value);
  if (!isFields(value)) throw corrupt("a type in the table's schema is neither a name nor an object");
  switch (value["type"]) {
    case "struct": {
      const fields: unknown = value["fields"];
      if (!Array.isArray(fields)) throw corrupt("a struct in the table's schema has no fields");
      return { type: "struct", fields: fields.map(parseField) };
    }
    case "array":
      return {
        type: "array",
        elementType: parseType(value["elementType"]),
        containsNull: value["containsNull"] !== false,
      };
    case "map":
      return {
        type: "map",
        keyType: parseType(value["keyType"]),
        valueType: parseType(value["valueType"]),
        valueContainsNull: value["valueContainsNull"] !== false,
      };
    default:
      throw unsupported(String(value["type"]));
  }
}

function parseField(value: unknown): DeltaField {
  if (!isFields(value)) throw corrupt("a field in the table's schema is no object");
  const metadata: Fields = isFields(value["metadata"]) ? value["metadata"] : {};
  return {
    name: textField(value, "name"),
    type: parseType(value["type"]),
    nullable: value["nullable"] !== false,
    metadata,
  };
}

function parsePrimitive(name: string): DeltaPrimitive {
  const match = /^decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$/.exec(name);
  if (match) return decimal(Number(match[1]), Number(match[2]));
  const primitive = PRIMITIVES.find((known) => known === name);
  if (primitive === undefined) throw unsupported(name);
  return primitive;
}

function unsupported(type: string): MuaraError {
  return new MuaraError("table.unsupported", `the table's schema has the type ${type}`, {
    details: { type },
  });
}
