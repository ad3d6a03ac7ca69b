/**
 * Files of parts of a table, in the lake's store below the table's own folder:
 *
 *   TABLE/_parts/RIGHT/SOURCE-FORM.json              what came of one data file
 *   TABLE/_parts/RIGHT/SOURCE-FORM-CONTENT.parquet   its visible rows; none where there are none
 *
 * They are a cache: each can be deleted at any time and is made again from its data file. The record comes last, and
 * names the file by its content, so that two processes that make the same part at once never mix their bytes.
 *
 * The surprising rule: after a part was written, its data file is looked for. Where that is gone by then, so is the
 * part: an erasure deletes data files first and the files of parts after them (`dropParts`), so that either the one
 * side or the other sees it.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore, StoredObject } from "../../core/ports/object-store.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import { storePathOf } from "../table/add-file.ts";

export const PARTS_FOLDER = "_parts";
const HOUR_MS = 3_600_000;
const CONTENT_LENGTH = 16;
const READ_AHEAD = 16;
const RECORDS_MAX = 100_000;

/** What came of a data file. */
export interface PartRecord {
  /** Relative to the table's folder; null where no row is visible. */
  readonly path: string | null;
  readonly rows: number;
  readonly bytes: number;
  /** Delta statistics, JSON text. */
  readonly stats: string;
}

export interface PartStoreOptions {
  /** How long files are used, ms. */
  readonly keptMs: number;
  /** Of one table, bytes. */
  readonly bytesMax: number;
  /** How long an address is good, ms. */
  readonly urlMs: number;
}

interface Known {
  readonly modifiedMs: number;
  readonly record: PartRecord;
}

export class PartStore {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #options: PartStoreOptions;
  /** By path of the record, which is written once or again with what is as good. */
  readonly #known = new Map<string, Known>();

  constructor(store: ObjectStore, clock: Clock, options: PartStoreOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
  }

  /**
   * What is there, and stays for longer than an address is good.
   * @param names of records, without `.json` @returns by name
   */
  async find(
    table: string,
    right: string,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, PartRecord>> {
    const folder = folderOf(table, right);
    const listed = new Map((await this.#store.list(folder)).map((object) => [object.path, object]));
    const found = new Map<string, PartRecord>();
    for (let first = 0; first < names.length; first += READ_AHEAD) {
      const some = names.slice(first, first + READ_AHEAD);
      const records = await Promise.all(some.map((name) => this.#read(listed.get(`${folder}/${name}.json`))));
      for (const [i, record] of records.entries()) {
        const file = record?.path == null ? undefined : listed.get(`${table}/${record.path}`);
        if (record && (record.path === null || (file && this.#isFresh(file)))) found.set(some[i]!, record);
      }
    }
    return found;
  }

  /** @throws share.busy where the room is taken, store.unavailable, store.full */
  async add(
    table: string,
    right: string,
    name: string,
    source: AddFile,
    made: { readonly rows: number; readonly bytes: Uint8Array; readonly stats: string },
  ): Promise<void> {
    const { rows, bytes, stats } = made;
    const content = createHash("sha256").update(bytes).digest("hex").slice(0, CONTENT_LENGTH);
    const path = rows === 0 ? null : `${PARTS_FOLDER}/${right}/${name}-${content}.parquet`;
    const record: PartRecord = { path, rows, bytes: bytes.length, stats };
    if (path !== null) await this.#store.put(`${table}/${path}`, bytes);
    const at = `${folderOf(table, right)}/${name}.json`;
    await this.#store.put(at, new TextEncoder().encode(JSON.stringify(record)));
    if (await this.#store.head(storePathOf(table, source.path))) return;
    for (const gone of path === null ? [at] : [at, `${table}/${path}`]) await this.#store.delete(gone);
    throw new MuaraError("share.preparing", "A data file of the table has gone meanwhile; ask again.");
  }

  /**
   * Makes room for so many bytes more: what is too old goes, then what is oldest and has no good address any more.
   * @throws share.busy
   */
  async makeRoom(table: string, bytes: number): Promise<void> {
    const { bytesMax, urlMs } = this.#options;
    const nowMs = this.#clock.nowMs();
    const objects = (await this.#store.list(`${table}/${PARTS_FOLDER}`)).toSorted(
      (a, b) => a.modifiedMs - b.modifiedMs,
    );
    let taken = objects.reduce((sum, object) => sum + object.bytes, 0);
    for (const object of objects) {
      if (taken + bytes <= bytesMax) return;
      if (object.modifiedMs > nowMs - urlMs) break;
      await this.#store.delete(object.path);
      taken -= object.bytes;
    }
    if (taken + bytes <= bytesMax) return;
    throw new MuaraError("share.busy", `The files of parts of the table have no room in ${bytesMax} bytes.`, {
      details: { partsBytes: bytesMax },
    });
  }

  /** An address given out now must stay good. */
  #isFresh({ modifiedMs }: StoredObject): boolean {
    return modifiedMs + this.#options.keptMs > this.#clock.nowMs() + this.#options.urlMs;
  }

  async #read(object: StoredObject | undefined): Promise<PartRecord | undefined> {
    if (!object || !this.#isFresh(object)) return undefined;
    const known = this.#known.get(object.path);
    if (known?.modifiedMs === object.modifiedMs) return known.record;
    const bytes = await this.#store.get(object.path);
    if (!bytes) return undefined;
    const record = JSON.parse(new TextDecoder().decode(bytes)) as PartRecord;
    if (this.#known.size >= RECORDS_MAX) this.#known.clear();
    this.#known.set(object.path, { modifiedMs: object.modifiedMs, record });
    return record;
  }
}

/** How long files of parts are used, ms: each must outlive the addresses that are given out for it. */
export function partsKeptMs({
  partsHours,
  urlMs,
}: {
  readonly partsHours: number;
  readonly urlMs: number;
}): number {
  return Math.max(partsHours * HOUR_MS, 3 * urlMs);
}

/** Deletes files of parts of a table: all, or those written before then. @returns how many */
export async function dropParts(store: ObjectStore, table: string, beforeMs = Infinity): Promise<number> {
  let count = 0;
  for (const { path, modifiedMs } of await store.list(`${table}/${PARTS_FOLDER}`)) {
    if (modifiedMs >= beforeMs) continue;
    // One that was used up may just have been made anew.
    if (beforeMs !== Infinity && ((await store.head(path))?.modifiedMs ?? 0) >= beforeMs) continue;
    await store.delete(path);
    count++;
  }
  return count;
}

/** Whether a path in the store is of a part with this right. */
export function isPartFile(path: string, table: string, right: string): boolean {
  return path.startsWith(`${folderOf(table, right)}/`) && path.endsWith(".parquet");
}

/** Whether a path in the store is of any part of a table. */
export function isAnyPartFile(path: string): boolean {
  return path.split("/")[1] === PARTS_FOLDER;
}

function folderOf(table: string, right: string): string {
  return `${table}/${PARTS_FOLDER}/${right}`;
}
