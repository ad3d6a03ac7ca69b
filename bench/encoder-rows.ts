/**
 * Writers of Parquet in JavaScript, which need values: each line is parsed by JSON.parse, which rounds integers beyond
 * 2^53, times become milliseconds, a payload that is to be JSON text is written anew, a customer's fields are columns
 * of their own. parquetjs-lite knows no zstd: it gets Snappy, which costs less.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type BasicType, parquetWriteBuffer } from "hyparquet-writer";
// @ts-expect-error -- it has no types
import parquetjs from "parquetjs-lite";
import { ROW_GROUP_ROWS } from "../lake/parquet/encoded-file.ts";
import { ZSTD } from "../lake/parquet/zstd.ts";
import { CUSTOMER, ENVELOPE, type Field, TYPED } from "./encoder-columns.ts";
import type { SetName } from "./encoder-lines.ts";

interface RowWriter {
  setRowGroupSize(rows: number): void;
  appendRow(row: Record<string, unknown>): Promise<void>;
  close(): Promise<void>;
}
const { ParquetSchema, ParquetWriter } = parquetjs as {
  ParquetSchema: new (fields: Record<string, unknown>) => unknown;
  ParquetWriter: { openFile(schema: unknown, path: string): Promise<RowWriter> };
};

type Values = Record<string, unknown>;
type Kind = Field[1];

const IN_HYPARQUET: Partial<Record<Kind, BasicType>> = {
  string: "STRING",
  timestamp: "TIMESTAMP",
  long: "INT64",
  double: "DOUBLE",
  boolean: "BOOLEAN",
  json: "STRING",
};
const IN_PARQUETJS: Partial<Record<Kind, string>> = {
  string: "UTF8",
  timestamp: "TIMESTAMP_MILLIS",
  long: "INT64",
  double: "DOUBLE",
  boolean: "BOOLEAN",
  json: "UTF8",
};

/** A column, and where its value is in a parsed line. */
interface Leaf {
  readonly name: string;
  readonly kind: Kind;
  readonly of: (line: Values) => unknown;
}

/** The object at a key, which every line has. */
function within(line: Values, key: string): Values {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encoder-lines.ts makes them
  return line[key] as Values;
}

function leavesOf(set: SetName): readonly Leaf[] {
  const envelope = ENVELOPE.map(([name, kind]): Leaf => ({ name, kind, of: (line) => line[name] }));
  if (set === "open")
    return [...envelope, { name: "payload", kind: "json", of: (line) => JSON.stringify(line["payload"]) }];
  if (set === "escaped")
    return [...envelope, { name: "payload", kind: "string", of: (line) => line["payload"] }];
  return [
    ...envelope,
    ...TYPED.map(([name, kind]): Leaf => ({ name, kind, of: (line) => within(line, "payload")[name] })),
    ...CUSTOMER.map(([name, kind]): Leaf => ({
      name: `customer_${name}`,
      kind,
      of: (line) => within(within(line, "payload"), "customer")[name],
    })),
  ];
}

function* parsedLines(source: string): Generator<Values> {
  const bytes = readFileSync(source);
  for (let at = 0, end = bytes.indexOf(10); end >= 0; at = end + 1, end = bytes.indexOf(10, at))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encoder-lines.ts makes them
    yield JSON.parse(bytes.toString("utf8", at, end)) as Values;
}

/** What a writer wants in the place of what JSON.parse gives. */
function valueFor(kind: Kind, value: unknown, isBig: boolean): unknown {
  if (value === undefined || value === null) return null;
  if (kind === "timestamp") return new Date(value as string);
  return kind === "long" && isBig ? BigInt(value as number) : value;
}

export function hyparquetRun(set: SetName, source: string, target: string): () => Promise<void> {
  const leaves = leavesOf(set);
  return async () => {
    const columns = leaves.map((): unknown[] => []);
    for (const line of parsedLines(source))
      leaves.forEach(({ kind, of }, i) => columns[i]!.push(valueFor(kind, of(line), true)));
    const columnData = leaves.map(({ name, kind }, i) => ({
      name,
      data: columns[i]!,
      type: IN_HYPARQUET[kind]!,
      nullable: true,
    }));
    const compressors = { ZSTD: ZSTD.compress };
    const bytes = parquetWriteBuffer({
      columnData,
      codec: "ZSTD",
      compressors,
      rowGroupSize: ROW_GROUP_ROWS,
    });
    writeFileSync(target, new Uint8Array(bytes));
  };
}

export function parquetjsRun(set: SetName, source: string, target: string): () => Promise<void> {
  const leaves = leavesOf(set);
  const fields = leaves.map(({ name, kind }) => [
    name,
    { type: IN_PARQUETJS[kind], optional: true, compression: "SNAPPY" },
  ]);
  return async () => {
    const writer = await ParquetWriter.openFile(new ParquetSchema(Object.fromEntries(fields)), target);
    writer.setRowGroupSize(ROW_GROUP_ROWS);
    for (const line of parsedLines(source)) {
      const row: Values = {};
      for (const { name, kind, of } of leaves) {
        const value = valueFor(kind, of(line), false);
        if (value !== null) row[name] = value;
      }
      await writer.appendRow(row);
    }
    await writer.close();
  };
}
