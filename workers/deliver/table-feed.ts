/**
 * What came into a table, from a position on: the rows of the files that each commit added, in the order of versions,
 * files and rows, which is the same whenever it is read. Compaction adds no rows; what retention, erasure or a
 * rollback removes is not told (they take away, and leave what stays in new files).
 *
 * Where the commits are no longer kept, the feed begins again with the whole table, as every consumer does that is
 * overtaken.
 */
import type { Column } from "../../core/columns.ts";
import type { Delivery, DeliveryPosition } from "../../core/delivery.ts";
import { hasCode } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { SinkBatch, SinkRow } from "../../core/ports/sink.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { columnsOf } from "../../lake/parquet/delta-type.ts";
import { DataFile } from "../../lake/parquet/row-range.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { parseSchema } from "../../lake/table/delta-schema.ts";
import { rowJson } from "./row-json.ts";

/** Versions that are passed in one look. */
const LOOK_MAX = 200;
const KEY = "event_key";

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
}

export class TableFeed {
  readonly #delivery: Delivery;
  readonly #store: ObjectStore;
  readonly #log: TableLog;
  #snapshot: TableSnapshot | undefined;
  #step: Step | undefined;
  #open: { readonly path: string; readonly file: DataFile } | undefined;

  constructor({ openTable, store }: FeedPorts, delivery: Delivery) {
    this.#delivery = delivery;
    this.#store = store;
    this.#log = openTable(delivery.table);
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
      const rows = await this.#rowsOf(step, position.rows);
      if (rows === "gone") position = await this.#again(position);
      else if (rows.length > 0) return { position, batch: this.#batchOf(step, position, rows) };
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
    return { version, isSnapshot: true, committedMs: timestampMs, files: inOrder([...files.values()]) };
  }

  async #changesOf(version: number): Promise<Step | undefined> {
    const commit = await this.#log.read(version);
    if (!commit) return undefined;
    if (commit.metadata) this.#snapshot = await this.#log.snapshot();
    return { version, isSnapshot: false, committedMs: commit.timestampMs, files: inOrder(addedBy(commit)) };
  }

  /** Rows of a step from the one with this number on, as many as a batch has. */
  async #rowsOf({ files }: Step, from: number): Promise<readonly SinkRow[] | "gone"> {
    const { batch_rows: rowsMax, batch_bytes: bytesMax } = this.#delivery;
    const schema = parseSchema(this.#snapshot!.metadata!.schemaString);
    const columns = columnsOf(schema);
    const rows: SinkRow[] = [];
    let first = 0;
    let bytes = 0;
    for (const add of files) {
      const stated = statedRows(add);
      if (stated !== undefined && first + stated <= from) {
        first += stated;
        continue;
      }
      const file = await this.#fileOf(add);
      if (!file) return "gone";
      const start = Math.max(0, from + rows.length - first);
      const found = await file.read(columns, start, Math.min(file.rows, start + rowsMax - rows.length));
      for (const row of found) {
        const one = sinkRow(columns, add, row);
        bytes += one.json.length;
        if (rows.length > 0 && bytes > bytesMax) return rows;
        rows.push(one);
      }
      first += file.rows;
      if (rows.length >= rowsMax) return rows;
    }
    return rows;
  }

  async #fileOf({ path, size }: AddFile): Promise<DataFile | undefined> {
    if (this.#open?.path === path) return this.#open.file;
    const file = await DataFile.open(this.#store, storePathOf(this.#delivery.table, path), size);
    this.#open = file && { path, file };
    return file;
  }

  #batchOf({ committedMs }: Step, position: DeliveryPosition, rows: readonly SinkRow[]): SinkBatch {
    const { id, name, table } = this.#delivery;
    const sequence = position.delivered + position.dead;
    const { generation } = position;
    return partOf(
      { id: "", delivery: name, table, committedMs, generation, sequence, rows },
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
  return { ...batch, id: own, sequence, rows: batch.rows.slice(from, to) };
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

function statedRows({ stats }: AddFile): number | undefined {
  const match = /"numRecords":(\d{1,15})[,}]/.exec(stats ?? "");
  return match ? Number(match[1]) : undefined;
}

function sinkRow(
  columns: readonly Column[],
  { partitionValues }: AddFile,
  row: Readonly<Record<string, unknown>>,
): SinkRow {
  const json = rowJson(columns, row);
  const parts = Object.entries(partitionValues).map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const key = row[KEY];
  const inside = json.slice(1, -1);
  return {
    key: typeof key === "string" ? key : null,
    json: `{${[...(inside === "" ? [] : [inside]), ...parts].join(",")}}`,
  };
}
