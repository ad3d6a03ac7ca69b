/**
 * Data files written anew under a schema with wider types, row by row the same: DuckDB reads a file by the new schema
 * and writes it, one file at a time within a budget of memory. Rare and off the hot path, so the engine is loaded only
 * when somebody needs it.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { MuaraError } from "../core/errors.ts";
import { listOfTexts, quoteText, readSchema } from "./query/view.ts";

const MEMORY_BYTES = 536_870_912;

export interface RewrittenFile {
  readonly bytes: Uint8Array;
  readonly rows: number;
}

export class FileRewriter {
  readonly #folder: string;
  readonly #connection: DuckDBConnection;

  private constructor(folder: string, connection: DuckDBConnection) {
    this.#folder = folder;
    this.#connection = connection;
  }

  static async open(): Promise<FileRewriter> {
    const { openEngine } = await import("./query/session.ts");
    const folder = await mkdtemp(join(tmpdir(), "muara-rewrite-"));
    return new FileRewriter(folder, await openEngine({ memoryBytes: MEMORY_BYTES, threads: 1 }));
  }

  /**
   * @param schemaString Delta schema; columns that the file does not have become NULL
   * @throws table.corrupt where the file cannot be read as what the schema says
   */
  async rewrite(
    bytes: Uint8Array,
    schemaString: string,
    partitionColumns: readonly string[],
  ): Promise<RewrittenFile> {
    const [from, to] = [join(this.#folder, "from.parquet"), join(this.#folder, "to.parquet")];
    await writeFile(from, bytes);
    const source = `read_parquet(${listOfTexts([from])}, schema = ${readSchema(schemaString, partitionColumns)})`;
    const copy = `COPY (SELECT * FROM ${source}) TO ${quoteText(to)} (FORMAT parquet, COMPRESSION zstd)`;
    try {
      const copied = await this.#connection.runAndReadAll(copy);
      return { bytes: await readFile(to), rows: Number(copied.getRows()[0]![0]) };
    } catch (cause) {
      throw new MuaraError("table.corrupt", "a data file cannot be written anew", { cause });
    }
  }

  async close(): Promise<void> {
    this.#connection.closeSync();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
