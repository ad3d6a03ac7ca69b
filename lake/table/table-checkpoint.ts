/**
 * A table checkpoint: the whole state at one version as Parquet, so that a reader need not replay every commit
 * (Delta's "classic" checkpoint; it has nothing to do with checkpoints of jobs). It keeps every `txn` and the
 * unexpired tombstones.
 *
 * It is a cache. Parquet readers accept many a flipped bit without complaint, so ours carries a digest of the state
 * that it stands for; whoever reads it compares, and falls back to an older one or to the commits.
 */
import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Compressors, parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { joinStorePath } from "../../core/store-path.ts";
import { metadataFields, readAdd, readMetadata, readProtocol, readRemove, readTxn } from "./actions.ts";
import { CHECKPOINT_SCHEMA } from "./checkpoint-schema.ts";
import { commitFileName, parseCommit } from "./commit-file.ts";
import { corrupt, type Fields, integerField, isFields, optionalInteger } from "./json-fields.ts";
import { SortedMap } from "./sorted-map.ts";
import { stateOf, TableState } from "./table-state.ts";

const LAST_CHECKPOINT = "_last_checkpoint";
const TIMESTAMP_KEY = "muara.timestampMs"; // commits' times are not in checkpoints, but time travel needs one
const DIGEST_KEY = "muara.sha256";
const PARTS_MAX = 10_000;

/** What `_last_checkpoint` says: a hint where to begin reading. */
export interface CheckpointHint {
  readonly version: number;
  readonly parts: number | undefined;
}

export interface WrittenCheckpoint {
  readonly version: number;
  readonly actions: number;
  readonly bytes: number;
}

export function logFolder(tablePath: string): string {
  return joinStorePath(tablePath, "_delta_log");
}

/** Writes the checkpoint of `snapshot` and points readers to it. @throws store.unavailable */
export async function writeCheckpoint(
  store: ObjectStore,
  tablePath: string,
  snapshot: TableSnapshot,
): Promise<WrittenCheckpoint> {
  const state = stateOf(snapshot);
  const rows = checkpointRows(state);
  const bytes = new Uint8Array(
    parquetWriteBuffer({
      schema: [...CHECKPOINT_SCHEMA],
      columnData: ["txn", "add", "remove", "metaData", "protocol"].map((name) => ({
        name,
        data: rows.map((row) => row[name]),
      })),
      rowGroupSize: 50_000,
      kvMetadata: [
        { key: TIMESTAMP_KEY, value: String(state.timestampMs) },
        { key: DIGEST_KEY, value: digestOf(state) },
      ],
    }),
  );
  const folder = logFolder(tablePath);
  await store.put(joinStorePath(folder, checkpointFileName(state.version)), bytes);
  const hint = await readHint(store, tablePath);
  if (hint === undefined || hint.version <= state.version) await writeHint(store, tablePath, state);
  return { version: state.version, actions: rows.length, bytes: bytes.length };
}

/** Points readers to the checkpoint of `state`, which exists. @param parts of a foreign one */
export async function writeHint(
  store: ObjectStore,
  tablePath: string,
  { version, protocol, metadata, txns, files, tombstones }: TableState,
  parts?: number,
): Promise<void> {
  const size = (protocol ? 1 : 0) + (metadata ? 1 : 0) + txns.size + files.size + tombstones.size;
  const pointer = { version, size, ...(parts === undefined ? {} : { parts }), numOfAddFiles: files.size };
  const bytes = new TextEncoder().encode(JSON.stringify(pointer));
  await store.put(joinStorePath(logFolder(tablePath), LAST_CHECKPOINT), bytes);
}

/** @returns undefined where there is none, or none that can be read */
export async function readHint(store: ObjectStore, tablePath: string): Promise<CheckpointHint | undefined> {
  const bytes = await store.get(joinStorePath(logFolder(tablePath), LAST_CHECKPOINT));
  if (bytes === undefined) return undefined;
  try {
    const fields: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (!isFields(fields)) return undefined;
    return { version: integerField(fields, "version"), parts: optionalInteger(fields, "parts") };
  } catch {
    return undefined; // half-written by a foreign writer: a hint only, the listing tells as much
  }
}

/** @throws table.corrupt when a part is missing or contradicts itself, table.unsupported, store.unavailable */
export async function readCheckpoint(
  store: ObjectStore,
  tablePath: string,
  hint: CheckpointHint,
): Promise<TableState> {
  let rows: readonly Fields[] = [];
  let marks: ReadonlyMap<string, string | undefined> = new Map();
  for (const name of checkpointFileNames(hint)) {
    const bytes = await store.get(joinStorePath(logFolder(tablePath), name));
    if (bytes === undefined) throw corrupt(`the table checkpoint ${name} is missing`);
    const part = await readParquet(name, bytes);
    rows = rows.concat(part.rows);
    marks = part.marks;
  }
  const mark = marks.get(TIMESTAMP_KEY);
  const timestampMs = mark === undefined ? await foreignTimestampMs(store, tablePath, hint) : Number(mark);
  const state = stateFromRows(hint.version, timestampMs, rows);
  const digest = marks.get(DIGEST_KEY);
  if (digest !== undefined && digest !== digestOf(state)) throw corrupt("a table checkpoint is damaged");
  return state;
}

export function checkpointFileName(version: number): string {
  return `${commitFileName(version).slice(0, -".json".length)}.checkpoint.parquet`;
}

/** The hint that a file name in the log's folder gives. */
export function hintOfFileName(name: string): CheckpointHint | undefined {
  const match = /^(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10}))?\.parquet$/.exec(name);
  if (!match) return undefined;
  const parts = match[2] === undefined ? undefined : Number(match[2]);
  return { version: Number(match[1]), parts };
}

function checkpointFileNames({ version, parts }: CheckpointHint): readonly string[] {
  if (parts === undefined) return [checkpointFileName(version)];
  if (parts < 1 || parts > PARTS_MAX) throw corrupt("_last_checkpoint names an impossible number of parts");
  const stem = checkpointFileName(version).slice(0, -".parquet".length);
  return Array.from({ length: parts }, (_, part) => `${stem}.${ten(part + 1)}.${ten(parts)}.parquet`);
}

function ten(count: number): string {
  return String(count).padStart(10, "0");
}

function checkpointRows(state: TableState): readonly Record<string, Fields>[] {
  const rows: Record<string, Fields>[] = [];
  if (state.protocol) rows.push({ protocol: { ...state.protocol } });
  if (state.metadata) {
    const createdTime = BigInt(state.metadata.createdTime);
    rows.push({ metaData: { ...metadataFields(state.metadata), createdTime } });
  }
  for (const [appId, version] of state.txns) rows.push({ txn: { appId, version } });
  for (const file of state.files.values()) {
    const { path, partitionValues, stats, tags } = file;
    const [size, modificationTime] = [BigInt(file.size), BigInt(file.modificationTime)];
    rows.push({ add: { path, partitionValues, size, modificationTime, dataChange: false, stats, tags } });
  }
  for (const [path, deletionMs] of state.tombstones) {
    rows.push({ remove: { path, deletionTimestamp: BigInt(deletionMs), dataChange: false } });
  }
  return rows;
}

async function readParquet(
  name: string,
  bytes: Uint8Array,
): Promise<{ readonly rows: readonly Fields[]; readonly marks: ReadonlyMap<string, string | undefined> }> {
  const file = new Uint8Array(bytes).buffer;
  try {
    const pairs = parquetMetadata(file).key_value_metadata ?? [];
    const rows: readonly Fields[] = await parquetReadObjects({ file, compressors: COMPRESSORS });
    return { rows, marks: new Map(pairs.map(({ key, value }) => [key, value])) };
  } catch (error) {
    throw corrupt(`${name} is no readable Parquet file`, error);
  }
}

function stateFromRows(version: number, timestampMs: number, rows: readonly Fields[]): TableState {
  const of = (kind: string): readonly Fields[] => rows.map((row) => row[kind]).filter(isFields);
  const [protocol, metadata] = [of("protocol")[0], of("metaData")[0]];
  if (!protocol || !metadata) throw corrupt("a table checkpoint lacks the protocol or the metadata");
  const files = of("add").map((row) => ({ ...readAdd(row), dataChange: false }));
  const txns = of("txn").map(readTxn);
  const removes = of("remove").map(readRemove);
  return new TableState({
    version,
    timestampMs,
    protocol: readProtocol(protocol),
    metadata: readMetadata(metadata),
    files: SortedMap.from(files.map((file) => [file.path, file])),
    txns: SortedMap.from(txns.map((txn) => [txn.appId, txn.version])),
    tombstones: SortedMap.from(removes.map((remove) => [remove.path, remove.deletionTimestamp])),
  });
}

/** Other writers' checkpoints name no time: that of their commit, while it exists, else the file's. */
async function foreignTimestampMs(
  store: ObjectStore,
  tablePath: string,
  hint: CheckpointHint,
): Promise<number> {
  const folder = logFolder(tablePath);
  const commit = await store.get(joinStorePath(folder, commitFileName(hint.version)));
  if (commit !== undefined) return parseCommit(hint.version, commit).timestampMs;
  const head = await store.head(joinStorePath(folder, checkpointFileNames(hint)[0]!));
  return head?.modifiedMs ?? 0;
}

const COMPRESSORS: Compressors = {
  GZIP: (input) => new Uint8Array(gunzipSync(input)),
  ZSTD: (input) => new Uint8Array(zstdDecompressSync(input)),
};

/** Hex SHA-256 of everything that a state consists of. */
function digestOf(state: TableState): string {
  const hash = createHash("sha256");
  const add = (...values: readonly unknown[]): void => void hash.update(`${JSON.stringify(values)}\n`);
  add(state.version, state.timestampMs, state.protocol, state.metadata);
  for (const [appId, version] of state.txns) add("txn", appId, version.toString());
  for (const { path, partitionValues, size, modificationTime, stats, tags } of state.files.values()) {
    add("add", path, partitionValues, size, modificationTime, stats, tags);
  }
  for (const [path, deletionMs] of state.tombstones) add("remove", path, deletionMs);
  return hash.digest("hex");
}
