/**
 * The lines of an answer in the two forms of the Delta Sharing protocol: `parquet` names files in the protocol's own
 * words, `delta` wraps actions of the Delta log, whose paths are addresses. Which one a client gets is settled by the
 * header `delta-sharing-capabilities`; who takes both gets `parquet`, which every client reads, because no table here
 * needs more.
 */
import { createHash } from "node:crypto";
import type { AddFile, TableMetadata } from "../../core/ports/table-log.ts";
import type { SharedTable } from "../../core/share.ts";
import { metadataFields, PROTOCOL } from "../table/actions.ts";
import { publicProperties } from "../table/table-properties.ts";

export type ShareFormat = "parquet" | "delta";
/** One line of an answer, JSON-ready. */
export type Line = Readonly<Record<string, unknown>>;

const HEADER_LENGTH_MAX = 4_096;
const CHANGE_FEED = "delta.enableChangeDataFeed";
const CHANGE_FEED_WRITER = 4;

/** @param header `responseformat=delta,parquet;readerfeatures=…`; keys and values ignore case */
export function negotiateFormat(header: string | undefined): ShareFormat {
  const capabilities = (header ?? "").slice(0, HEADER_LENGTH_MAX).toLowerCase().split(";");
  const formats = new Set(
    capabilities
      .map((one) => one.trim().split("="))
      .filter(([key]) => key?.trim() === "responseformat")
      .flatMap(([, values = ""]) => values.split(",").map((value) => value.trim())),
  );
  return formats.has("delta") && !formats.has("parquet") ? "delta" : "parquet";
}

/** With a change feed Delta's own version for writers is 4; clients refuse to read changes below it. */
export function protocolLine(format: ShareFormat, { hasHistory }: SharedTable): Line {
  if (format === "parquet") return { protocol: { minReaderVersion: 1 } };
  const deltaProtocol = hasHistory ? { ...PROTOCOL, minWriterVersion: CHANGE_FEED_WRITER } : PROTOCOL;
  return { protocol: { deltaProtocol } };
}

export interface ShownMetadata {
  readonly metadata: TableMetadata;
  readonly version: number;
  readonly shared: SharedTable;
  /** Files and bytes, where they are known. */
  readonly size?: { readonly files: number; readonly bytes: number } | undefined;
}

export function metadataLine(format: ShareFormat, { metadata, version, shared, size }: ShownMetadata): Line {
  const feed = shared.hasHistory ? { [CHANGE_FEED]: "true" } : {};
  const shown = { ...metadata, name: shared.name, configuration: { ...publicProperties(metadata), ...feed } };
  const totals = size ? { size: size.bytes, numFiles: size.files } : {};
  if (format === "delta") return { metaData: { version, ...totals, deltaMetadata: metadataFields(shown) } };
  const { id, name, schemaString, partitionColumns, configuration } = shown;
  const provider = { provider: "parquet" };
  return {
    metaData: {
      id,
      name,
      format: provider,
      schemaString,
      partitionColumns,
      configuration,
      version,
      ...totals,
    },
  };
}

export interface ShownFile {
  readonly add: AddFile;
  readonly url: string;
  /** ms since 1970 UTC. */
  readonly expiresMs: number;
  /** Of a file in a table's history. */
  readonly at?: { readonly version: number; readonly timestampMs: number } | undefined;
}

/** @param kind `file` of a table, or what a version did with it */
export function fileLine(
  format: ShareFormat,
  kind: "file" | "add" | "remove",
  tableId: string,
  { add, url, expiresMs, at }: ShownFile,
): Line {
  const { size, partitionValues, stats } = add;
  const id = fileId(tableId, add.path);
  const when = at ? { version: at.version, timestamp: at.timestampMs } : {};
  if (format === "delta") {
    const action = deltaAction(kind, { ...add, path: url }, at?.timestampMs ?? 0);
    return { file: { id, size, ...when, expirationTimestamp: expiresMs, deltaSingleAction: action } };
  }
  const known = stats === undefined || kind === "remove" ? {} : { stats };
  return { [kind]: { url, id, partitionValues, size, ...known, ...when, expirationTimestamp: expiresMs } };
}

function deltaAction(kind: "file" | "add" | "remove", add: AddFile, timestampMs: number): Line {
  const { path, partitionValues, size, modificationTime, stats } = add;
  if (kind === "remove") {
    const more = { dataChange: true, extendedFileMetadata: true, partitionValues, size };
    return { remove: { path, deletionTimestamp: timestampMs, ...more } };
  }
  return { add: { path, partitionValues, size, modificationTime, dataChange: kind === "add", stats } };
}

/** The same file has the same id in every answer, and the id does not tell the path. */
function fileId(tableId: string, path: string): string {
  return createHash("sha256")
    .update(JSON.stringify([tableId, path]))
    .digest("hex")
    .slice(0, 32);
}

export function linesText(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
