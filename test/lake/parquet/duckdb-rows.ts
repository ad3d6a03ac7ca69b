/** Rows of Parquet bytes as DuckDB, a foreign reader, sees them. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  type DuckDBValue,
  DuckDBBlobValue,
} from "@duckdb/node-api";
import type { Plain } from "./reference.ts";

export interface Seen {
  /** Column name → SQL type. */
  readonly types: ReadonlyMap<string, string>;
  readonly rows: readonly ReadonlyMap<string, Plain>[];
}

export class DuckDBReader {
  readonly #folder: string;
  readonly #instance: DuckDBInstance;
  #files = 0;

  private constructor(folder: string, instance: DuckDBInstance) {
    this.#folder = folder;
    this.#instance = instance;
  }

  static async open(): Promise<DuckDBReader> {
    const folder = await mkdtemp(join(tmpdir(), "muara-parquet-"));
    return new DuckDBReader(folder, await DuckDBInstance.create(":memory:", { threads: "1" }));
  }

  /** @param select SQL over the file, which it names `events` */
  async read(bytes: Uint8Array, select = "SELECT * FROM events"): Promise<Seen> {
    const path = join(this.#folder, `${this.#files++}.parquet`);
    await writeFile(path, bytes);
    try {
      return await this.#query(`WITH events AS (FROM read_parquet('${path}')) ${select}`);
    } finally {
      await rm(path);
    }
  }

  /** [row group] Whether the bloom filter of a column excludes a text. */
  async probe(bytes: Uint8Array, column: string, text: string): Promise<boolean[]> {
    const path = join(this.#folder, `${this.#files++}.parquet`);
    await writeFile(path, bytes);
    try {
      const { rows } = await this.#query(`FROM parquet_bloom_probe('${path}', '${column}', '${text}')`);
      return rows.map((row) => row.get("bloom_filter_excludes") === true);
    } finally {
      await rm(path);
    }
  }

  /** Parquet as DuckDB writes it. */
  async write(select: string, options: string): Promise<Uint8Array> {
    const path = join(this.#folder, `${this.#files++}.parquet`);
    await this.#query(`COPY (${select}) TO '${path}' (FORMAT parquet, ${options})`);
    const bytes = await readFile(path);
    await rm(path);
    return bytes;
  }

  async #query(sql: string): Promise<Seen> {
    const connection = await this.#instance.connect();
    try {
      const reader = await connection.runAndReadAll(sql);
      const names = reader.columnNames();
      const types = new Map(names.map((name, i) => [name, reader.columnType(i).toString()]));
      const rows = reader.getRows().map((row) => new Map(names.map((name, i) => [name, plain(row[i]!)])));
      return { types, rows };
    } finally {
      connection.closeSync();
    }
  }

  async close(): Promise<void> {
    this.#instance.closeSync();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function plain(value: DuckDBValue): Plain {
  if (value instanceof DuckDBTimestampTZValue) return value.micros;
  if (value instanceof DuckDBDateValue) return value.days;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if (value instanceof DuckDBListValue) return value.items.map(plain);
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("hex");
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, inner]) => [name, plain(inner)]));
  if (typeof value === "object" && value !== null) throw new Error(`no ${value.constructor.name} expected`);
  return value;
}
