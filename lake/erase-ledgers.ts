/**
 * What the ledgers and the side files of commits say of a subject is blanked: dead letters lose their bytes, rows of
 * all of them the ids. In place for side files, because a commit names them; by a commit for the ledgers.
 */
import { hasCode, MuaraError } from "../core/errors.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { tagsOf } from "./checksum.ts";
import { type EditedFile, editedFile } from "./edited-file.ts";
import type { FileEditor, FoundRows } from "./file-editor.ts";
import { DEAD_LETTERS, DUPLICATES, REPLAYS } from "./ledger-tables.ts";
import type { LogPlaces } from "./log-places.ts";
import { quoteText } from "./query/view.ts";
import { removeRows, type RemovedFile, type RemoveRowsPorts } from "./remove-rows.ts";
import { missing } from "./rewrite-without.ts";
import { idsOf, recordsOf, type Subject } from "./subject.ts";
import { addFile, dataFilePath, statedRows, storePathOf } from "./table/add-file.ts";
import { dataFilesOf, sideFilesOf } from "./table-files.ts";
import { stateOf } from "./table/table-state.ts";

const BLANK = { event_id: "NULL" };
const BLANK_RECORD = {
  ...BLANK,
  detail: "CASE WHEN detail IS NULL THEN NULL ELSE 'erased' END",
  payload: "NULL",
  header: "NULL",
  event_key: "NULL",
};
/** A side file may be replaced by another erasure meanwhile, but not time and again. */
const ATTEMPTS_MAX = 8;

export interface Ledger {
  readonly name: string;
  /** What its rows lose, SQL by column. */
  readonly blank: Readonly<Record<string, string>>;
}

export const LEDGERS: readonly Ledger[] = [
  { name: DEAD_LETTERS, blank: BLANK_RECORD },
  { name: DUPLICATES, blank: { ...BLANK, bytes_hash: "NULL" } },
  { name: REPLAYS, blank: BLANK },
];

export interface BlankPorts extends RemoveRowsPorts {
  /** Has noted the ids of the subject's rows. */
  readonly editor: FileEditor;
  /** Gets the places of the records that rows are about. */
  readonly places: LogPlaces;
}

export interface BlankRequest {
  /** Of the event type. */
  readonly table: string;
  readonly subject: Subject;
  /** Path of object keys to the payload inside of the event. */
  readonly bodies: readonly (readonly string[])[];
  /** Names the erasure in the commits. */
  readonly id: string;
  readonly signal: AbortSignal;
  /** Looks only, and notes places. */
  readonly isLooking: boolean;
}

/** @returns how many lose something */
export async function blankSideFiles(ports: BlankPorts, request: BlankRequest): Promise<number> {
  let count = 0;
  for (const { path } of await sideFilesOf(ports.store, request.table))
    if (await blankSideFile(ports, request, path)) count++;
  return count;
}

async function blankSideFile(ports: BlankPorts, request: BlankRequest, path: string): Promise<boolean> {
  const { store, editor, places } = ports;
  const wanted = recordsOf(request.subject, request.bodies);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    request.signal.throwIfAborted();
    const head = await store.head(path);
    if (!head) return false; // swept meanwhile
    const file = { store, table: request.table, path, bytes: head.bytes, schemaString: null };
    let isDone = true;
    const found = await orGone(
      editor.replace(
        { ...file, partitionColumns: [] },
        wanted,
        BLANK_RECORD,
        request.isLooking ? undefined : async (_, put) => void (isDone = await put(path, head.etag)),
        placed(ports),
      ),
    );
    places.add(found.places);
    if (isDone) return found.rows > 0;
  }
  throw new MuaraError("table.commit_conflict", `Others replaced ${path}, time and again.`, {
    details: { path, attempts: ATTEMPTS_MAX },
  });
}

/** @returns rows that lose something */
export async function blankLedger(
  ports: BlankPorts,
  request: BlankRequest,
  { name, blank }: Ledger,
): Promise<number> {
  if ((await ports.openTable(name).snapshot()).version < 0) return 0;
  const { table, subject, bodies, isLooking, signal } = request;
  const records = name === DEAD_LETTERS ? recordsOf(subject, bodies) : idsOf();
  const condition = `event_type = ${quoteText(table)} AND (${records})`;
  let rows = 0;
  await removeRows(ports, name, {
    reason: "erasure",
    operation: "UPDATE",
    horizonMs: 0,
    partitions: 0,
    info: { erasure: request.id },
    isDryRun: isLooking,
    signal,
    plan: async (now) => {
      const planned: RemovedFile[] = [];
      rows = 0;
      for (const file of now.files.values()) {
        signal.throwIfAborted();
        const changed = await blankFile(ports, name, now, file, condition, blank, isLooking);
        if (changed.rows === 0) continue;
        rows += changed.rows;
        planned.push({ file, rest: changed.rest, rows: 0 });
      }
      return planned;
    },
  });
  if (!isLooking) await deleteTombstoned(ports, name, condition);
  return rows;
}

async function blankFile(
  ports: BlankPorts,
  ledger: string,
  now: TableSnapshot,
  file: AddFile,
  condition: string,
  values: Readonly<Record<string, string>>,
  isLooking: boolean,
): Promise<{ readonly rest: AddFile | null; readonly rows: number }> {
  const { store, clock, randomness, editor, places } = ports;
  const { partitionValues } = file;
  const from = editedFile(store, ledger, now, file);
  let rest: AddFile | null = null;
  const write: Parameters<FileEditor["replace"]>[3] = async ({ bytes, checksum, rows }, put) => {
    const path = dataFilePath(partitionValues, randomness.uuid());
    await put(storePathOf(ledger, path));
    const add = addFile({ path, partitionValues, bytes, modifiedMs: clock.nowMs(), tags: tagsOf(checksum) });
    rest = { ...add, stats: JSON.stringify({ numRecords: statedRows(file) ?? rows }) };
  };
  try {
    const found = await editor.replace(from, condition, values, isLooking ? undefined : write, placed(ports));
    places.add(found.places);
    return { rest, rows: found.rows };
  } catch (error) {
    throw hasCode(error, "table.version_not_found") ? missing(ledger, from.path, error) : error;
  }
}

/** Files of a ledger that its log removed and that hold what was blanked. */
async function deleteTombstoned(ports: BlankPorts, ledger: string, condition: string): Promise<void> {
  const { store, editor } = ports;
  const snapshot = await ports.openTable(ledger).snapshot();
  const { schemaString = null, partitionColumns = [] } = snapshot.metadata ?? {};
  const removed = new Set([...stateOf(snapshot).tombstones].map(([path]) => storePathOf(ledger, path)));
  for (const object of await dataFilesOf(store, ledger)) {
    if (!removed.has(object.path)) continue;
    const file: EditedFile = { store, table: ledger, ...object, schemaString, partitionColumns };
    const { rows } = await orGone(editor.replace(file, condition, BLANK, undefined));
    if (rows > 0) await store.delete(object.path);
  }
}

/** Only of rows that are about the log and the stream that there are now. */
function placed({ places }: BlankPorts): string | null {
  return places.topicId === undefined ? null : `topic_id = ${quoteText(places.topicId)}`;
}

/** A file that was swept meanwhile holds nothing. */
async function orGone(found: Promise<FoundRows>): Promise<FoundRows> {
  try {
    return await found;
  } catch (error) {
    if (hasCode(error, "table.version_not_found")) return { rows: 0, places: [] };
    throw error;
  }
}
