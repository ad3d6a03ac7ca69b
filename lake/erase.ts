/**
 * Erasure of a subject: the rows of an event type in which a field has a value go, from the newest version and at once
 * from all older ones; dead letters of the type that hold the value lose their bytes, and rows of the ledgers and side
 * files the ids of what went; the log's own records of them become tombstones, where the log can do that. Statistics of
 * files that are gone are taken out of the table's log, since least and greatest values are values, too. What stays is
 * the number of rows, and keyed hashes of their ids, so that a resend within the horizon is a duplicate.
 *
 * The order matters for one that is cut off: what is found by something else goes before that. So the log's records go
 * first, then what is found by the rows' ids, then the rows; and what is done twice does no harm. An erasure is simply
 * repeated until its report says that nothing waits.
 *
 * The surprising rule: files that the table's log never named, or no longer knows, may be uploads under way. They are
 * looked into, but the younger ones are left to the sweeper, and told.
 */
import { hasCode, MuaraError } from "../core/errors.ts";
import { isCaptured } from "../core/event-type-annotations.ts";
import type { Log } from "../core/ports/log.ts";
import type { StoredObject } from "../core/ports/object-store.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import { eraseCurrent, type ErasedCurrent, NOTHING_ERASED } from "./current/erase-current.ts";
import { blankLedger, blankSideFiles, type BlankPorts, LEDGERS } from "./erase-ledgers.ts";
import { countInFlight, cursorsOf, eraseRecords } from "./erase-records.ts";
import type { EraseRequest } from "./erase-request.ts";
import type { EditedFile } from "./edited-file.ts";
import { FileEditor } from "./file-editor.ts";
import { hasSecret } from "./id-key.ts";
import { dropIceberg } from "./iceberg/export.ts";
import { LogPlaces } from "./log-places.ts";
import { removeRows, type RemovedFile, type RemoveRowsPorts } from "./remove-rows.ts";
import { rewriteWithout } from "./rewrite-without.ts";
import { scrubLog } from "./scrub-log.ts";
import { dropParts } from "./share/part-store.ts";
import { bodiesOf, changesOf, rowsOf } from "./subject.ts";
import { storePathOf } from "./table/add-file.ts";
import { dataFilesOf } from "./table-files.ts";
import { stateOf } from "./table/table-state.ts";

export interface ErasePorts extends RemoveRowsPorts {
  /** Where the events came from; absent: its records are not looked at. */
  readonly log?: Log;
}

export interface Erased {
  readonly table: string;
  /** Version without the rows; null where there were none. */
  readonly version: number | null;
  readonly rows: number;
  /** Files that held them, as the log names them. */
  readonly files: readonly string[];
  /** Rows of the current state, where the type is captured. */
  readonly currentRows: number;
  /** Rows of dead letters, duplicates and replays that lost what they said of the subject, and side files. */
  readonly ledgerRows: number;
  readonly sideFiles: number;
  /** Files of older versions that were deleted. */
  readonly deleted: number;
  /** Files of the table's log that lost statistics. */
  readonly scrubbed: number;
  /** Files that hold the subject's rows and may be uploads under way: repeat the erasure later. */
  readonly waiting: readonly string[];
  /** Records of the log that became tombstones; null where the log keeps them until its own retention. */
  readonly logRecords: number | null;
  /** Records of the subject that had not landed when the erasure ended: repeat it. */
  readonly inFlight: number;
}

/** @throws erasure.field where the table has no such field, erasure.too_large, and what `removeRows` throws */
export async function eraseSubject(ports: ErasePorts, request: EraseRequest): Promise<Erased> {
  const editor = new FileEditor(ports.rewriting ?? {}, request.signal);
  try {
    return await new Erasure(ports, request, editor).run();
  } finally {
    await editor.close();
  }
}

class Erasure {
  readonly #ports: ErasePorts;
  readonly #request: EraseRequest;
  readonly #editor: FileEditor;
  readonly #table: string;
  readonly #gone: string;
  readonly #isDryRun: boolean;
  #places = new LogPlaces(undefined, false);

  constructor(ports: ErasePorts, request: EraseRequest, editor: FileEditor) {
    this.#ports = ports;
    this.#request = request;
    this.#editor = editor;
    this.#table = request.eventType.name;
    this.#gone = isCaptured(request.eventType) ? changesOf(request.subject) : rowsOf(request.subject);
    this.#isDryRun = request.isDryRun === true;
  }

  async run(): Promise<Erased> {
    const snapshot = await this.#ports.openTable(this.#table).snapshot();
    await this.#check(snapshot);
    this.#places = await LogPlaces.of(this.#ports.log, this.#table, snapshot);
    const dead = await this.#noteIds(snapshot);
    const found = await this.#blankLedgers(true);
    if (this.#isDryRun) {
      const { rows, paths: files } = await this.#removeRows();
      const { rows: currentRows } = await this.#eraseCurrent();
      const none = { currentRows, deleted: 0, scrubbed: 0, waiting: [], logRecords: null, inFlight: 0 };
      return { table: this.#table, version: null, rows, files, ...found, ...none };
    }
    const from = await cursorsOf(this.#ports.log, this.#table, snapshot);
    const early = await eraseRecords(this.#ports.log, this.#request, this.#places, new Map(), from);
    const { ledgerRows, sideFiles } = await this.#blankLedgers(false);
    const { version, rows, paths: files } = await this.#removeRows();
    const { deleted, waiting } = await this.#deleteOld(dead);
    const current = await this.#eraseCurrent();
    // An export names the older files, and its bounds may say what was in them.
    if (rows + deleted > 0) await dropIceberg(this.#ports.store, this.#table);
    // After the data files: see lake/share/part-store.ts.
    await dropParts(this.#ports.store, this.#table);
    // A projection may have read a side file before it was blanked, and committed since.
    const later = await this.#blankLedgers(false);
    for (const ledger of LEDGERS) await dropParts(this.#ports.store, ledger.name);
    const to = await cursorsOf(this.#ports.log, this.#table, await this.#newest(this.#table));
    const late = await eraseRecords(this.#ports.log, this.#request, this.#places, from, to);
    const ledgers = { ledgerRows: ledgerRows + later.ledgerRows, sideFiles: sideFiles + later.sideFiles };
    const scrubbed = (await this.#scrub()) + current.scrubbed;
    const logRecords = early === null || late === null ? null : early + late;
    const inFlight = await countInFlight(this.#ports.log, this.#request, to);
    const gone = { deleted: deleted + current.deleted, waiting: [...waiting, ...current.waiting], scrubbed };
    const lake = { table: this.#table, version, rows, files, currentRows: current.rows, ...ledgers, ...gone };
    return { ...lake, logRecords, inFlight };
  }

  async #check({ metadata, ...snapshot }: TableSnapshot): Promise<void> {
    const schema = metadata?.schemaString;
    if (schema === undefined || !hasSecret({ metadata, ...snapshot }))
      throw new MuaraError("table.not_found", `${this.#table} is not a table that events land in (yet).`, {
        details: { table: this.#table },
      });
    const problem = await this.#editor.problemOf(this.#table, schema, this.#gone);
    if (problem !== undefined)
      throw new MuaraError("erasure.field", `${this.#table} cannot be asked for that: ${problem}`, {
        details: { table: this.#table, column: this.#request.subject.column },
      });
  }

  #newest(table: string): Promise<TableSnapshot> {
    return this.#ports.openTable(table).snapshot();
  }

  /** Notes the ids of all rows of the subject, live or not, and their places. @returns dead files that hold some */
  async #noteIds(snapshot: TableSnapshot): Promise<readonly StoredObject[]> {
    const live = livePaths(this.#table, snapshot);
    const dead: StoredObject[] = [];
    for (const object of await dataFilesOf(this.#ports.store, this.#table)) {
      this.#request.signal.throwIfAborted();
      const rows = await this.#rowsIn(object, snapshot);
      if (rows > 0 && !live.has(object.path)) dead.push(object);
    }
    return dead;
  }

  /** How many of the subject's rows a file has, whose ids are noted. */
  async #rowsIn(object: StoredObject, { metadata }: TableSnapshot): Promise<number> {
    const { store } = this.#ports;
    const { schemaString = null, partitionColumns = [] } = metadata ?? {};
    const file: EditedFile = { store, table: this.#table, ...object, schemaString, partitionColumns };
    try {
      const { rows, places } = await this.#editor.noteIds(
        file,
        this.#gone,
        this.#places.isSole ? "true" : null,
      );
      this.#places.add(places);
      return rows;
    } catch (error) {
      if (hasCode(error, "table.version_not_found")) return 0; // swept meanwhile
      throw error;
    }
  }

  /** @param isLooking counts, and notes the places of what would lose something */
  async #blankLedgers(isLooking: boolean): Promise<{ ledgerRows: number; sideFiles: number }> {
    const { subject, eventType, id, signal } = this.#request;
    const ports: BlankPorts = { ...this.#ports, editor: this.#editor, places: this.#places };
    const bodies = bodiesOf(eventType);
    const request = { table: this.#table, subject, bodies, id, signal, isLooking };
    const sideFiles = await blankSideFiles(ports, request);
    let ledgerRows = 0;
    for (const ledger of LEDGERS) ledgerRows += await blankLedger(ports, request, ledger);
    return { ledgerRows, sideFiles };
  }

  #removeRows(): ReturnType<typeof removeRows> {
    return removeRows(this.#ports, this.#table, {
      ...this.#request,
      reason: "erasure",
      operation: "DELETE",
      info: { erasure: this.#request.id },
      plan: (now) => this.#planRows(now),
    });
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

  /** Files that hold the subject's rows and that no live version names. */
  async #deleteOld(dead: readonly StoredObject[]): Promise<{ deleted: number; waiting: readonly string[] }> {
    const { store, clock } = this.#ports;
    const snapshot = await this.#newest(this.#table);
    const live = livePaths(this.#table, snapshot);
    const known = new Set([...stateOf(snapshot).tombstones].map(([path]) => storePathOf(this.#table, path)));
    const met = new Set(dead.map(({ path }) => path));
    const waiting: string[] = [];
    let deleted = 0;
    for (const object of await dataFilesOf(this.#ports.store, this.#table)) {
      const { path, modifiedMs } = object;
      if (live.has(path)) continue;
      if (!met.has(path) && (await this.#rowsIn(object, snapshot)) === 0) continue;
      const isOld = modifiedMs < clock.nowMs() - this.#request.sweepAfterMs;
      if (known.has(path) || isOld) {
        await store.delete(path);
        deleted++;
      } else waiting.push(path);
    }
    return { deleted, waiting };
  }

  async #eraseCurrent(): Promise<ErasedCurrent> {
    return isCaptured(this.#request.eventType) ? eraseCurrent(this.#ports, this.#request) : NOTHING_ERASED;
  }

  async #scrub(): Promise<number> {
    let scrubbed = 0;
    for (const table of [this.#table, ...LEDGERS.map(({ name }) => name)])
      scrubbed += await scrubLog(this.#ports.store, table, await this.#newest(table));
    return scrubbed;
  }
}

function livePaths(table: string, { files }: TableSnapshot): ReadonlySet<string> {
  return new Set([...files.values()].map(({ path }) => storePathOf(table, path)));
}
