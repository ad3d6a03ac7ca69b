/**
 * The schema of a Delta table as Iceberg has it (Iceberg table specification v2, "Schemas and Data Types" and "Column
 * Projection"). Our Parquet files have no field ids, so a name mapping says which column is which field: ids are
 * numbers of this one snapshot, given out from the top down, and mean nothing beyond it.
 *
 * Structs without fields are left out: no Parquet file has them, and what such objects held is in `extra`.
 */
import { MuaraError } from "../../core/errors.ts";
import { decimalParts, type DeltaField, type DeltaStruct, type DeltaType } from "../table/delta-schema.ts";

export type IcebergType = string | IcebergStruct | IcebergList | IcebergMap;

export interface IcebergStruct {
  readonly type: "struct";
  readonly fields: readonly IcebergField[];
}
export interface IcebergField {
  readonly id: number;
  readonly name: string;
  readonly required: false;
  readonly type: IcebergType;
  readonly doc?: string;
}
interface IcebergList {
  readonly type: "list";
  readonly "element-id": number;
  readonly element: IcebergType;
  readonly "element-required": false;
}
interface IcebergMap {
  readonly type: "map";
  readonly "key-id": number;
  readonly key: IcebergType;
  readonly "value-id": number;
  readonly value: IcebergType;
  readonly "value-required": false;
}

export interface MappedName {
  readonly "field-id": number;
  readonly names: readonly string[];
  readonly fields?: readonly MappedName[];
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: "string",
  long: "long",
  integer: "int",
  short: "int",
  byte: "int",
  float: "float",
  double: "double",
  boolean: "boolean",
  binary: "binary",
  date: "date",
  timestamp: "timestamptz",
};

/** @returns the schema and the highest id in it @throws table.unsupported */
export function icebergSchema(schema: DeltaStruct): { struct: IcebergStruct; lastId: number } {
  const ids = new Ids();
  return { struct: ids.struct(schema), lastId: ids.last };
}

class Ids {
  last = 0;

  struct({ fields }: DeltaStruct): IcebergStruct {
    const kept = fields.filter(({ type }) => !isEmpty(type));
    // All of a level first, as Iceberg's own writers do.
    const ids = kept.map(() => ++this.last);
    return { type: "struct", fields: kept.map((field, i) => this.#field(field, ids[i]!)) };
  }

  #field({ name, type, metadata }: DeltaField, id: number): IcebergField {
    const { comment } = metadata;
    const doc = typeof comment === "string" ? { doc: comment } : {};
    return { id, name, required: false, type: this.#type(type), ...doc };
  }

  #type(type: DeltaType): IcebergType {
    if (typeof type === "string") return primitive(type);
    if (type.type === "struct") return this.struct(type);
    if (type.type === "array") {
      const id = ++this.last;
      return {
        type: "list",
        "element-id": id,
        element: this.#type(type.elementType),
        "element-required": false,
      };
    }
    const [keyId, valueId] = [++this.last, ++this.last];
    return {
      type: "map",
      "key-id": keyId,
      key: this.#type(type.keyType),
      "value-id": valueId,
      value: this.#type(type.valueType),
      "value-required": false,
    };
  }
}

function primitive(type: string & DeltaType): string {
  const decimal = decimalParts(type);
  const known = decimal ? `decimal(${decimal.precision}, ${decimal.scale})` : PRIMITIVES[type];
  if (known) return known;
  throw new MuaraError("table.unsupported", `Iceberg has no type for ${type}.`);
}

function isEmpty(type: DeltaType): boolean {
  return (
    typeof type !== "string" && type.type === "struct" && type.fields.every((field) => isEmpty(field.type))
  );
}

/** For the table property `schema.name-mapping.default`. */
export function nameMapping({ fields }: IcebergStruct): readonly MappedName[] {
  return fields.map(({ id, name, type }) => mapped(id, name, type));
}

function mapped(id: number, name: string, type: IcebergType): MappedName {
  const inner = typeof type === "string" ? [] : innerNames(type);
  return { "field-id": id, names: [name], ...(inner.length > 0 ? { fields: inner } : {}) };
}

function innerNames(type: IcebergStruct | IcebergList | IcebergMap): readonly MappedName[] {
  if (type.type === "struct") return nameMapping(type);
  if (type.type === "list") return [mapped(type["element-id"], "element", type.element)];
  return [mapped(type["key-id"], "key", type.key), mapped(type["value-id"], "value", type.value)];
}
