/**
 * The query process: one engine, one query, then the end. Started by query-process.ts without an environment in
 * an empty folder; it holds no secret and opens no connection. It dies with its parent (stdin closes).
 *
 * Order of events: parse and judge on an engine that has nothing → the parent authorizes and pins → views over
 * exactly those files → external access off, configuration locked → the query.
 */
import fs from "node:fs";
import module from "node:module";
import path from "node:path";
import process from "node:process";
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import { csvRows, jsonRows, ndjsonRows, NotExact, type RowEncoder } from "./encode.ts";
import { readFailure, type Phase } from "./failure.ts";
import { judge } from "./gate.ts";
import {
  encodeFrame,
  encodeJson,
  FrameReader,
  FRAME_DATA,
  type Failure,
  type Order,
  type Report,
} from "./protocol.ts";
import { conditionTexts, judgeCondition } from "./row-condition.ts";
import {
  letSpill,
  lock,
  NotOneSelect,
  openEngine,
  pinTables,
  prepareSelect,
  serializeSql,
  ViewFails,
} from "./session.ts";
import { stepBack } from "./step-back.ts";
import { quoteText } from "./view.ts";

const NICENESS = 5;
const FILE_CHUNK_BYTES = 262_144;

const [memoryBytes, threads, spillBytes = 0] = process.argv.slice(2).map(Number);
const limits = { memoryBytes: memoryBytes ?? 1_073_741_824, threads: threads ?? 2 };
let phase: Phase = "preparing";

function write(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

const report = (value: Report): Promise<void> => write(encodeJson(value));

async function judgeSql(scratch: DuckDBConnection, sql: string): Promise<void> {
  await report({ report: "judged", judged: judge(await serializeSql(scratch, sql)) });
}

async function judgeRows(scratch: DuckDBConnection, condition: string): Promise<void> {
  const [bare, wrapped] = conditionTexts(condition);
  const judged = judgeCondition(await serializeSql(scratch, bare), await serializeSql(scratch, wrapped));
  await report({ report: "condition", judged });
}

type Run = Order & { order: "run" };

async function runSql(connection: DuckDBConnection, order: Run): Promise<void> {
  const output = path.join(process.cwd(), "answer.parquet");
  const isParquet = order.format === "parquet";
  phase = "running"; // a grant's condition is evaluated on rows
  if (order.tables.some(({ overlay }) => overlay?.changes))
    await letSpill(connection, { folder: path.join(process.cwd(), "spill"), bytes: spillBytes });
  await pinTables(connection, order.tables, order.views ?? [], isParquet ? output : undefined);
  phase = "preparing";
  const prepared = await prepareSelect(connection, order.sql);
  if (isParquet) return answerParquet(connection, order, output);
  phase = "running";
  const result = await prepared.stream();
  const names = result.deduplicatedColumnNames();
  const types = result.columnTypes();
  await report({
    report: "columns",
    columns: names.map((name, i) => ({ name, type: String(types[i]!) })),
  });
  const encoder = await rowEncoder(order.format, names, types);
  if (encoder.head.length > 0) await write(encodeFrame(FRAME_DATA, encoder.head));
  let rows = 0;
  let isTruncated = false;
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    const count = Math.min(chunk.rowCount, order.rows - rows);
    isTruncated = count < chunk.rowCount;
    if (count > 0) {
      await write(encodeFrame(FRAME_DATA, encoder.rows(chunk.getColumns(), count, rows === 0)));
    }
    rows += count;
    if (isTruncated) break;
  }
  const tail = encoder.end();
  if (tail.length > 0) await write(encodeFrame(FRAME_DATA, tail));
  await report({ report: "done", rows, isTruncated });
}

interface BytesEncoder {
  readonly head: Uint8Array;
  rows(columns: readonly (readonly DuckDBValue[])[], count: number, isFirst: boolean): Uint8Array;
  end(): Uint8Array;
}

async function rowEncoder(
  format: string,
  names: readonly string[],
  types: Parameters<typeof jsonRows>[0],
): Promise<BytesEncoder> {
  if (format === "arrow") {
    const { ArrowStream } = await import("./arrow.ts"); // the library is not needed otherwise, and takes a while
    const stream = new ArrowStream(names, types);
    return {
      head: stream.head(),
      rows: (columns, count) => stream.rows(columns, count),
      end: () => stream.end(),
    };
  }
  const text = textEncoder(format, names, types);
  const rows: BytesEncoder["rows"] = (columns, count, isFirst) =>
    Buffer.from(text.rows(columns, count, isFirst));
  return { head: Buffer.from(text.head), rows, end: () => Buffer.alloc(0) };
}

function textEncoder(
  format: string,
  names: readonly string[],
  types: Parameters<typeof jsonRows>[0],
): RowEncoder {
  if (format === "ndjson") return ndjsonRows(names, types);
  if (format === "csv") return csvRows(names, types);
  return jsonRows(types);
}

/** The judged text stays one string constant (`query(…)`), so that no splicing can change what it means. */
async function answerParquet(connection: DuckDBConnection, order: Run, output: string): Promise<void> {
  const limited = `FROM query(${quoteText(order.sql)}) LIMIT ${order.rows}`;
  const described = await connection.runAndReadAll(`DESCRIBE ${limited}`);
  const columns = described.getRows().map((row) => ({ name: String(row[0]), type: String(row[1]) }));
  phase = "running";
  const copied = await connection.runAndReadAll(
    `COPY (${limited}) TO ${quoteText(output)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
  );
  await report({ report: "columns", columns });
  const file = fs.openSync(output, "r");
  for (;;) {
    const chunk = Buffer.allocUnsafe(FILE_CHUNK_BYTES);
    const length = fs.readSync(file, chunk);
    if (length === 0) break;
    await write(encodeFrame(FRAME_DATA, chunk.subarray(0, length)));
  }
  const rows = Number(copied.getRows()[0]![0]);
  await report({ report: "done", rows, isTruncated: rows === order.rows });
}

/**
 * One small query of every kind of work through the code that the real one will take: what is loaded, compiled and
 * allocated at first use then is, before anybody waits for it.
 */
async function warmUp(scratch: DuckDBConnection, connection: DuckDBConnection): Promise<void> {
  const file = path.join(process.cwd(), "warm.parquet");
  const list = "SELECT range AS a, range::VARCHAR AS b, now() AS c FROM range(3)";
  const sql = "SELECT b, c, count(*), sum(a) FROM warm GROUP BY ALL ORDER BY c LIMIT 3";
  judge(await serializeSql(scratch, sql));
  await connection.run(`COPY (${list}) TO ${quoteText(file)} (FORMAT parquet, COMPRESSION zstd)`);
  await connection.run(`CREATE VIEW warm AS FROM read_parquet(${quoteText(file)})`);
  const result = await (await prepareSelect(connection, sql)).stream();
  const chunk = await result.fetchChunk();
  jsonRows(result.columnTypes()).rows(chunk!.getColumns(), chunk!.rowCount, true);
  await connection.run("DROP VIEW warm");
  fs.rmSync(file);
}

async function act(order: Order, scratch: DuckDBConnection, connection: DuckDBConnection): Promise<void> {
  try {
    if (order.order === "judge") await judgeSql(scratch, order.sql);
    else if (order.order === "judge_condition") await judgeRows(scratch, order.condition);
    else if (order.order === "copy_parts") {
      const { copyParts } = await import("./copy-parts.ts"); // few processes need it
      phase = "running";
      await copyParts(connection, order, write);
    } else await runSql(connection, order);
  } catch (error) {
    await report({ report: "failed", failure: failureOf(error) });
  }
}

const failed = (message: string): Failure => ({ kind: "failed", message, byte: null });

function failureOf(error: unknown): Failure {
  if (error instanceof NotOneSelect) return failed("Only one SELECT runs here.");
  if (error instanceof NotExact) return failed(error.message);
  // What it misses may be a column that does not exist for the asker, so it is not named.
  if (error instanceof ViewFails)
    return failed(`The view "${error.message}" asks for something that is not there for you.`);
  return readFailure(error, phase);
}

async function main(): Promise<void> {
  stepBack(NICENESS);
  const scratch = await openEngine(limits);
  await lock(scratch, []);
  const connection = await openEngine(limits);
  await warmUp(scratch, connection);
  const reader = new FrameReader();
  let working: Promise<void> = Promise.resolve();
  process.stdin.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      const order = JSON.parse(frame.body.toString()) as Order;
      working = working.then(() => act(order, scratch, connection));
    }
  });
  // Without a parent nobody wants the answer. The engine's threads do not end by asking.
  process.stdin.on("close", end);
  process.stdin.on("end", end);
  module.flushCompileCache?.(); // it never ends by itself, which would be when Node does this
  await report({ report: "ready" });
}

/** As the first process of a namespace it cannot kill itself with a signal; then it aborts. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
  process.abort();
}

await main();
