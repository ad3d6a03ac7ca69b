/**
 * Reads a table part by part of its file, so that no statement is much longer than PART_MS, and rests after each. The
 * parts are places in the file: they cost the source no index and no order, and every row is in one of them.
 */
import type { Client } from "pg";
import type { Clock } from "../../core/clock.ts";
import { rowsOf } from "./connection.ts";
import { quoteName } from "./row-text.ts";
import { type TableFile, tableFiles, type TableShape } from "./snapshot-table.ts";

const PART_MS = 200;
const PAGES_FIRST = 256;
const PAGES_MIN = 16;
const PAGES_MAX = 131_072;

export interface PartReaderOptions {
  /** A session in a transaction of its own. */
  readonly connect: () => Promise<Client>;
  /** Whether the server finds a range of places without reading the whole file. */
  readonly hasRanges: boolean;
  readonly clock: Clock;
  /** Rest after each part, as a share of the time that it took. */
  readonly restShare: number;
}

type Row = Record<string, unknown>;

export class PartReader {
  readonly #options: PartReaderOptions;

  constructor(options: PartReaderOptions) {
    this.#options = options;
  }

  /** @param sqlOf a SELECT with the FROM and WHERE that it is given @throws source.* */
  async *read(
    table: TableShape,
    sqlOf: (from: string) => string,
    values: readonly unknown[],
  ): AsyncGenerator<Row[]> {
    const client = await this.#options.connect();
    try {
      for (const file of await tableFiles(client, table))
        yield* this.#file(file, (from) => rowsOf<Row>(client, sqlOf(from), values));
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async *#file(file: TableFile, rowsFrom: (from: string) => Promise<Row[]>): AsyncGenerator<Row[]> {
    const { clock, restShare } = this.#options;
    const isWhole = !file.hasRanges || !this.#options.hasRanges;
    const from = `from only ${quoteName(file.schema)}.${quoteName(file.name)}`;
    let pages = isWhole ? Infinity : PAGES_FIRST;
    for (let page = 0; ;) {
      // The last part has no end: rows of the snapshot stay where they are, the file may grow.
      const isLast = page + pages >= file.pages;
      const until = isLast ? "" : ` and ctid < '(${page + pages},0)'`;
      const startMs = clock.monotonicMs();
      yield await rowsFrom(isWhole ? from : `${from} where ctid >= '(${page},0)'${until}`);
      if (isLast) return;
      page += pages;
      const tookMs = Math.max(1, clock.monotonicMs() - startMs);
      await clock.sleep(tookMs * restShare);
      const factor = Math.min(4, Math.max(0.25, PART_MS / tookMs));
      pages = Math.min(PAGES_MAX, Math.max(PAGES_MIN, Math.floor(pages * factor)));
    }
  }
}
