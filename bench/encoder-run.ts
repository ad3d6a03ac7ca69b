/** One run of `encoder.ts`, in a process of its own: `node encoder-run.ts SIDE SET FOLDER ROUNDS`. */
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { layOutColumns } from "../core/column-layout.ts";
import type { ColumnPlan, ColumnType, PayloadColumn } from "../core/columns.ts";
import { createKernel } from "../core/kernel.ts";
import { RECORD_WORDS, type RecordBatch } from "../core/record.ts";
import { EventFile } from "../lake/parquet/event-file.ts";
import { ROW_GROUP_ROWS } from "../lake/parquet/encoded-file.ts";
import { ZSTD } from "../lake/parquet/zstd.ts";
import {
  CUSTOMER,
  ENVELOPE,
  type FieldKind,
  linesPath,
  PAYLOAD_KIND,
  type SetName,
  type Side,
  TYPED,
} from "./encoder-lines.ts";
import { hyparquetRun } from "./encoder-rows.ts";
import { PARQUETJS_ROWS, writeWithParquetjs } from "./parquetjs.ts";
import { reportRun } from "./run.ts";

const [, , side, given, folder, rounds] = process.argv;
const set = given as SetName;
const source = linesPath(set, folder!);
const target = join(folder!, `${set}-${side}.parquet`);
const READ_BYTES = 1_048_576;
/** Whole batches: a little above. */
const GROUP_ROWS = ROW_GROUP_ROWS - 2_000;

const SQL: Record<FieldKind, string> = {
  string: "VARCHAR",
  timestamp: "TIMESTAMPTZ",
  long: "BIGINT",
  double: "DOUBLE",
  boolean: "BOOLEAN",
};

function columnsOf(fields: readonly (readonly [string, FieldKind])[]): PayloadColumn[] {
  return fields.map(([name, kind]) => ({ name, field: name, type: { kind } as ColumnType, nullable: true }));
}

function payloadType(): ColumnType {
  const kind = PAYLOAD_KIND[set];
  if (kind !== "struct") return { kind };
  const customer: ColumnType = {
    kind: "struct",
    fields: columnsOf(CUSTOMER),
  };
  return {
    kind: "struct",
    fields: [...columnsOf(TYPED), { name: "customer", type: customer, nullable: true }],
  };
}

/** Lines of a file as batches of about a megabyte, read into the same buffer. */
function* batches(): Generator<RecordBatch> {
  const file = openSync(source, "r");
  const bytes = Buffer.alloc(READ_BYTES * 2);
  const index = new Uint32Array(READ_BYTES);
  let kept = 0;
  for (;;) {
    const read = readSync(file, bytes, kept, READ_BYTES, null);
    const end = kept + read;
    let at = 0;
    let count = 0;
    for (let next = bytes.indexOf(10, at); next >= 0 && next < end; next = bytes.indexOf(10, at)) {
      index[count * RECORD_WORDS] = at;
      index[count * RECORD_WORDS + 1] = next - at;
      at = next + 1;
      count++;
    }
    if (count > 0)
      yield { count, bytes: bytes.subarray(0, at), index: index.subarray(0, count * RECORD_WORDS) };
    if (read === 0) break;
    bytes.copyWithin(0, at, end);
    kept = end - at;
  }
  closeSync(file);
}

const plan = kernelPlan();

function kernelPlan(): ColumnPlan {
  const payload: PayloadColumn[] = [
    ...columnsOf(ENVELOPE),
    { name: "payload", field: "payload", type: payloadType(), nullable: true },
  ];
  const extra = { name: "extra", type: { kind: "json" }, nullable: true } as const;
  return {
    columns: [...payload, extra],
    envelope: [],
    beside: [],
    payload,
    body: [],
    held: [],
    heldTime: undefined,
    partitions: [],
  };
}

function kernelRun(): () => Promise<void> {
  const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
  const kernel = createKernel(module, new Uint8Array(16).fill(7));
  const columns = kernel.columns(
    kernel.plan([], { maxBytes: 999_000, maxDepth: 64 }),
    layOutColumns(plan, []),
  );
  const secret = new Uint8Array(16);
  return async () => {
    const file = new EventFile(kernel, columns, plan, ZSTD, async () => {});
    const write = async (): Promise<void> => {
      await file.add(Uint32Array.from({ length: columns.rows }, (_, i) => i));
      columns.reset();
    };
    for (const batch of batches()) {
      const { verdicts } = columns.scan(batch, secret);
      if (!verdicts.every((verdict) => verdict === 0) || columns.rejections.size > 0)
        throw new Error("a line of the bench is refused");
      if (columns.rows >= GROUP_ROWS) await write();
    }
    if (columns.rows > 0) await write();
    writeFileSync(target, file.finish().bytes);
  };
}

function declared(fields: readonly (readonly [string, FieldKind])[], is: ":" | ""): string {
  return fields.map(([name, kind]) => `"${name}"${is} ${is ? `'${SQL[kind]}'` : SQL[kind]}`).join(", ");
}

async function duckDbRun(): Promise<() => Promise<void>> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  const payload =
    set === "open"
      ? "JSON"
      : set === "escaped"
        ? "VARCHAR"
        : `STRUCT(${declared(TYPED, "")}, customer STRUCT(id BIGINT, name VARCHAR))`;
  const columns = `{${declared(ENVELOPE, ":")}, payload: '${payload}'}`;
  const copy = `COPY (SELECT * FROM read_json('${source}', format='newline_delimited', columns=${columns}))
     TO '${target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, PARQUET_VERSION v2,
       ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`;
  return async () => void (await connection.run(copy));
}

const sides: Record<Side, () => (() => Promise<unknown>) | Promise<() => Promise<unknown>>> = {
  kernel: kernelRun,
  duckdb: duckDbRun,
  "hyparquet-writer": () => hyparquetRun(set, source, target),
  "parquetjs-lite": () => async () => writeWithParquetjs(source, target, set, PARQUETJS_ROWS),
};
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encoder-measure.ts gives it
const work = await sides[side as Side]();
await reportRun(
  Number(rounds ?? 8),
  async () => void (await work()),
  () => statSync(target).size,
);
