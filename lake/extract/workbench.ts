/**
 * Where the rows of a window, written by a query process as one Parquet file, are counted, summed, compared with what
 * was published before, and cut into the files to publish. Its engine reads and writes in a temporary folder only; the
 * texts that it runs are Muara's own.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { FeedCheck } from "../../core/extract-feed.ts";
import { MuaraError } from "../../core/errors.ts";
import { jsonRows } from "../query/encode.ts";
import { listOfTexts, quoteName, quoteText } from "../query/view.ts";
import { totalName, type FeedPlan } from "./feed-plan.ts";

const THREADS = 1; // one writes rows in the order in which it reads them

export interface CutFile {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Outcome {
  readonly isHeld: boolean;
  readonly check: string;
  readonly expected: string;
  readonly actual: string;
}

export class Workbench {
  readonly #folder: string;
  readonly #connection: DuckDBConnection;
  #names = 0;

  private constructor(folder: string, connection: DuckDBConnection) {
    this.#folder = folder;
    this.#connection = connection;
  }

  static async open(memoryBytes: number): Promise<Workbench> {
    const { openEngine } = await import("../query/session.ts");
    const folder = await mkdtemp(join(tmpdir(), "muara-extract-"));
    return new Workbench(folder, await openEngine({ memoryBytes, threads: THREADS }));
  }

  /** A path for a file that does not exist yet; it is gone when the bench is closed. */
  freshPath(): string {
    return join(this.#folder, `${this.#names++}.parquet`);
  }

  /** Writes what comes to a fresh file. */
  async receive(body: AsyncIterable<Uint8Array>): Promise<string> {
    const path = this.freshPath();
    const file = await open(path, "wx");
    try {
      for await (const chunk of body) await file.writeFile(chunk);
    } finally {
      await file.close();
    }
    return path;
  }

  async count(paths: readonly string[]): Promise<number> {
    if (paths.length === 0) return 0;
    return Number((await this.#row(`SELECT count(*) FROM ${fromFiles(paths)}`))[0]);
  }

  /** Control totals by name, exact. @throws extract.failed where a sum leaves 38 digits */
  async totals(plan: FeedPlan, paths: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const wanted = plan.feed.totals.map(totalName);
    if (wanted.length === 0) return {};
    const parts = wanted.map(({ column, isSum }) => {
      const name = quoteName(column);
      return isSum
        ? `CAST(coalesce(sum(${name}), 0) AS VARCHAR)`
        : `CAST(count(DISTINCT ${name}) AS VARCHAR)`;
    });
    const source = paths.length > 0 ? fromFiles(paths) : noRows(plan);
    const row = await this.#row(`SELECT ${parts.join(", ")} FROM ${source}`);
    return Object.fromEntries(wanted.map(({ name }, i) => [name, String(row[i])]));
  }

  /** Hash of columns and rows as text, in order: the same for the same rows, whatever wrote the file. */
  async contentHash(plan: FeedPlan, path: string): Promise<string> {
    const hash = createHash("sha256").update(`${JSON.stringify(plan.columns)}\n`);
    const result = await this.#connection.stream(`SELECT * FROM ${fromFiles([path])}`);
    const encoder = jsonRows(result.columnTypes());
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) break;
      hash.update(`${encoder.rows(chunk.getColumns(), chunk.rowCount, true)},\n`);
    }
    return hash.digest("hex");
  }

  /** One of the checks that need no SQL of the operator's. */
  async check(check: Exclude<FeedCheck, { sql: string }>, path: string): Promise<Outcome> {
    const source = fromFiles([path]);
    if ("rows" in check) {
      const { min, max } = check.rows;
      const rows = await this.count([path]);
      const isHeld = rows >= (min ?? 0) && rows <= (max ?? Infinity);
      const expected = `${min ?? 0} to ${max ?? "any"}`;
      return { isHeld, check: "row count", expected, actual: String(rows) };
    }
    const isUnique = "unique" in check;
    const columns = isUnique ? check.unique : check.notNull;
    const names = columns.map(quoteName).join(", ");
    const sql = isUnique
      ? `SELECT count(*) FROM (SELECT 1 FROM ${source} GROUP BY ${names} HAVING count(*) > 1)`
      : `SELECT count(*) FROM ${source} WHERE ${columns.map((name) => `${quoteName(name)} IS NULL`).join(" OR ")}`;
    const actual = String((await this.#row(sql))[0]);
    const title = `${columns.join(", ")} ${isUnique ? "unique" : "not null"}`;
    return { isHeld: actual === "0", check: title, expected: "0", actual };
  }

  /** Rows of `a` that `b` does not have, as often as it does not. */
  async lacking(a: readonly string[], b: readonly string[]): Promise<number> {
    if (a.length === 0) return 0;
    if (b.length === 0) return this.count(a);
    return Number((await this.#row(`SELECT count(*) FROM (${except(a, b)})`))[0]);
  }

  /** Those rows as a file, in the feed's order. */
  async writeLacking(plan: FeedPlan, a: readonly string[], b: readonly string[]): Promise<string> {
    const path = this.freshPath();
    const rest = plan.columns.map(({ name }) => name).filter((name) => !plan.feed.key.includes(name));
    const order = [...plan.feed.key, ...rest].map(quoteName).join(", ");
    await this.#copy(`SELECT * FROM (${except(a, b)}) ORDER BY ${order}`, path);
    return path;
  }

  /** Cuts a file by rows into files of at most so many bytes (a single row may have more), in order. */
  async cut(path: string, bytesMax: number): Promise<readonly CutFile[]> {
    const rows = await this.count([path]);
    if (rows === 0) return [];
    const { size } = await stat(path);
    if (size <= bytesMax || rows === 1) return [{ path, rows, bytes: size, sha256: await sha256Of(path) }];
    const parts = Math.min(rows, Math.max(2, Math.ceil(size / bytesMax)));
    const files: CutFile[] = [];
    for (let part = 0; part < parts; part++) {
      const [from, to] = [Math.floor((part * rows) / parts), Math.floor(((part + 1) * rows) / parts)];
      const cut = this.freshPath();
      const source = `read_parquet(${quoteText(path)}, file_row_number = true)`;
      await this.#copy(
        `SELECT * EXCLUDE (file_row_number) FROM ${source} ` +
          `WHERE file_row_number >= ${from} AND file_row_number < ${to}`,
        cut,
      );
      files.push(...(await this.cut(cut, bytesMax)));
    }
    return files;
  }

  async close(): Promise<void> {
    this.#connection.closeSync();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #copy(select: string, path: string): Promise<void> {
    await this.#row(`COPY (${select}) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd)`);
  }

  async #row(sql: string): Promise<readonly unknown[]> {
    try {
      return (await this.#connection.runAndReadAll(sql)).getRows()[0] ?? [];
    } catch (cause) {
      // The engine's own text may quote values.
      throw new MuaraError("extract.failed", "The rows of a window cannot be worked on.", { cause });
    }
  }
}

function fromFiles(paths: readonly string[]): string {
  return `read_parquet(${listOfTexts(paths)})`;
}

function noRows(plan: FeedPlan): string {
  const columns = plan.columns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteName(name)}`);
  return `(SELECT ${columns.join(", ")} WHERE false)`;
}

function except(a: readonly string[], b: readonly string[]): string {
  return `SELECT * FROM ${fromFiles(a)} EXCEPT ALL SELECT * FROM ${fromFiles(b)}`;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
