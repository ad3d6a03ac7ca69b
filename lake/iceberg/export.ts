/**
 * A table as Iceberg v2, for readers that speak nothing else: metadata beside the table, over the very same Parquet
 * files. A snapshot of one version, read-only: whoever writes through it writes into nothing that Muara reads.
 *
 * An export is a pure function of the table's version and place, files are named after the version, and the hint that
 * names the newest comes last. So two exporters do the same work twice, and one that is killed leaves nothing to see.
 *
 * The newest export must stay readable while the table goes on: `icebergHold` says so to whoever sweeps files, and
 * whoever erases rows makes an end of it first (`dropIceberg`), or exports anew.
 */
import { createHash } from "node:crypto";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableMetadata, TableSnapshot } from "../../core/ports/table-log.ts";
import { rowsOfFooter } from "../parquet/footer.ts";
import { statedRows, storePathOf } from "../table/add-file.ts";
import { parseSchema } from "../table/delta-schema.ts";
import {
  manifestBytes,
  manifestListBytes,
  partitionSpec,
  type ManifestFile,
  type ManifestSnapshot,
} from "./manifest.ts";
import { icebergSchema, nameMapping, type IcebergStruct } from "./schema.ts";

const FOLDER = "metadata";
const HINT = "version-hint.text";
/** Whoever opened the one before may still be reading. */
const EXPORTS_KEPT = 2;
const OWN_FILE = /^(?:v(\d{1,15})\.metadata\.json|(?:manifest|snapshot)-(\d{1,15})\.avro)$/;
const READ_AHEAD = 16;
const UPDATED = "last-updated-ms";

export interface IcebergExport {
  /** Of the table. */
  readonly version: number;
  /** What readers open. */
  readonly metadataLocation: string;
  readonly files: number;
  readonly rows: number;
}

/** @throws table.not_found, table.unsupported, table.corrupt, store.unavailable */
export async function exportIceberg(
  store: ObjectStore,
  table: string,
  snapshot: TableSnapshot,
): Promise<IcebergExport> {
  const { metadata, version } = snapshot;
  if (!metadata) throw new MuaraError("table.not_found", `The table "${table}" has no commit yet.`);
  const { struct, lastId } = icebergSchema(parseSchema(metadata.schemaString));
  const root = asUri(store.location(table));
  const at: ManifestSnapshot = {
    // Ids are positive.
    id: version + 1,
    sequence: version + 1,
    struct,
    spec: partitionSpec(struct, metadata.partitionColumns),
    sync: createHash("sha256").update(`${metadata.id} ${version}`).digest().subarray(0, 16),
  };
  const files = await manifestFiles(store, table, [...snapshot.files.values()]);
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  const place = (name: string): string => `${table}/${FOLDER}/${name}`;
  const uri = (name: string): string => `${root}/${FOLDER}/${name}`;
  const [manifestName, listName] = [`manifest-${version}.avro`, `snapshot-${version}.avro`];
  const manifest = manifestBytes(at, files);
  await store.put(place(manifestName), manifest);
  const summary = { location: uri(manifestName), bytes: manifest.length, files: files.length, rows };
  await store.put(place(listName), manifestListBytes(at, summary));
  const text = tableMetadata({
    metadata,
    snapshot,
    at,
    root,
    lastId,
    list: uri(listName),
    files: files.length,
    rows,
  });
  const name = metadataName(version);
  await store.put(place(name), new TextEncoder().encode(text));
  await moveHint(store, table, version);
  await dropOld(store, table);
  return { version, metadataLocation: uri(name), files: files.length, rows };
}

export interface IcebergHold {
  /** The table's version that the newest export is of. */
  readonly version: number;
  /** When that was committed, ms since 1970 UTC. What was removed later is in the export, and must not be swept. */
  readonly committedMs: number;
}

/**
 * What the newest export needs of the table's files. Whoever sweeps removed files takes `committedMs` as it takes the
 * oldest commit that a consumer has still to read, and waits for it no longer than for any consumer; the table's log
 * is nothing to an export.
 * @returns undefined where nothing is exported
 */
export async function icebergHold(store: ObjectStore, table: string): Promise<IcebergHold | undefined> {
  const version = await newestExport(store, table);
  const bytes =
    version === undefined ? undefined : await store.get(`${table}/${FOLDER}/${metadataName(version)}`);
  if (version === undefined || !bytes) return undefined;
  const { [UPDATED]: committedMs } = JSON.parse(new TextDecoder().decode(bytes)) as Readonly<
    Record<string, number>
  >;
  return { version, committedMs: committedMs ?? 0 };
}

/** Ends an export: no reader finds it any more. */
export async function dropIceberg(store: ObjectStore, table: string): Promise<void> {
  await store.delete(`${table}/${FOLDER}/${HINT}`);
  for (const { path } of await exportedObjects(store, table)) await store.delete(path);
}

/** @returns undefined where nothing is exported */
async function newestExport(store: ObjectStore, table: string): Promise<number | undefined> {
  const bytes = await store.get(`${table}/${FOLDER}/${HINT}`);
  const text = bytes && new TextDecoder().decode(bytes).trim();
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function metadataName(version: number): string {
  return `v${version}.metadata.json`;
}

/** An exporter that was slower than another does not take readers back. */
async function moveHint(store: ObjectStore, table: string, version: number): Promise<void> {
  const newest = await newestExport(store, table);
  if (newest === undefined || newest < version)
    await store.put(`${table}/${FOLDER}/${HINT}`, new TextEncoder().encode(String(version)));
}

async function dropOld(store: ObjectStore, table: string): Promise<void> {
  const objects = await exportedObjects(store, table);
  const versions = [...new Set(objects.map(({ version }) => version))].sort((a, b) => b - a);
  const oldest = versions[EXPORTS_KEPT - 1] ?? -1;
  for (const { path, version } of objects) if (version < oldest) await store.delete(path);
}

async function exportedObjects(
  store: ObjectStore,
  table: string,
): Promise<readonly { readonly path: string; readonly version: number }[]> {
  const prefix = `${table}/${FOLDER}/`;
  return (await store.list(`${table}/${FOLDER}`)).flatMap(({ path }) => {
    const match = OWN_FILE.exec(path.slice(prefix.length));
    return match ? [{ path, version: Number(match[1] ?? match[2]) }] : [];
  });
}

async function manifestFiles(
  store: ObjectStore,
  table: string,
  files: readonly AddFile[],
): Promise<readonly ManifestFile[]> {
  const found: ManifestFile[] = [];
  for (let next = 0; next < files.length; next += READ_AHEAD) {
    const some = files.slice(next, next + READ_AHEAD).map(async (file): Promise<ManifestFile> => {
      const path = storePathOf(table, file.path);
      const { partitionValues, size: bytes, stats } = file;
      const known = stats === undefined ? {} : { stats };
      const location = asUri(store.location(path));
      return { location, partitionValues, bytes, rows: await rowsOf(store, path, file), ...known };
    });
    found.push(...(await Promise.all(some)));
  }
  return found;
}

/** As the table's log says, else as the file itself does. @throws table.corrupt */
async function rowsOf(store: ObjectStore, path: string, file: AddFile): Promise<number> {
  const rows =
    statedRows(file) ?? (await rowsOfFooter((from, to) => store.getRange(path, from, to - from), file.size));
  if (rows !== undefined) return rows;
  throw new MuaraError("table.corrupt", "a data file cannot be read", { details: { path } });
}

/** Folders of this machine become addresses, too. */
function asUri(location: string): string {
  return location.startsWith("/") ? `file://${location}` : location;
}

interface MetadataParts {
  readonly metadata: TableMetadata;
  readonly snapshot: TableSnapshot;
  readonly at: ManifestSnapshot;
  readonly root: string;
  readonly lastId: number;
  readonly list: string;
  readonly files: number;
  readonly rows: number;
}

function tableMetadata({ metadata, snapshot, at, root, lastId, list, files, rows }: MetadataParts): string {
  const { id, sequence, struct, spec } = at;
  const { timestampMs } = snapshot;
  const schema: IcebergStruct & { "schema-id": number } = { ...struct, "schema-id": 0 };
  return JSON.stringify({
    "format-version": 2,
    "table-uuid": metadata.id,
    location: root,
    "last-sequence-number": sequence,
    [UPDATED]: timestampMs,
    "last-column-id": lastId,
    "current-schema-id": 0,
    schemas: [schema],
    "default-spec-id": 0,
    "partition-specs": [spec],
    "last-partition-id": Math.max(999, ...spec.fields.map((field) => field["field-id"])),
    "default-sort-order-id": 0,
    "sort-orders": [{ "order-id": 0, fields: [] }],
    properties: {
      "schema.name-mapping.default": JSON.stringify(nameMapping(struct)),
      "muara.read-only": "true",
      "muara.delta-version": String(snapshot.version),
      // Writers that clean up would delete files which are not theirs.
      "gc.enabled": "false",
    },
    "current-snapshot-id": id,
    snapshots: [
      {
        "snapshot-id": id,
        "sequence-number": sequence,
        "timestamp-ms": timestampMs,
        "manifest-list": list,
        summary: { operation: "append", "total-data-files": String(files), "total-records": String(rows) },
        "schema-id": 0,
      },
    ],
    "snapshot-log": [{ "timestamp-ms": timestampMs, "snapshot-id": id }],
    "metadata-log": [],
    refs: { main: { "snapshot-id": id, type: "branch" } },
  });
}
