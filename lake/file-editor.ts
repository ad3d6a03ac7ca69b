/**
 * Data files without some of their rows, or with other values in some: DuckDB reads a file by the table's schema and
 * writes it, one file at a time within a budget of memory. Rare and off the hot path, so the engine is loaded only when
 * somebody needs it.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { MuaraError } from "../core/errors.ts";
import { listOfTexts, quoteName, quoteText, readSchema, sqlColumns } from "./query/view.ts";

const MEMORY_BYTES = 536_870_912;
/** Beyond what 64-bit nanoseconds hold some readers fail on statistics. */
const TIME_MIN_MS: number = Date.UTC(1678, 0, 1);
const TIME_MAX_MS: number = Date.UTC(2262, 0, 1);

export interface RewrittenFile {
  readonly bytes: Uint8Array;
  readonly rows: number;
}

export interface FilteredFile {
  /** What stays; undefined where it is all rows or none. */
  readonly kept: RewrittenFile | undefined;
  /** Statistics of what stays, JSON text; of the envelope's times alone, so that they say nothing of what went. */
  readonly stats: string;
  readonly rowsKept: number;
  readonly rowsGone: number;
  /** Of those kept: the condition is NULL for them. */
  readonly rowsUnknown: number;
}

export class FileEditor {
  readonly #folder: string;
  readonly #connection: DuckDBConnection;

  private constructor(folder: string, connection: DuckDBConnection) {
    this.#folder = folder;
    this.#connection = connection;
  }

  static async open(): Promise<FileEditor> {
    const { openEngine } = await import("./query/session.ts");
    const folder = await mkdtemp(join(tmpdir(), "muara-edit-"));
    return new FileEditor(folder, await openEngine({ memoryBytes: MEMORY_BYTES, threads: 1 }));
  }

  /**
   * The file without the rows for which `gone` holds; NULL is no.
   * @param gone condition in SQL over the file's columns
   * @throws table.corrupt where the file cannot be read as what the schema says
   */
  async filter(
    bytes: Uint8Array,
    schemaString: string,
    partitionColumns: readonly string[],
    gone: string,
  ): Promise<FilteredFile> {
    const source = await this.#source(bytes, schemaString, partitionColumns);
    const isGone = `coalesce((${gone}), false)`;
    const times = ["event_time", "ingest_time"].filter((name) => schemaString.includes(`"${name}"`));
    const bounds = times.flatMap((name) => [`min(epoch_us(${name}))`, `max(epoch_us(${name}))`]);
    const kept = ["count(*)", ...bounds].map((sum) => `${sum} FILTER (NOT ${isGone})`).join(", ");
    try {
      const sql = `SELECT count(*) FILTER (${isGone}), count(*) FILTER ((${gone}) IS NULL), ${kept} FROM ${source}`;
      const [row] = (await this.#connection.runAndReadAll(sql)).getRows();
      const [rowsGone, rowsUnknown, rowsKept] = row!.slice(0, 3).map(Number) as [number, number, number];
      const counts = { stats: statsOf(rowsKept, times, row!.slice(3)), rowsKept, rowsGone, rowsUnknown };
      if (rowsGone === 0 || rowsKept === 0) return { ...counts, kept: undefined };
      return { ...counts, kept: await this.#copy(`SELECT * FROM ${source} WHERE NOT ${isGone}`) };
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  /**
   * Notes the ids of the rows for which `wanted` holds, in the table `noted_ids (event_id)` of this rewriter, in lower
   * case. @returns how many rows there are
   * @throws table.corrupt
   */
  async noteIds(
    bytes: Uint8Array,
    schemaString: string,
    partitionColumns: readonly string[],
    wanted: string,
  ): Promise<number> {
    const source = await this.#source(bytes, schemaString, partitionColumns);
    try {
      await this.#connection.run("CREATE TEMP TABLE IF NOT EXISTS noted_ids (event_id VARCHAR)");
      const noted = await this.#connection.runAndReadAll(
        `INSERT INTO noted_ids SELECT lower(event_id) FROM ${source} WHERE ${wanted}`,
      );
      return Number(noted.getRows()[0]![0]);
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  /**
   * The file with other values in the rows for which `wanted` holds.
   * @param schemaString undefined: as the file itself says
   * @param values SQL by column
   * @returns undefined where there is no such row @throws table.corrupt
   */
  async replace(
    bytes: Uint8Array,
    schemaString: string | undefined,
    partitionColumns: readonly string[],
    wanted: string,
    values: Readonly<Record<string, string>>,
  ): Promise<(RewrittenFile & { readonly replaced: number }) | undefined> {
    const source = await this.#source(bytes, schemaString, partitionColumns);
    const isWanted = `coalesce((${wanted}), false)`;
    const list = Object.entries(values).map(
      ([name, sql]) => `CASE WHEN ${isWanted} THEN ${sql} ELSE ${quoteName(name)} END AS ${quoteName(name)}`,
    );
    try {
      await this.#connection.run("CREATE TEMP TABLE IF NOT EXISTS noted_ids (event_id VARCHAR)");
      const count = `SELECT count(*) FROM ${source} WHERE ${isWanted}`;
      const replaced = Number((await this.#connection.runAndReadAll(count)).getRows()[0]![0]);
      if (replaced === 0) return undefined;
      return { ...(await this.#copy(`SELECT * REPLACE (${list.join(", ")}) FROM ${source}`)), replaced };
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  /** What is wrong with a condition over the columns of a schema; undefined where it can be asked. */
  async problemOf(schemaString: string, condition: string): Promise<string | undefined> {
    const columns = sqlColumns(schemaString).map(
      ({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteName(name)}`,
    );
    try {
      await this.#connection.run(`SELECT ${condition} FROM (SELECT ${columns.join(", ")})`);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message.slice(0, 500) : String(error);
    }
  }

  async #source(
    bytes: Uint8Array,
    schemaString: string | undefined,
    partitionColumns: readonly string[],
  ): Promise<string> {
    const from = join(this.#folder, "from.parquet");
    await writeFile(from, bytes);
    if (schemaString === undefined) return `read_parquet(${listOfTexts([from])})`;
    return `read_parquet(${listOfTexts([from])}, schema = ${readSchema(schemaString, partitionColumns)})`;
  }

  async #copy(select: string): Promise<RewrittenFile> {
    const to = join(this.#folder, "to.parquet");
    const copied = await this.#connection.runAndReadAll(
      `COPY (${select}) TO ${quoteText(to)} (FORMAT parquet, COMPRESSION zstd)`,
    );
    return { bytes: await readFile(to), rows: Number(copied.getRows()[0]![0]) };
  }

  async close(): Promise<void> {
    this.#connection.closeSync();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** @param bounds [time × 2] least and greatest in µs, null where there is none */
function statsOf(rows: number, times: readonly string[], bounds: readonly unknown[]): string {
  const [minValues, maxValues]: Record<string, string>[] = [{}, {}];
  for (const [i, name] of times.entries()) {
    const [least, most] = [bounds[i * 2], bounds[i * 2 + 1]];
    if (typeof least !== "bigint" || typeof most !== "bigint") continue;
    const [from, to] = [new Date(Number(least / 1_000n) - 1), new Date(Number(most / 1_000n) + 1)];
    if (from.getTime() < TIME_MIN_MS || to.getTime() > TIME_MAX_MS) continue;
    minValues![name] = from.toISOString();
    maxValues![name] = to.toISOString();
  }
  return JSON.stringify({ numRecords: rows, minValues, maxValues, nullCount: {} });
}

function unreadable(cause: unknown): MuaraError {
  return new MuaraError("table.corrupt", "a data file cannot be written anew", { cause });
}
