/**
 * Iceberg's manifest (the data files of a snapshot) and manifest list (here of one manifest), v2 of the specification,
 * "Manifests" and "Snapshots". Only fields that our files have a value for are written; readers take the others as
 * absent by their ids.
 */
import type { AddFile } from "../../core/ports/table-log.ts";
import { type AvroField, avroFile, type AvroRecord, type AvroType, type AvroValue } from "./avro.ts";
import { boundBytes, partitionValue } from "./bounds.ts";
import type { IcebergField, IcebergStruct } from "./schema.ts";

const FORMAT_VERSION = "2";
const ADDED = 1;
const DATA = 0;
const PARTITION_FIELD_ID = 1_000;

export interface ManifestFile extends Pick<AddFile, "partitionValues" | "stats"> {
  /** Where readers find it. */
  readonly location: string;
  readonly bytes: number;
  readonly rows: number;
}

export interface PartitionSpec {
  readonly "spec-id": 0;
  readonly fields: readonly {
    readonly "source-id": number;
    readonly "field-id": number;
    readonly name: string;
    readonly transform: "identity";
  }[];
}

export interface ManifestSnapshot {
  readonly id: number;
  readonly sequence: number;
  readonly struct: IcebergStruct;
  readonly spec: PartitionSpec;
  /** 16 bytes. */
  readonly sync: Uint8Array;
}

export function partitionSpec(struct: IcebergStruct, columns: readonly string[]): PartitionSpec {
  const fields = columns.map((name, i) => ({
    "source-id": fieldOf(struct, name).id,
    "field-id": PARTITION_FIELD_ID + i,
    name,
    transform: "identity" as const,
  }));
  return { "spec-id": 0, fields };
}

/** @throws table.unsupported for values of partitions that Iceberg would not understand */
export function manifestBytes(snapshot: ManifestSnapshot, files: readonly ManifestFile[]): Uint8Array {
  const { id, sequence, struct, spec, sync } = snapshot;
  const partition: AvroRecord = {
    type: "record",
    name: "r102",
    fields: spec.fields.map((one) => partitionField(struct, one)),
  };
  const rows = files.map((file): AvroValue => {
    const values = spec.fields.map(({ name }) => {
      const { type } = fieldOf(struct, name);
      return [name, partitionValue(type, name, file.partitionValues[name])] as const;
    });
    return {
      status: ADDED,
      snapshot_id: id,
      sequence_number: sequence,
      file_sequence_number: sequence,
      data_file: {
        content: DATA,
        file_path: file.location,
        file_format: "PARQUET",
        partition: Object.fromEntries(values),
        record_count: file.rows,
        file_size_in_bytes: file.bytes,
        ...statisticsOf(struct, file),
      },
    };
  });
  const metadata = {
    schema: JSON.stringify({ ...struct, "schema-id": 0 }),
    "schema-id": "0",
    "partition-spec": JSON.stringify(spec.fields),
    "partition-spec-id": "0",
    "format-version": FORMAT_VERSION,
    content: "data",
  };
  return avroFile(entrySchema(partition), rows, metadata, sync);
}

export function manifestListBytes(
  { id, sequence, sync }: ManifestSnapshot,
  manifest: {
    readonly location: string;
    readonly bytes: number;
    readonly files: number;
    readonly rows: number;
  },
): Uint8Array {
  const row = {
    manifest_path: manifest.location,
    manifest_length: manifest.bytes,
    partition_spec_id: 0,
    content: DATA,
    sequence_number: sequence,
    min_sequence_number: sequence,
    added_snapshot_id: id,
    added_files_count: manifest.files,
    existing_files_count: 0,
    deleted_files_count: 0,
    added_rows_count: manifest.rows,
    existing_rows_count: 0,
    deleted_rows_count: 0,
  };
  const metadata = {
    "snapshot-id": String(id),
    "sequence-number": String(sequence),
    "format-version": FORMAT_VERSION,
  };
  return avroFile(LIST, [row], metadata, sync);
}

function fieldOf({ fields }: IcebergStruct, name: string): IcebergField {
  return fields.find((field) => field.name === name)!;
}

const required = (id: number, name: string, type: AvroType): AvroField => ({ name, type, "field-id": id });
const optional = (id: number, name: string, type: AvroType): AvroField => ({
  name,
  type: ["null", type],
  default: null,
  "field-id": id,
});

/** A map with keys that are no texts is an array of pairs. */
function pairs(id: number, name: string, keyId: number, valueId: number, value: AvroType): AvroField {
  const pair: AvroRecord = {
    type: "record",
    name: `k${keyId}_v${valueId}`,
    fields: [required(keyId, "key", "int"), required(valueId, "value", value)],
  };
  return optional(id, name, { type: "array", logicalType: "map", items: pair });
}

const PARTITION_TYPES: Readonly<Record<string, AvroType>> = {
  date: { type: "int", logicalType: "date" },
  int: "int",
  long: "long",
  boolean: "boolean",
};

function partitionField(
  struct: IcebergStruct,
  { "field-id": id, name }: PartitionSpec["fields"][number],
): AvroField {
  const { type } = fieldOf(struct, name);
  return optional(id, name, (typeof type === "string" ? PARTITION_TYPES[type] : undefined) ?? "string");
}

function entrySchema(partition: AvroRecord): AvroRecord {
  const dataFile: AvroRecord = {
    type: "record",
    name: "r2",
    fields: [
      required(134, "content", "int"),
      required(100, "file_path", "string"),
      required(101, "file_format", "string"),
      required(102, "partition", partition),
      required(103, "record_count", "long"),
      required(104, "file_size_in_bytes", "long"),
      pairs(110, "null_value_counts", 121, 122, "long"),
      pairs(125, "lower_bounds", 126, 127, "bytes"),
      pairs(128, "upper_bounds", 129, 130, "bytes"),
    ],
  };
  return {
    type: "record",
    name: "manifest_entry",
    fields: [
      required(0, "status", "int"),
      optional(1, "snapshot_id", "long"),
      optional(3, "sequence_number", "long"),
      optional(4, "file_sequence_number", "long"),
      required(2, "data_file", dataFile),
    ],
  };
}

const LIST: AvroRecord = {
  type: "record",
  name: "manifest_file",
  fields: [
    required(500, "manifest_path", "string"),
    required(501, "manifest_length", "long"),
    required(502, "partition_spec_id", "int"),
    required(517, "content", "int"),
    required(515, "sequence_number", "long"),
    required(516, "min_sequence_number", "long"),
    required(503, "added_snapshot_id", "long"),
    required(504, "added_files_count", "int"),
    required(505, "existing_files_count", "int"),
    required(506, "deleted_files_count", "int"),
    required(512, "added_rows_count", "long"),
    required(513, "existing_rows_count", "long"),
    required(514, "deleted_rows_count", "long"),
  ],
};

type Named = Readonly<Record<string, unknown>>;

function statisticsOf(
  { fields }: IcebergStruct,
  { stats }: ManifestFile,
): Readonly<Record<string, AvroValue>> {
  let parsed: { minValues?: Named; maxValues?: Named; nullCount?: Named } = {};
  try {
    parsed = (JSON.parse(stats ?? "{}") ?? {}) as typeof parsed;
  } catch {
    // They are a hint; without them readers look into the file.
  }
  const { minValues, maxValues, nullCount } = parsed;
  const keyed = (valueOf: (field: IcebergField) => AvroValue | undefined): AvroValue => {
    const found = fields.flatMap((field): readonly AvroValue[] => {
      const value = valueOf(field);
      return value === undefined ? [] : [{ key: field.id, value }];
    });
    return found.length === 0 ? null : found;
  };
  return {
    null_value_counts: keyed(({ name }) => {
      const count = nullCount?.[name];
      return Number.isSafeInteger(count) ? (count as number) : undefined;
    }),
    lower_bounds: keyed(({ name, type }) => boundBytes(type, minValues?.[name], false)),
    upper_bounds: keyed(({ name, type }) => boundBytes(type, maxValues?.[name], true)),
  };
}
