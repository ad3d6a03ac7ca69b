/**
 * One commit of the Delta log as a file: `_delta_log/%020d.json`, one action a line, commitInfo first.
 *
 * Integers of `txn` are 64 bit and written bare, as the protocol wants; `JSON.parse` would round them, so those
 * lines are read with the source text of the number. The rest holds only integers below 2^53.
 */
import { assert } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";
import type {
  AddFile,
  RemoveFile,
  TableChange,
  TableCommit,
  TableMetadata,
  Txn,
} from "../../core/ports/table-log.ts";
import {
  metadataFields,
  type Protocol,
  PROTOCOL,
  readAdd,
  readMetadata,
  readProtocol,
  readRemove,
  readTxn,
} from "./actions.ts";
import { corrupt, type Fields, isFields, optionalInteger, optionalText } from "./json-fields.ts";

export const ENGINE_INFO = "muara/0.1.0";
const INT64_MAX = 2n ** 63n - 1n;

/** A commit as read from its file; foreign writers may have left out id and time. */
export interface CommitFile extends TableCommit {
  readonly protocol: Protocol | undefined;
}

export interface CommitHeading {
  readonly version: number;
  readonly commitId: string;
  readonly timestampMs: number;
  /** Whether the table begins here or has no protocol yet. */
  readonly isFirst: boolean;
  /** The live file of each removed path: its partition and size help readers of the change feed. */
  readonly removedFiles: ReadonlyMap<string, AddFile>;
}

export function commitFileName(version: number): string {
  return `${String(version).padStart(20, "0")}.json`;
}

export function formatCommit(heading: CommitHeading, change: TableChange): Uint8Array<ArrayBuffer> {
  const commitInfo = {
    timestamp: heading.timestampMs,
    operation: change.operation,
    operationParameters: {},
    isBlindAppend: change.remove.length === 0 && change.metadata === undefined,
    engineInfo: ENGINE_INFO,
    txnId: heading.commitId,
    muara: change.info,
  };
  const lines = [JSON.stringify({ commitInfo })];
  if (heading.isFirst) lines.push(JSON.stringify({ protocol: PROTOCOL }));
  if (change.metadata) lines.push(JSON.stringify({ metaData: metadataFields(change.metadata) }));
  for (const txn of change.txns) lines.push(formatTxn(txn, heading.timestampMs));
  for (const add of change.add) lines.push(JSON.stringify({ add: addFields(add) }));
  for (const remove of change.remove) {
    lines.push(JSON.stringify({ remove: removeFields(remove, heading.removedFiles.get(remove.path)) }));
  }
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

/** @throws table.corrupt, table.unsupported */
export function parseCommit(version: number, bytes: Uint8Array): CommitFile {
  try {
    return collect(version, new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const details = { version, file: commitFileName(version) };
    if (!(error instanceof MuaraError)) {
      throw new MuaraError("table.corrupt", `commit ${version} cannot be read`, { details, cause: error });
    }
    throw new MuaraError(error.code, `commit ${version}: ${error.message}`, {
      details: { ...error.details, ...details },
      cause: error,
    });
  }
}

function collect(version: number, text: string): CommitFile {
  const add: AddFile[] = [];
  const remove: RemoveFile[] = [];
  const txns: Txn[] = [];
  let commitInfo: Fields = {};
  let protocol: Protocol | undefined;
  let metadata: TableMetadata | undefined;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const action = parseAction(line);
    if (isFields(action["commitInfo"])) commitInfo = action["commitInfo"];
    if (isFields(action["protocol"])) protocol = readProtocol(action["protocol"]);
    if (isFields(action["metaData"])) metadata = readMetadata(action["metaData"]);
    if (isFields(action["txn"])) txns.push(readTxn(action["txn"]));
    if (isFields(action["add"])) add.push(readAdd(action["add"]));
    if (isFields(action["remove"])) remove.push(readRemove(action["remove"]));
  }
  const info = commitInfo["muara"];
  return {
    version,
    commitId: optionalText(commitInfo, "txnId") ?? "",
    timestampMs: optionalInteger(commitInfo, "timestamp") ?? 0,
    operation: optionalText(commitInfo, "operation") ?? "",
    protocol,
    ...(metadata === undefined ? {} : { metadata }),
    add,
    remove,
    txns,
    info: isFields(info) ? info : {},
  };
}

function parseAction(line: string): Fields {
  const action: unknown = line.includes('"txn"') ? JSON.parse(line, exactVersion) : JSON.parse(line);
  if (!isFields(action)) throw corrupt("a line of the log is no action");
  return action;
}

/** Reviver: integers named `version` become bigints, from their digits. */
function exactVersion(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (key !== "version" || typeof value !== "number") return value;
  assert(context?.source !== undefined, "this runtime's JSON.parse gives no source text");
  return BigInt(context.source);
}

function formatTxn({ appId, version }: Txn, lastUpdated: number): string {
  assert(version >= -INT64_MAX - 1n && version <= INT64_MAX, `txn ${appId} is not a signed 64-bit integer`);
  return `{"txn":{"appId":${JSON.stringify(appId)},"version":${version},"lastUpdated":${lastUpdated}}}`;
}

function addFields(add: AddFile): Fields {
  const { path, partitionValues, size, modificationTime, dataChange, stats, tags } = add;
  return { path, partitionValues, size, modificationTime, dataChange, stats, tags };
}

function removeFields(remove: RemoveFile, file: AddFile | undefined): Fields {
  const { path, deletionTimestamp, dataChange } = remove;
  if (file === undefined) return { path, deletionTimestamp, dataChange };
  const { partitionValues, size } = file;
  return { path, deletionTimestamp, dataChange, extendedFileMetadata: true, partitionValues, size };
}
