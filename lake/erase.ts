/**
 * Erasure of a subject: the rows of an event type in which a field has a value go, from the newest version and at once
 * from all older ones; dead letters of the type that hold the value lose their bytes, and rows of the ledgers and side
 * files the ids of what went. Statistics of files that are gone are taken out of the table's log, since least and
 * greatest values are values, too. What stays is the number of rows, and keyed hashes of their ids, so that a resend
 * within the horizon is a duplicate.
 *
 * The order matters for one that is cut off: the rows go after everything that is found by their ids, and what is done
 * twice does no harm. So an erasure is simply repeated until its report says that nothing waits.
 *
 * The surprising rule: files that the table's log never named, or no longer knows, may be uploads under way. They are
 * looked into, but the younger ones are left to the sweeper, and told.
 */
import { MuaraError } from "../core/errors.ts";
import { envelopePaths, type EventType } from "../core/event-type.ts";
import type { ObjectStore, StoredObject } from "../core/ports/object-store.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { checksumTags } from "./checksum.ts";
import { hasSecret } from "./id-key.ts";
import { DEAD_LETTERS, DUPLICATES, REPLAYS } from "./ledger-tables.ts";
import { quoteText } from "./query/view.ts";
import { dropIceberg } from "./iceberg/export.ts";
import { removeRows, type RemovedFile, type RemoveRowsPorts } from "./remove-rows.ts";
import { rewriteWithout } from "./rewrite-without.ts";
import { FileEditor } from "./file-editor.ts";
import { scrubLog } from "./scrub-log.ts";
import { idsOf, recordsOf, rowsOf, type Subject } from "./subject.ts";
import { addFile, dataFilePath, statedRows, storePathOf } from "./table/add-file.ts";
import { stateOf } from "./table/table-state.ts";

const DATA_FILE = /^(?:[^/_][^/]*\/)*part-[^/]+\.parquet$/;
const SIDE_FILE = /^_muara\/side-[^/]+\.parquet$/;
const BLANK = { event_id: "NULL" };
const BLANK_RECORD = {
  ...BLANK,
  detail: "CASE WHEN detail IS NULL THEN NULL ELSE 'erased' END",
  payload: "NULL",
  header: "NULL",
  event_key: "NULL",
};
/** Ledger → what its rows lose. */
const LEDGERS: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  [DEAD_LETTERS, BLANK_RECORD],
  [DUPLICATES, { ...BLANK, bytes_hash: "NULL" }],
  [REPLAYS, BLANK],
];

export interface EraseRequest {
  readonly eventType: EventType;
  readonly subject: Subject;
  /** Names the erasure in the commits. */
  readonly id: string;
  /** As in `RowRemoval`. */
  readonly horizonMs: number;
  readonly partitions: number;
  /** At this age a file that no version names is nobody's, ms. */
  readonly sweepAfterMs: number;
  /** Counts only. */
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

export interface Erased {
  readonly table: string;
  /** Version without the rows; null where there were none. */
  readonly version: number | null;
  readonly rows: number;
  /** Files that held them, as the log names them. */
  readonly files: readonly string[];
  /** Rows of dead letters, duplicates and replays that lost what they said of the subject, and side files. */
  readonly ledgerRows: number;
  readonly sideFiles: number;
  /** Files of older versions that were deleted. */
  readonly deleted: number;
  /** Files of the table's log that lost statistics. */
  readonly scrubbed: number;
  /** Files that hold the subject's rows and may be uploads under way: repeat the erasure later. */
  readonly waiting: readonly string[];
}

/** @throws erasure.field where the table has no such field, and what `removeRows` throws */
export async function eraseSubject(ports: RemoveRowsPorts, request: EraseRequest): Promise<Erased> {
  const editor = await FileEditor.open();
  try {
    return await new Erasure(ports, request, editor).run();
  } finally {
    await editor.close();
  }
}

class Erasure {
  readonly #ports: RemoveRowsPorts;
  readonly #request: EraseRequest;
  readonly #editor: FileEditor;
  readonly #table: string;
  readonly #gone: string;
  readonly #isDryRun: boolean;

  constructor(ports: RemoveRowsPorts, request: EraseRequest, editor: FileEditor) {
    this.#ports = ports;
    this.#request = request;
    this.#editor = editor;
    this.#table = request.eventType.name;
    this.#gone = rowsOf(request.subject);
    this.#isDryRun = request.isDryRun === true;
  }

  async run(): Promise<Erased> {
    const snapshot = await this.#ports.openTable(this.#table).snapshot();
    const schema = snapshot.metadata?.schemaString;
    if (schema === undefined || !hasSecret(snapshot))
      throw new MuaraError("table.not_found", `${this.#table} is not a table that events land in (yet).`, {
        details: { table: this.#table },
      });
    const problem = await this.#editor.problemOf(schema, this.#gone);
    if (problem !== undefined)
      throw new MuaraError("erasure.field", `${this.#table} cannot be asked for that: ${problem}`, {
        details: { table: this.#table, column: this.#request.subject.column },
      });
    const dead = await this.#noteIds(snapshot);
    const sideFiles = await this.#blankSideFiles();
    let ledgerRows = 0;
    for (const [ledger, values] of LEDGERS) ledgerRows += await this.#blankLedger(ledger, values);
    const removed = await removeRows(this.#ports, this.#table, {
      ...this.#request,
      reason: "erasure",
      operation: "DELETE",
      info: { erasure: this.#request.id },
      plan: (now) => this.#planRows(now),
    });
    const { deleted, waiting } = await this.#deleteOld(dead);
    // An export names the older files, and its bounds may say what was in them.
    if (!this.#isDryRun && removed.rows + deleted > 0) await dropIceberg(this.#ports.store, this.#table);
    // A projection may have read a side file before it was blanked, and committed since.
    for (const [ledger, values] of this.#isDryRun ? [] : LEDGERS)
      ledgerRows += await this.#blankLedger(ledger, values);
    let scrubbed = 0;
    const tables = [this.#table, ...LEDGERS.map(([ledger]) => ledger)];
    if (!this.#isDryRun)
      for (const table of tables)
        scrubbed += await scrubLog(this.#ports.store, table, await this.#newest(table));
    const { version, rows, paths: files } = removed;
    const ledgers = { ledgerRows, sideFiles };
    return { table: this.#table, version, rows, files, ...ledgers, deleted, scrubbed, waiting };
  }

  #newest(table: string): Promise<TableSnapshot> {
    return this.#ports.openTable(table).snapshot();
  }

  /** Notes the ids of all rows of the subject, live or not. @returns dead files that hold some */
  async #noteIds(snapshot: TableSnapshot): Promise<readonly StoredObject[]> {
    const { schemaString = "", partitionColumns = [] } = snapshot.metadata ?? {};
    const live = livePaths(this.#table, snapshot);
    const dead: StoredObject[] = [];
    for (const object of await this.#filesOf(this.#table, DATA_FILE)) {
      this.#request.signal.throwIfAborted();
      const bytes = await this.#ports.store.get(object.path);
      if (!bytes) continue; // swept meanwhile
      const rows = await this.#editor.noteIds(bytes, schemaString, partitionColumns, this.#gone);
      if (rows > 0 && !live.has(object.path)) dead.push(object);
    }
    return dead;
  }

  async #planRows(now: TableSnapshot): Promise<readonly RemovedFile[]> {
    const planned: RemovedFile[] = [];
    for (const file of now.files.values()) {
      this.#request.signal.throwIfAborted();
      const found = await rewriteWithout(
        this.#ports,
        this.#table,
        this.#editor,
        now,
        file,
        this.#gone,
        this.#isDryRun,
      );
      if (found.rows > 0) planned.push(found);
    }
    return planned;
  }

  /** In place: a commit names the file. @returns how many lost something */
  async #blankSideFiles(): Promise<number> {
    const { store } = this.#ports;
    let count = 0;
    for (const { path } of await this.#filesOf(this.#table, SIDE_FILE)) {
      const bytes = await store.get(path);
      const etag = (await store.head(path))?.etag;
      if (!bytes || etag === undefined) continue; // swept meanwhile
      const blank = await this.#editor.replace(bytes, undefined, [], this.#records(), BLANK_RECORD);
      if (!blank) continue;
      count++;
      if (!this.#isDryRun) await store.putIfMatch(path, blank.bytes, etag);
    }
    return count;
  }

  /** @returns rows that lost something */
  async #blankLedger(ledger: string, values: Readonly<Record<string, string>>): Promise<number> {
    if ((await this.#newest(ledger)).version < 0) return 0;
    const isOurs = `event_type = ${quoteText(this.#table)}`;
    const condition = `${isOurs} AND (${ledger === DEAD_LETTERS ? this.#records() : idsOf()})`;
    let rows = 0;
    await removeRows(this.#ports, ledger, {
      reason: "erasure",
      operation: "UPDATE",
      horizonMs: 0,
      partitions: 0,
      info: { erasure: this.#request.id },
      isDryRun: this.#isDryRun,
      signal: this.#request.signal,
      plan: async (now) => {
        const planned: RemovedFile[] = [];
        rows = 0;
        for (const file of now.files.values()) {
          const blank = await this.#blankFile(ledger, now, file, condition, values);
          if (!blank) continue;
          rows += blank.replaced;
          planned.push({ file, rest: blank.rest, rows: 0 });
        }
        return planned;
      },
    });
    if (!this.#isDryRun) await this.#deleteTombstoned(ledger, condition);
    return rows;
  }

  async #blankFile(
    ledger: string,
    { metadata }: TableSnapshot,
    file: AddFile,
    condition: string,
    values: Readonly<Record<string, string>>,
  ): Promise<{ readonly rest: AddFile; readonly replaced: number } | undefined> {
    const { store, clock, randomness } = this.#ports;
    const { schemaString, partitionColumns = [] } = metadata ?? {};
    const old = await store.get(storePathOf(ledger, file.path));
    if (!old) throw new MuaraError("table.corrupt", `${ledger} names ${file.path}, which does not exist.`);
    const blank = await this.#editor.replace(old, schemaString, partitionColumns, condition, values);
    if (!blank) return undefined;
    const path = dataFilePath(file.partitionValues, randomness.uuid());
    if (!this.#isDryRun) await store.put(storePathOf(ledger, path), blank.bytes);
    const rest = addFile({
      path,
      partitionValues: file.partitionValues,
      bytes: blank.bytes.length,
      modifiedMs: clock.nowMs(),
      tags: checksumTags(blank.bytes),
    });
    const stats = JSON.stringify({ numRecords: statedRows(file) ?? blank.rows });
    return { rest: { ...rest, stats }, replaced: blank.replaced };
  }

  /** Files of a ledger that its log removed and that hold what was blanked. */
  async #deleteTombstoned(ledger: string, condition: string): Promise<void> {
    const snapshot = await this.#newest(ledger);
    const { schemaString, partitionColumns = [] } = snapshot.metadata ?? {};
    const removed = new Set([...stateOf(snapshot).tombstones].map(([path]) => storePathOf(ledger, path)));
    for (const { path } of await this.#filesOf(ledger, DATA_FILE)) {
      const bytes = removed.has(path) ? await this.#ports.store.get(path) : undefined;
      const found =
        bytes && (await this.#editor.replace(bytes, schemaString, partitionColumns, condition, BLANK));
      if (found) await this.#ports.store.delete(path);
    }
  }

  /** Files that hold the subject's rows and that no live version names. */
  async #deleteOld(dead: readonly StoredObject[]): Promise<{ deleted: number; waiting: readonly string[] }> {
    if (this.#isDryRun) return { deleted: 0, waiting: [] };
    const { store, clock } = this.#ports;
    const snapshot = await this.#newest(this.#table);
    const live = livePaths(this.#table, snapshot);
    const { schemaString = "", partitionColumns = [] } = snapshot.metadata ?? {};
    const known = new Set([...stateOf(snapshot).tombstones].map(([path]) => storePathOf(this.#table, path)));
    const met = new Set(dead.map(({ path }) => path));
    const waiting: string[] = [];
    let deleted = 0;
    for (const { path, modifiedMs } of await this.#filesOf(this.#table, DATA_FILE)) {
      if (live.has(path)) continue;
      const bytes = met.has(path) ? undefined : await store.get(path);
      const rows = bytes && (await this.#editor.noteIds(bytes, schemaString, partitionColumns, this.#gone));
      if (!met.has(path) && !rows) continue;
      const isOld = modifiedMs < clock.nowMs() - this.#request.sweepAfterMs;
      if (known.has(path) || isOld) {
        await store.delete(path);
        deleted++;
      } else waiting.push(path);
    }
    return { deleted, waiting };
  }

  #records(): string {
    return recordsOf(this.#request.subject, envelopePaths(this.#request.eventType).body);
  }

  async #filesOf(table: string, pattern: RegExp): Promise<readonly StoredObject[]> {
    const listed = await listOf(this.#ports.store, table);
    return listed.filter(({ path }) => pattern.test(path.slice(table.length + 1)));
  }
}

async function listOf(store: ObjectStore, table: string): Promise<readonly StoredObject[]> {
  return (await store.list(table)).filter(({ path }) => path.startsWith(`${table}/`));
}

function livePaths(table: string, { files }: TableSnapshot): ReadonlySet<string> {
  return new Set([...files.values()].map(({ path }) => storePathOf(table, path)));
}
