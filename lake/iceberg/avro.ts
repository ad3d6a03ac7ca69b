/**
 * Avro object container files (Avro 1.11 specification, "Object Container Files"), as far as Iceberg's manifests need
 * them: records, nullable fields, arrays and the primitive types, one uncompressed block. The schema in the header is
 * the one given, to the letter, since Iceberg's readers find fields by their `field-id`, which is no part of Avro.
 */
import { assert } from "../../core/assert.ts";

export type AvroType =
  | "boolean"
  | "int"
  | "long"
  | "string"
  | "bytes"
  | readonly ["null", AvroType]
  | AvroRecord
  | AvroArray
  | { readonly type: "int" | "long"; readonly logicalType: string };

export interface AvroRecord {
  readonly type: "record";
  readonly name: string;
  readonly fields: readonly AvroField[];
}

export interface AvroArray {
  readonly type: "array";
  readonly items: AvroType;
  readonly logicalType?: string;
  readonly "element-id"?: number;
}

export interface AvroField {
  readonly name: string;
  readonly type: AvroType;
  readonly "field-id": number;
  readonly default?: null;
}

export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | { readonly [field: string]: AvroValue };

const MAGIC = Buffer.from([0x4f, 0x62, 0x6a, 1]); // "Obj" 1
const SYNC_BYTES = 16;

/**
 * @param metadata of the file, as texts
 * @param sync 16 bytes that are unlikely to be in the data
 */
export function avroFile(
  schema: AvroRecord,
  rows: readonly AvroValue[],
  metadata: Readonly<Record<string, string>>,
  sync: Uint8Array,
): Uint8Array {
  assert(sync.length === SYNC_BYTES, "a sync marker has 16 bytes");
  const header = new AvroWriter();
  const entries = { ...metadata, "avro.codec": "null", "avro.schema": JSON.stringify(schema) };
  header.long(Object.keys(entries).length);
  for (const [name, value] of Object.entries(entries)) {
    header.text(name);
    header.text(value);
  }
  header.long(0);
  const block = new AvroWriter();
  for (const row of rows) block.value(schema, row);
  const data = block.bytes();
  const frame = new AvroWriter();
  frame.long(rows.length);
  frame.long(data.length);
  return Buffer.concat([MAGIC, header.bytes(), sync, frame.bytes(), data, sync]);
}

class AvroWriter {
  readonly #parts: Uint8Array[] = [];

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  /** Zigzag, seven bits a byte, lowest first. */
  long(value: number | bigint): void {
    const wide = BigInt(value);
    let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
    const found: number[] = [];
    for (; rest > 0x7fn; rest >>= 7n) found.push(Number(rest & 0x7fn) | 0x80);
    found.push(Number(rest));
    this.#parts.push(Uint8Array.from(found));
  }

  text(value: string): void {
    this.blob(Buffer.from(value));
  }

  blob(value: Uint8Array): void {
    this.long(value.length);
    this.#parts.push(value);
  }

  value(type: AvroType, value: AvroValue): void {
    if (typeof type === "string") this.#primitive(type, value);
    else if (isUnion(type)) {
      this.long(value === null ? 0 : 1);
      if (value !== null) this.value(type[1], value);
    } else if (type.type === "record") {
      const fields = value as Readonly<Record<string, AvroValue>>;
      for (const field of type.fields) this.value(field.type, fields[field.name] ?? null);
    } else if (type.type === "array") {
      const items = value as readonly AvroValue[];
      if (items.length > 0) this.long(items.length);
      for (const item of items) this.value(type.items, item);
      this.long(0);
    } else this.#primitive(type.type, value);
  }

  #primitive(type: "boolean" | "int" | "long" | "string" | "bytes", value: AvroValue): void {
    if (type === "string" && typeof value === "string") this.text(value);
    else if (type === "bytes" && value instanceof Uint8Array) this.blob(value);
    else if (type === "boolean" && typeof value === "boolean") this.#parts.push(Uint8Array.of(value ? 1 : 0));
    else {
      const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
      assert((type === "int" || type === "long") && isWhole, `an Avro ${type} cannot be this value`);
      this.long(value as number | bigint);
    }
  }
}

function isUnion(type: AvroType): type is readonly ["null", AvroType] {
  return Array.isArray(type);
}
