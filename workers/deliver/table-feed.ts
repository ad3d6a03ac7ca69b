/**
 * What came into a table, from a position on: the rows of the files that each commit added, in the order of versions,
 * files and rows, which is the same whenever it is read. Compaction adds no rows; what retention, erasure or a
 * rollback removes is not told (they take away, and leave what stays in new files).
 *
 * Where the commits are no longer kept, the feed begins again with the whole table, as every consumer does that is
 * overtaken.
 */
import type { Delivery, DeliveryPosition } from "../../core/delivery.ts";
import { hasCode } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { SinkBatch, SinkColumn } from "../../core/ports/sink.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Registry } from "../../core/registry.ts";
import { DataFile } from "../../lake/parquet/row-range.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { FedRow } from "./fed-row.ts";
import { sinkColumns } from "./sink-columns.ts";

/** Versions that are passed in one look. */
const LOOK_MAX = 200;
/** Rows of a file that are decoded at once, if they are small. */
const WINDOW_ROWS = 10_000;
const WINDOW_BYTES = 16 * 1_048_576;

interface Step {
  readonly version: number;
  readonly isSnapshot: boolean;
  readonly committedMs: number;
  readonly files: readonly AddFile[];
}

export interface Fed {
  /** Where the batch's rows begin; further than what was asked for where versions had no rows. */
  readonly position: DeliveryPosition;
  /** undefined: there is nothing more for now. */
  readonly batch: SinkBatch | undefined;
}

export interface FeedPorts {
  readonly openTable: (name: string) => TableLog;
  readonly store: ObjectStore;
  readonly registry: Registry;
}

interface OpenFile {
  readonly path: string;
  readonly file: DataFile;
  /** Rows that it is worth to decode at once. */
  readonly windowRows: number;
  window: { readonly from: number; readonly rows: readonly Record<string, unknown>[] };
}

interface Columns {
  readonly schemaString: string;
  readonly eventType: unknown;
  readonly columns: readonly SinkColumn[];
}

interface Rows {
  readonly rows: readonly FedRow[];
  readonly hasMore: boolean;
}

export class TableFeed {
  readonly #delivery: Delivery;
  readonly #store: ObjectStore;
  readonly #log: TableLog;
  #snapshot: TableSnapshot | undefined;
  #step: Step | undefined;
  #open: OpenFile | undefined;
  #columns: Columns | undefined;
  readonly #registry: Registry;

  constructor({ openTable, store, registry }: FeedPorts, delivery: Delivery) {
    this.#delivery = delivery;
    this.#store = store;
    this.#log = openTable(delivery.table);
    this.#registry = registry;
  }

  /** @throws store.unavailable, table.corrupt */
  async next(from: DeliveryPosition): Promise<Fed> {
    let position = await this.#inThisTable(from);
    for (let looks = 0; looks < LOOK_MAX && position.tableId !== ""; looks++) {
      const step = await this.#stepAfter(position);
      if (step === "gone") {
        position = await this.#again(position);
        continue;
      }
      if (!step) break;
      const found = await this.#rowsOf(step, position.rows);
      if (found === "gone") position = await this.#again(position);
      else if (found.rows.length > 0) return { position, batch: this.#batchOf(step, position, found) };
      else position = passed(position, step);
    }
    return { position, batch: undefined };
  }

  /** A table that was deleted and made again has other rows under the same numbers. */
  async #inThisTable(position: DeliveryPosition): Promise<DeliveryPosition> {
    if (this.#snapshot && this.#snapshot.metadata?.id === position.tableId) return position;
    this.#snapshot = await this.#log.snapshot();
    const tableId = this.#snapshot.metadata?.id ?? "";
    if (tableId === position.tableId) return position;
    return { ...again(position), tableId, version: -1, snapshot: null };
  }

  /** The whole table as it is now, then what comes. */
  async #again(position: DeliveryPosition): Promise<DeliveryPosition> {
    this.#step = undefined;
    this.#snapshot = await this.#log.snapshot();
    const { version } = this.#snapshot;
    return { ...again(position), version, snapshot: version };
  }

  /** @returns undefined where nothing came yet */
  async #stepAfter({ version, snapshot }: DeliveryPosition): Promise<Step | "gone" | undefined> {
    const isSnapshot = snapshot !== null;
    const wanted = snapshot ?? version + 1;
    if (this.#step?.version === wanted && this.#step.isSnapshot === isSnapshot) return this.#step;
    try {
      this.#step = isSnapshot ? await this.#wholeAt(wanted) : await this.#changesOf(wanted);
      return this.#step;
    } catch (error) {
      if (hasCode(error, "table.version_not_found")) return "gone";
      throw error;
    }
  }

  async #wholeAt(version: number): Promise<Step> {
    const { files, timestampMs } = await this.#log.snapshot({ version });
    const all = [...files.values()];
    const { postgres, elasticsearch, log } = this.#delivery;
    // Where a newer row takes the place of an older one, or follows it in a log, the order is that of acceptance.
    const ordered = postgres || elasticsearch?.key || log ? inAcceptedOrder(all) : inOrder(all);
    return { version, isSnapshot: true, committedMs: timestampMs, files: ordered };
  }

  async #changesOf(version: number): Promise<Step | undefined> {
    const commit = await this.#log.read(version);
    if (!commit) return undefined;
    if (commit.metadata) this.#snapshot = await this.#log.snapshot();
    return { version, isSnapshot: false, committedMs: commit.timestampMs, files: inOrder(addedBy(commit)) };
  }

  /** What the table's rows have, as far as is known by now. */
  columns(): readonly SinkColumn[] {
    const schemaString = this.#snapshot?.metadata?.schemaString;
    if (schemaString === undefined) return [];
    const eventType = this.#registry.get<EventType>("event-type", this.#delivery.table)?.value ?? undefined;
    if (this.#columns?.schemaString !== schemaString || this.#columns.eventType !== eventType)
      this.#columns = { schemaString, eventType, columns: sinkColumns(schemaString, eventType) };
    return this.#columns.columns;
  }

  /** Rows of a step from the one with this number on, as many as a batch has. */
  async #rowsOf({ files }: Step, from: number): Promise<Rows | "gone"> {
    const { batch_rows: rowsMax, batch_bytes: bytesMax, postgres } = this.#delivery;
    const columns = this.columns();
    const rows: FedRow[] = [];
    let first = 0;
    let bytes = 0;
    for (const [i, add] of files.entries()) {
      const stated = statedRows(add);
      if (stated !== undefined && first + stated <= from) {
        first += stated;
        continue;
      }
      const open = await this.#fileOf(add);
      if (!open) return "gone";
      const start = Math.max(0, from + rows.length - first);
      const end = Math.min(open.file.rows, start + rowsMax - rows.length);
      for (const values of await this.#readRows(open, columns, start, end)) {
        const row = new FedRow(columns, add.partitionValues, values);
        bytes += postgres ? row.estimatedBytes : row.json.length;
        if (rows.length > 0 && bytes > bytesMax) return { rows, hasMore: true };
        rows.push(row);
      }
      first += open.file.rows;
      const isLast = end === open.file.rows && files.slice(i + 1).every((file) => statedRows(file) === 0);
      if (rows.length >= rowsMax) return { rows, hasMore: !isLast };
    }
    return { rows, hasMore: false };
  }

  async #readRows(
    open: OpenFile,
    columns: readonly SinkColumn[],
    from: number,
    to: number,
  ): Promise<readonly Record<string, unknown>[]> {
    const { file, window, windowRows } = open;
    const has = (start: number, rows: number): boolean => start <= from && to <= start + rows;
    if (!has(window.from, window.rows.length)) {
      const end = Math.min(file.rows, Math.max(to, from + windowRows));
      open.window = { from, rows: await file.read(columns, from, end) };
    }
    return open.window.rows.slice(from - open.window.from, to - open.window.from);
  }

  async #fileOf({ path, size }: AddFile): Promise<OpenFile | undefined> {
    if (this.#open?.path === path) return this.#open;
    const file = await DataFile.open(this.#store, storePathOf(this.#delivery.table, path), size);
    const windowRows = Math.min(WINDOW_ROWS, Math.ceil((WINDOW_BYTES / size) * (file?.rows ?? 0)));
    this.#open = file && { path, file, windowRows, window: { from: 0, rows: [] } };
    return this.#open;
  }

  #batchOf({ committedMs }: Step, position: DeliveryPosition, { rows, hasMore }: Rows): SinkBatch {
    const { id, name, table } = this.#delivery;
    const sequence = position.delivered + position.dead;
    const { generation } = position;
    const columns = this.columns();
    return partOf(
      { id: "", delivery: name, table, committedMs, generation, sequence, columns, hasMore, rows },
      id,
      0,
      rows.length,
    );
  }
}

/** The batch of some of a batch's rows, under the id that they always have. @param id of the declaration */
export function partOf(batch: SinkBatch, id: string, from: number, to: number): SinkBatch {
  const sequence = batch.sequence + from;
  const own = `${id}.${batch.generation}.${sequence}-${to - from}`;
  const hasMore = batch.hasMore || to < batch.rows.length;
  return { ...batch, id: own, sequence, hasMore, rows: batch.rows.slice(from, to) };
}

/** What a number stood for, it does not stand for any more. */
function again(position: DeliveryPosition): DeliveryPosition {
  const isFirst = position.tableId === "";
  return { ...position, rows: 0, generation: position.generation + (isFirst ? 0 : 1) };
}

/** Where the next step begins. */
function passed(position: DeliveryPosition, { version }: Step): DeliveryPosition {
  return { ...position, version, rows: 0, snapshot: null };
}

/** What stays of a file that a commit took rows from was there before. */
function addedBy({ add, remove, info }: TableCommit): readonly AddFile[] {
  const takesAway = info["kind"] !== undefined && remove.some(({ dataChange }) => dataChange);
  return takesAway ? [] : add.filter(({ dataChange }) => dataChange);
}

/** The same whenever it is asked for; of a whole table about that in which its rows came. */
function inOrder(files: readonly AddFile[]): readonly AddFile[] {
  return files.toSorted((a, b) => a.modificationTime - b.modificationTime || (a.path < b.path ? -1 : 1));
}

/** By the oldest row of each: a file that was compacted is younger than what came after its rows. */
function inAcceptedOrder(files: readonly AddFile[]): readonly AddFile[] {
  const oldest = new Map(files.map((file) => [file.path, oldestOf(file)]));
  return inOrder(files).toSorted((a, b) => oldest.get(a.path)! - oldest.get(b.path)!);
}

function oldestOf({ stats, modificationTime }: AddFile): number {
  const match = /"minValues":\{[^{}]*"ingest_time":"([^"]{1,40})"/.exec(stats ?? "");
  const ms = Date.parse(match?.[1] ?? "");
  return Number.isFinite(ms) ? ms : modificationTime;
}

function statedRows({ stats }: AddFile): number | undefined {
  const match = /"numRecords":(\d{1,15})[,}]/.exec(stats ?? "");
  return match ? Number(match[1]) : undefined;
}
