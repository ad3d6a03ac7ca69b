/**
 * JSON lines to a Parquet file as one writes it at first: `JSON.parse`, and parquetjs-lite row by row, not compressed,
 * which is the least it can do. It rounds: numbers to doubles, times to milliseconds.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
// @ts-expect-error -- it has no types
import parquetjs from "parquetjs-lite";
import { ENVELOPE, type FieldKind, PAYLOAD_KIND, ROWS, type SetName, TYPED } from "./encoder-lines.ts";

interface Writer {
  appendRow(row: Record<string, unknown>): Promise<void>;
  close(): Promise<void>;
}
interface Field {
  readonly type?: string;
  readonly optional: true;
  readonly fields?: Record<string, Field>;
}
interface ParquetJs {
  readonly ParquetSchema: new (fields: Record<string, Field>) => object;
  readonly ParquetWriter: {
    openFile(schema: object, path: string, options: { rowGroupSize: number }): Promise<Writer>;
  };
}
const { ParquetSchema, ParquetWriter } = parquetjs as ParquetJs;

/** A tenth of the lines: a row takes it some 150 µs, the first as long as the last (measured). */
export const PARQUETJS_ROWS = ROWS / 10;
const ROW_GROUP_ROWS = 4_096; // its default
const TYPES: Record<FieldKind, string> = {
  string: "UTF8",
  timestamp: "TIMESTAMP_MICROS",
  long: "INT64",
  double: "DOUBLE",
  boolean: "BOOLEAN",
};

/** @param lines a file of the set's lines @param rowsMax of which so many are written @returns rows */
export async function writeWithParquetjs(
  lines: string,
  file: string,
  set: SetName,
  rowsMax = Infinity,
): Promise<number> {
  const writer = await ParquetWriter.openFile(schemaOf(set), file, { rowGroupSize: ROW_GROUP_ROWS });
  const times = timeFields(ENVELOPE);
  const payloadTimes = timeFields(TYPED);
  let rows = 0;
  for await (const line of createInterface({ input: createReadStream(lines) })) {
    const row = JSON.parse(line) as Record<string, unknown>;
    asDates(row, times);
    if (set === "typed") asDates(row["payload"] as Record<string, unknown>, payloadTimes);
    await writer.appendRow(row);
    rows++;
    if (rows === rowsMax) break;
  }
  await writer.close();
  return rows;
}

function timeFields(fields: readonly (readonly [string, FieldKind])[]): string[] {
  return fields.filter(([, kind]) => kind === "timestamp").map(([name]) => name);
}

function asDates(row: Record<string, unknown>, fields: readonly string[]): void {
  for (const field of fields) {
    const value = row[field];
    if (typeof value === "string") row[field] = new Date(value);
  }
}

function schemaOf(set: SetName): object {
  const customer = fieldsOf([
    ["id", "long"],
    ["name", "string"],
  ]);
  const kind = PAYLOAD_KIND[set];
  const payload: Field =
    kind === "struct"
      ? { optional: true, fields: { ...fieldsOf(TYPED), customer: { optional: true, fields: customer } } }
      : { optional: true, type: kind === "json" ? "JSON" : "UTF8" };
  return new ParquetSchema({ ...fieldsOf(ENVELOPE), payload });
}

function fieldsOf(fields: readonly (readonly [string, FieldKind])[]): Record<string, Field> {
  return Object.fromEntries(fields.map(([name, kind]) => [name, { type: TYPES[kind], optional: true }]));
}
