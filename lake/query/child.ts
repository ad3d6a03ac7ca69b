/**
 * The query process: one engine, one query, then the end. Started by query-process.ts without an environment in
 * an empty folder; it holds no secret and opens no connection. It dies with its parent (stdin closes).
 *
 * Order of events: parse and judge on an engine that has nothing → the parent authorizes and pins → views over
 * exactly those files → external access off, configuration locked → the query.
 */
import fs from "node:fs";
import module from "node:module";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { csvRows, jsonRows, ndjsonRows, type RowEncoder } from "./encode.ts";
import { readFailure } from "./failure.ts";
import { judge } from "./gate.ts";
import { encodeFrame, encodeJson, FrameReader, FRAME_DATA, type Order, type Report } from "./protocol.ts";
import { quoteText, viewStatements } from "./view.ts";

const NICENESS = 5;
const FILE_CHUNK_BYTES = 262_144;

const [memoryBytes, threads] = process.argv.slice(2).map(Number);

/** The kernel should end this process before any other when memory runs out, and landing goes first on the CPU. */
function stepBack(): void {
  try {
    os.setPriority(NICENESS);
    fs.writeFileSync("/proc/self/oom_score_adj", "1000");
  } catch {
    // Not on this system: the limits that the parent enforces do not depend on it.
  }
}

async function openEngine(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(threads ?? 2),
    memory_limit: `${Math.floor((memoryBytes ?? 1_073_741_824) / 1_048_576)}MiB`,
    temp_directory: "",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    allow_persistent_secrets: "false",
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run("SET errors_as_json = true");
  return connection;
}

async function lock(connection: DuckDBConnection, paths: readonly string[]): Promise<void> {
  await connection.run(`SET allowed_paths = [${paths.map(quoteText).join(", ")}]`);
  await connection.run("SET enable_external_access = false");
  await connection.run("SET lock_configuration = true");
}

function write(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

const report = (value: Report): Promise<void> => write(encodeJson(value));

async function judgeSql(scratch: DuckDBConnection, sql: string): Promise<void> {
  const answer = await scratch.runAndReadAll(
    "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)",
    [sql],
  );
  await report({ report: "judged", judged: judge(String(answer.getRows()[0]![0])) });
}

async function runSql(connection: DuckDBConnection, order: Order & { order: "run" }): Promise<void> {
  const output = path.join(process.cwd(), "answer.parquet");
  for (const table of order.tables)
    for (const statement of viewStatements(table)) await connection.run(statement);
  const files = order.tables.flatMap((table) => table.files.map((file) => file.path));
  await lock(connection, order.format === "parquet" ? [...files, output] : files);
  if (order.format === "parquet") await answerParquet(connection, order, output);
  else await answerText(connection, order);
}

async function answerText(connection: DuckDBConnection, order: Order & { order: "run" }): Promise<void> {
  const result = await connection.stream(order.sql);
  const names = result.deduplicatedColumnNames();
  const types = result.columnTypes();
  await report({
    report: "columns",
    columns: names.map((name, i) => ({ name, type: String(types[i]!) })),
  });
  const encoder = rowEncoder(order.format, names, types);
  if (encoder.head !== "") await write(encodeFrame(FRAME_DATA, Buffer.from(encoder.head)));
  let rows = 0;
  let isTruncated = false;
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    const count = Math.min(chunk.rowCount, order.rows - rows);
    isTruncated = count < chunk.rowCount;
    if (count > 0) {
      const text = encoder.rows(chunk.getColumns(), count, rows === 0);
      await write(encodeFrame(FRAME_DATA, Buffer.from(text)));
    }
    rows += count;
    if (isTruncated) break;
  }
  await report({ report: "done", rows, isTruncated });
}

function rowEncoder(
  format: string,
  names: readonly string[],
  types: Parameters<typeof jsonRows>[0],
): RowEncoder {
  if (format === "ndjson") return ndjsonRows(names, types);
  if (format === "csv") return csvRows(names, types);
  return jsonRows(types);
}

/** The judged text stays one string constant (`query(…)`), so that no splicing can change what it means. */
async function answerParquet(
  connection: DuckDBConnection,
  order: Order & { order: "run" },
  output: string,
): Promise<void> {
  const limited = `FROM query(${quoteText(order.sql)}) LIMIT ${order.rows}`;
  const described = await connection.runAndReadAll(`DESCRIBE ${limited}`);
  const columns = described.getRows().map((row) => ({ name: String(row[0]), type: String(row[1]) }));
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

async function main(): Promise<void> {
  stepBack();
  const scratch = await openEngine();
  await lock(scratch, []);
  const connection = await openEngine();
  const reader = new FrameReader();
  let working: Promise<void> = Promise.resolve();
  process.stdin.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      const order = JSON.parse(frame.body.toString()) as Order;
      working = working
        .then(() => (order.order === "judge" ? judgeSql(scratch, order.sql) : runSql(connection, order)))
        .catch((error: unknown) => report({ report: "failed", failure: readFailure(error) }));
    }
  });
  // Without a parent nobody wants the answer. The engine's threads do not end by asking.
  process.stdin.on("close", () => process.kill(process.pid, "SIGKILL"));
  process.stdin.on("end", () => process.kill(process.pid, "SIGKILL"));
  module.flushCompileCache?.(); // it never ends by itself, which would be when Node does this
  await report({ report: "ready" });
}

await main();
