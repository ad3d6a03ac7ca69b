/**
 * Holds a table against what its log says: every live file is there and as long as it says; read through, if asked,
 * has its checksum and its rows; and the equations of landing hold: per partition cursor = landed + duplicates + dead
 * letters + gap, and Σ rows of live files = landed − removed (retention, erasure, rollback).
 *
 * It reads what is there and believes nothing that it could count. A check that cannot be made says why, and is never
 * taken for one that held.
 */
import type { Clock } from "../core/clock.ts";
import { hasCode } from "../core/errors.ts";
import { landedPartitions, removedRows, STEP_TXN } from "../core/landed.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { RunningChecksum, statedChecksum } from "./checksum.ts";
import { rowsOfFooter } from "./parquet/footer.ts";
import { statedRows, storePathOf } from "./table/add-file.ts";

const RANGE_BYTES = 4_194_304;
const PARALLEL = 8;
/** Faults that are told one by one; all are counted. */
export const FAULTS_TOLD_MAX = 100;

export type CheckName = "files" | "content" | "cursors" | "rows";

export interface Check {
  readonly check: CheckName;
  /** `skipped` says in `note` why nothing is known. */
  readonly state: "holds" | "broken" | "skipped";
  readonly note: string;
}

export interface Verification {
  readonly version: number;
  readonly files: number;
  readonly bytes: number;
  readonly checks: readonly Check[];
  /** What is wrong, at most FAULTS_TOLD_MAX of it. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
}

export interface Fault {
  readonly check: CheckName;
  /** Of the table, as its log names the file; null for what concerns no file. */
  readonly path: string | null;
  readonly problem: string;
}

export interface VerifyOptions {
  /** Reads every byte of every file. */
  readonly isDeep: boolean;
  readonly signal: AbortSignal;
}

/** @throws store.unavailable where the store does not answer: that is no fault of the table */
export async function verifyTable(
  store: ObjectStore,
  clock: Clock,
  name: string,
  snapshot: TableSnapshot,
  { isDeep, signal }: VerifyOptions,
): Promise<Verification> {
  const faults: Fault[] = [];
  const files = [...snapshot.files.values()];
  let unchecked = 0;
  await inParallel(files, signal, async (file) => {
    const problem = await fileProblem(store, name, file);
    if (problem !== undefined) faults.push({ check: "files", path: file.path, problem });
    if (problem !== undefined || !isDeep) return;
    const content = await contentProblems(store, name, file);
    for (const one of content.problems) faults.push({ check: "content", path: file.path, problem: one });
    if (!content.hasChecksum) unchecked++;
    await clock.sleep(0);
  });
  faults.push(...cursorFaults(snapshot));
  const rows = rowCheck(snapshot, faults);
  const isBroken = (check: CheckName): boolean => faults.some((fault) => fault.check === check);
  const checks: Check[] = [
    { check: "files", state: isBroken("files") ? "broken" : "holds", note: `${files.length} files` },
    isDeep
      ? {
          check: "content",
          state: isBroken("content") ? "broken" : "holds",
          note: unchecked > 0 ? `${unchecked} files have no checksum` : "every checksum",
        }
      : { check: "content", state: "skipped", note: "not asked for" },
    snapshot.txns.has(STEP_TXN)
      ? { check: "cursors", state: isBroken("cursors") ? "broken" : "holds", note: "" }
      : { check: "cursors", state: "skipped", note: "nothing landed here" },
    rows,
  ];
  return {
    version: snapshot.version,
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    checks,
    faults: faults.slice(0, FAULTS_TOLD_MAX),
    faultCount: faults.length,
  };
}

async function fileProblem(store: ObjectStore, name: string, file: AddFile): Promise<string | undefined> {
  try {
    const head = await store.head(storePathOf(name, file.path));
    if (!head) return "it is missing";
    return head.bytes === file.size ? undefined : `it has ${head.bytes} bytes, the log says ${file.size}`;
  } catch (error) {
    if (hasCode(error, "store.path") || hasCode(error, "table.unsupported")) return error.message;
    throw error;
  }
}

async function contentProblems(
  store: ObjectStore,
  name: string,
  file: AddFile,
): Promise<{ readonly problems: readonly string[]; readonly hasChecksum: boolean }> {
  const path = storePathOf(name, file.path);
  const checksum = new RunningChecksum();
  for (let at = 0; at < file.size; at += RANGE_BYTES) {
    const length = Math.min(RANGE_BYTES, file.size - at);
    const bytes = await store.getRange(path, at, length);
    if (bytes?.length !== length) return { problems: ["it changed while it was read"], hasChecksum: true };
    checksum.add(bytes);
  }
  const stated = statedChecksum(file);
  const problems: string[] = [];
  if (stated !== undefined && stated !== checksum.hex)
    problems.push(`its checksum is ${checksum.hex}, the log says ${stated}`);
  const rows = await rowsOfFooter((from, to) => store.getRange(path, from, to - from), file.size);
  const expected = statedRows(file);
  if (rows === undefined) problems.push("it is no readable Parquet file");
  else if (expected !== undefined && rows !== expected)
    problems.push(`it has ${rows} rows, its statistics say ${expected}`);
  return { problems, hasChecksum: stated !== undefined };
}

function cursorFaults({ txns }: TableSnapshot): Fault[] {
  return landedPartitions(txns).flatMap(({ partition, cursor, landed, duplicates, dead, gap }) => {
    const counted = landed + duplicates + dead + gap;
    if (counted === cursor) return [];
    const problem = `partition ${partition}: the cursor is ${cursor}, ${counted} offsets are accounted for`;
    return [{ check: "cursors", path: null, problem }];
  });
}

/** Adds to `faults` what is wrong. */
function rowCheck({ txns, files }: TableSnapshot, faults: Fault[]): Check {
  const check = "rows";
  if (!txns.has(STEP_TXN)) return { check, state: "skipped", note: "nothing landed here" };
  const removed = removedRows(txns);
  if (!removed) return { check, state: "skipped", note: "rows were removed that nobody counted" };
  const counts = [...files.values()].map(statedRows);
  if (counts.includes(undefined)) return { check, state: "skipped", note: "a file does not say its rows" };
  const rows = counts.reduce<number>((sum, count) => sum + count!, 0);
  const landed = landedPartitions(txns).reduce((sum, one) => sum + one.landed, 0);
  const gone = Object.values(removed).reduce((sum, count) => sum + count, 0);
  const account = gone === 0 ? `${landed} landed` : `${landed} landed, ${gone} of them were removed`;
  if (rows === landed - gone) return { check, state: "holds", note: `${rows} rows, ${account}` };
  faults.push({ check, path: null, problem: `live files have ${rows} rows, ${account}` });
  return { check, state: "broken", note: "" };
}

async function inParallel<Item>(
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      signal.throwIfAborted();
      await work(items[next++]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, lane));
}
