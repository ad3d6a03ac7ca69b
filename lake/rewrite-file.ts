/** Files of the process that rewrites data files: what it reads is held against the log, what it writes is told. */
import fs from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { RunningChecksum } from "./checksum.ts";
import { quoteText } from "./query/view.ts";
import type { NewFile, RewriteInput } from "./rewrite-job.ts";

const CHUNK_BYTES = 1_048_576;

/** An input cannot be used. */
export class Refused extends Error {
  readonly kind: "gone" | "unreadable";
  readonly path: string;

  constructor(kind: "gone" | "unreadable", at: string, message: string) {
    super(message);
    this.kind = kind;
    this.path = at;
  }
}

/** The engine reads most flipped bits without complaint, as other values: it must not be asked. @throws Refused */
export function checkInput({ path: file, bytes, checksum }: RewriteInput): void {
  let found: { readonly size: number; readonly checksum: string };
  try {
    found = checksumOf(file);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
    throw new Refused("gone", file, "the file does not exist");
  }
  if (found.size !== bytes) throw new Refused("unreadable", file, `${found.size} bytes, not ${bytes}`);
  if (checksum !== undefined && found.checksum !== checksum)
    throw new Refused("unreadable", file, "not the bytes that were written");
}

/** Writes what a SELECT gives. */
export async function copyToFile(
  connection: DuckDBConnection,
  select: string,
  output: string,
): Promise<NewFile> {
  fs.rmSync(output, { force: true });
  const copied = await connection.runAndReadAll(
    `COPY (${select}) TO ${quoteText(output)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  const { size: bytes, checksum } = checksumOf(output);
  return { bytes, checksum, rows: Number(copied.getRows()[0]![0]) };
}

function checksumOf(file: string): { readonly size: number; readonly checksum: string } {
  const sum = new RunningChecksum();
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const handle = fs.openSync(file, "r");
  let size = 0;
  try {
    for (;;) {
      const length = fs.readSync(handle, chunk);
      if (length === 0) return { size, checksum: sum.hex };
      sum.add(chunk.subarray(0, length));
      size += length;
    }
  } finally {
    fs.closeSync(handle);
  }
}
