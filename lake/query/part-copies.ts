/**
 * Copies of parts of data files, made in a query process (copy-parts.ts) and handed over one by one. Whoever asks holds
 * one of them in memory at a time.
 */
import { MuaraError } from "../../core/errors.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import type { TableSchema } from "../catalog.ts";
import { localPaths, type FileSight } from "./local-paths.ts";
import type { PoolOptions, ProcessPool } from "./process-pool.ts";
import type { CopiedReport } from "./protocol.ts";
import type { QueryProcess } from "./query-process.ts";
import type { PinnedPart } from "./view.ts";

/** A process takes its files at once, before it is locked. */
const FILES_PER_PROCESS = 256;

export interface CopyRequest {
  /** The table's own name. */
  readonly table: string;
  readonly schema: TableSchema;
  /** Its conditions were judged by row-condition.ts. */
  readonly part: PinnedPart;
  /** What the part has, and which of it the files do not store. */
  readonly partSchema: TableSchema;
  readonly files: readonly AddFile[];
  /** Of one process, for up to 256 files, ms. */
  readonly timeoutMs: number;
}

export interface CopiedPart {
  readonly file: AddFile;
  readonly rows: number;
  /** A Parquet file; empty where there are no rows. */
  readonly bytes: Uint8Array;
  /** Delta statistics of the part, JSON text. */
  readonly stats: string;
}

export async function* copyParts(
  services: FileSight & Pick<PoolOptions, "options">,
  pool: ProcessPool,
  request: CopyRequest,
  signal: AbortSignal,
): AsyncGenerator<CopiedPart> {
  for (let first = 0; first < request.files.length; first += FILES_PER_PROCESS) {
    const files = request.files.slice(first, first + FILES_PER_PROCESS);
    const child = await pool.take();
    try {
      child.guard(request.timeoutMs, signal);
      await order(services, child, { ...request, files });
      for (const file of files) yield { file, ...(await received(child, services.options.answerBytes)) };
    } finally {
      child.kill(new MuaraError("sql.timeout", "The query is over."));
    }
  }
}

async function order(services: FileSight, child: QueryProcess, request: CopyRequest): Promise<void> {
  const { table, schema, part, partSchema, files } = request;
  const paths = await localPaths(
    services,
    files.map((file) => ({ table, file })),
    child,
  );
  const pinned = files.map(({ partitionValues }, i) => ({ path: paths[i]!, partitionValues }));
  const { schemaString, partitionColumns } = schema;
  const whole = { schemaString, partitionColumns, files: pinned, ingestedUntilMs: null };
  child.send({ order: "copy_parts", table: { names: [], ...whole, part }, ...partSchema });
}

async function received(child: QueryProcess, bytesMax: number): Promise<Omit<CopiedPart, "file">> {
  const { rows, bytes, stats } = await headOf(child);
  if (bytes > bytesMax)
    throw new MuaraError("sql.answer_too_large", `A part of a data file is longer than ${bytesMax} bytes.`);
  const chunks: Uint8Array[] = [];
  for (let length = 0; length < bytes; length += chunks.at(-1)!.length) {
    const arrival = await child.next();
    if (arrival.report !== "data") throw misbehaved();
    chunks.push(arrival.bytes);
  }
  return { rows, stats, bytes: Buffer.concat(chunks) };
}

async function headOf(child: QueryProcess): Promise<CopiedReport> {
  const arrival = await child.next();
  if (arrival.report === "copied") return arrival;
  if (arrival.report !== "failed") throw misbehaved();
  // The engine's own text may quote values of hidden rows.
  const { kind, message: cause } = arrival.failure;
  throw new MuaraError(
    kind === "memory" ? "sql.memory" : "sql.failed",
    "The part of a data file cannot be made.",
    { cause },
  );
}

function misbehaved(): MuaraError {
  return new MuaraError("sql.failed", "The query process misbehaved.");
}
