/**
 * What a recipient reads of a shared table: its version, its metadata, the files of a version, the changes between two
 * (changes.ts). Files are named by addresses that end by themselves, each good for one file of one version.
 *
 * A version whose files compaction has replaced is given out only as long as its files are surely kept for longer than
 * the addresses are good: an answer that names a file which is gone, or goes meanwhile, would be worse than a refusal.
 */
import type { Principal } from "../../core/authorize.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { AddFile, TableMetadata, TableSnapshot } from "../../core/ports/table-log.ts";
import type { SharedTable } from "../../core/share.ts";
import type { Catalog } from "../catalog.ts";
import { fileFilter } from "../query/file-filter.ts";
import type { TableRight } from "../query/part.ts";
import { statedRows, storePathOf } from "../table/add-file.ts";
import { tombstoneRetentionMs } from "../table/table-properties.ts";
import { stateOf } from "../table/table-state.ts";
import { signAddress } from "./file-address.ts";
import { fileLine, metadataLine, protocolLine, type Line, type ShareFormat } from "./format.ts";
import { alternativesOf, type Hints } from "./hints.ts";
import { sharedRight } from "./part-form.ts";
import { SharedParts, type PartsOptions, type PartsPorts, type TablePart } from "./parts.ts";
import { signingKey } from "./signing-key.ts";

export interface ShareReaderPorts extends PartsPorts {
  readonly catalog: Catalog;
}

export interface ShareReaderOptions extends PartsOptions {
  /** Of files on a store with a server of its own. */
  readonly delivery: "presigned" | "proxied";
  readonly versionsMax: number;
}

export interface ShareAnswer {
  /** For the header `delta-table-version`. */
  readonly version: number;
  readonly lines: readonly Line[];
}

export interface TableQuery extends Hints {
  /** Rows that the client wants at most. */
  readonly limitHint?: number | undefined;
  readonly version?: number | undefined;
  readonly timestampMs?: number | undefined;
}

export interface ShareReading {
  readonly shared: SharedTable;
  readonly principal: Principal;
  readonly format: ShareFormat;
  /** `https://host` in front of addresses that Muara serves. */
  readonly origin: string;
}

export interface OpenTable {
  /** Its own name. */
  readonly name: string;
  /** The newest one. */
  readonly snapshot: TableSnapshot;
  readonly metadata: TableMetadata;
  /** Of which something is hidden where it is not whole. */
  readonly right: TableRight;
}

/** Who asks for what. */
export type ShareAsked = Pick<ShareReading, "shared" | "principal">;

export class ShareReader {
  readonly ports: ShareReaderPorts;
  readonly options: ShareReaderOptions;
  readonly parts: SharedParts;

  constructor(ports: ShareReaderPorts, options: ShareReaderOptions) {
    this.ports = ports;
    this.options = options;
    this.parts = new SharedParts(ports, options);
  }

  /** The table at its newest version. @throws table.not_found */
  async open({ shared, principal }: ShareAsked): Promise<OpenTable> {
    const { catalog } = this.ports;
    const table = await catalog.find(shared.table);
    const right = table && sharedRight(shared, principal, table, await catalog.list());
    const snapshot = right && (await catalog.snapshot(table.name));
    if (snapshot?.metadata)
      return { name: table!.name, snapshot, metadata: snapshot.metadata, right: right! };
    throw new MuaraError("table.not_found", `"${shared.schema}.${shared.name}" has no commit yet.`);
  }

  /** The first version that was committed at `timeMs` or later. @throws share.history_off, table.version_not_found */
  async versionFrom(asked: ShareAsked, timeMs: number): Promise<number> {
    const { shared } = asked;
    demandHistory(shared);
    const { name, snapshot } = await this.open(asked);
    if (snapshot.timestampMs < timeMs)
      throw notKept(shared, "The time is after the newest version.", { newestVersion: snapshot.version });
    try {
      return (await this.ports.catalog.log(name).snapshot({ timeMs: timeMs - 1 })).version + 1;
    } catch (error) {
      if (!hasCode(error, "table.version_not_found")) throw error;
      // Nothing that is kept is older.
      const oldest = error.details["oldestVersion"];
      return typeof oldest === "number" ? oldest : 0;
    }
  }

  /** The last version that was committed at `timeMs` or before. @throws share.history_off, table.version_not_found */
  async versionUntil(asked: ShareAsked, timeMs: number): Promise<number> {
    demandHistory(asked.shared);
    const { name, snapshot } = await this.open(asked);
    if (snapshot.timestampMs <= timeMs) return snapshot.version;
    return (await this.ports.catalog.log(name).snapshot({ timeMs })).version;
  }

  /** What is visible of a version of a table; undefined where all of it is. @throws table.not_found */
  async part(
    { shared }: ShareAsked,
    { name, right }: OpenTable,
    metadata: TableMetadata,
  ): Promise<TablePart | undefined> {
    if (right.isWhole) return undefined;
    const part = await this.parts.of(name, right, metadata);
    if (part) return part;
    throw new MuaraError("table.not_found", `There is no table "${shared.schema}.${shared.name}".`);
  }

  async metadata(reading: ShareReading): Promise<ShareAnswer> {
    const table = await this.open(reading);
    const part = await this.part(reading, table, table.metadata);
    const { snapshot, metadata } = table;
    return { version: snapshot.version, lines: headOf(reading, snapshot, metadata, part) };
  }

  /** @throws share.history_off, share.too_large, share.preparing, share.busy, table.version_not_found */
  async query(reading: ShareReading, query: TableQuery): Promise<ShareAnswer> {
    const { shared, format } = reading;
    const table = await this.open(reading);
    const snapshot = await this.#pinned(shared, table, query);
    const whole = snapshot.metadata ?? table.metadata;
    const part = await this.part(reading, table, whole);
    const { version, timestampMs } = snapshot;
    const { id } = part?.form.metadata ?? whole;
    const files = part
      ? await this.#partFiles(shared, table, part, snapshot, query)
      : this.#files(shared, table, whole, snapshot, query);
    const isPast = query.version !== undefined || query.timestampMs !== undefined;
    const at = isPast ? { version, timestampMs } : undefined;
    const address = await this.addresses(reading, table.name, version, files.length);
    const shown = files.map(async (add) =>
      fileLine(format, "file", id, { add, ...(await address(add)), at }),
    );
    return { version, lines: [...headOf(reading, snapshot, whole, part), ...(await Promise.all(shown))] };
  }

  #files(
    shared: SharedTable,
    table: OpenTable,
    { schemaString, partitionColumns }: TableMetadata,
    snapshot: TableSnapshot,
    query: TableQuery,
  ): readonly AddFile[] {
    const isWanted = fileFilter(alternativesOf(query), schemaString, partitionColumns);
    const files = limited([...snapshot.files.values()].filter(isWanted), query.limitHint);
    this.#demandKept(shared, table, files);
    return files;
  }

  async #partFiles(
    shared: SharedTable,
    table: OpenTable,
    part: TablePart,
    snapshot: TableSnapshot,
    query: TableQuery,
  ): Promise<readonly AddFile[]> {
    const hints = alternativesOf(query);
    const sources = await this.parts.sources(part, snapshot.files.values(), hints);
    this.#demandKept(shared, table, sources);
    const files = await this.parts.files(part, sources);
    return limited(this.parts.wanted(part, files.values(), hints), query.limitHint);
  }

  /** @throws table.version_not_found */
  #demandKept(shared: SharedTable, { snapshot }: OpenTable, files: readonly AddFile[]): void {
    if (files.every((file) => this.isKept(snapshot, file.path))) return;
    throw notKept(shared, "Files of the version were replaced and are no longer kept.", {
      newestVersion: snapshot.version,
    });
  }

  async #pinned(shared: SharedTable, table: OpenTable, query: TableQuery): Promise<TableSnapshot> {
    const { version, timestampMs: timeMs } = query;
    if (version === undefined && timeMs === undefined) return table.snapshot;
    demandHistory(shared);
    if (version !== undefined && timeMs !== undefined)
      throw new MuaraError("request.malformed", "Give version or timestamp, not both.");
    const log = this.ports.catalog.log(table.name);
    return version === undefined ? log.snapshot({ timeMs: timeMs! }) : log.snapshot({ version });
  }

  /** Whether a file will be there for as long as an address is good. @param newest of its table */
  isKept(newest: TableSnapshot, path: string): boolean {
    if (newest.files.has(path)) return true;
    const removedMs = stateOf(newest).tombstones.get(path);
    if (removedMs === undefined) return false;
    const untilMs = removedMs + tombstoneRetentionMs(newest.metadata);
    return untilMs > this.ports.clock.nowMs() + this.options.urlMs;
  }

  /**
   * Gives out addresses for up to `count` files.
   * @throws share.too_large
   */
  async addresses(
    { shared, principal, origin }: ShareReading,
    table: string,
    version: number,
    count: number,
  ): Promise<(file: AddFile) => Promise<{ url: string; expiresMs: number }>> {
    const { store, clock, registry } = this.ports;
    const { urlMs, filesMax, delivery } = this.options;
    if (count > filesMax)
      throw new MuaraError(
        "share.too_large",
        `The answer would name ${count} files, more than ${filesMax}.`,
        {
          details: { files: count, filesMax },
        },
      );
    const expiresMs = clock.nowMs() + urlMs;
    if (store.presign && delivery === "presigned")
      return async ({ path }) => {
        const url = await store.presign!(storePathOf(table, path), urlMs);
        return { url, expiresMs };
      };
    const key = await signingKey(registry);
    const names = { share: shared.share, schema: shared.schema, table: shared.name };
    return (file) => {
      const path = storePathOf(table, file.path);
      const signed = signAddress(key, { ...names, version, path, expiresMs, principal: principal.id });
      return Promise.resolve({ url: `${origin}${signed}`, expiresMs });
    };
  }
}

/** @throws share.history_off */
export function demandHistory(shared: SharedTable): void {
  if (shared.hasHistory) return;
  throw new MuaraError(
    "share.history_off",
    `"${shared.schema}.${shared.name}" is shared without its history.`,
  );
}

export function notKept(
  shared: SharedTable,
  message: string,
  details: Readonly<Record<string, unknown>>,
): MuaraError {
  const table = `${shared.schema}.${shared.name}`;
  return new MuaraError("table.version_not_found", message, { details: { table, ...details } });
}

/** How large a table is that has hidden rows or columns would tell of them. */
function headOf(
  { format, shared }: ShareReading,
  { version, files }: TableSnapshot,
  whole: TableMetadata,
  part: TablePart | undefined,
): readonly Line[] {
  const size = part ? undefined : totalsOf(files.values());
  const metadata = part?.form.metadata ?? whole;
  return [protocolLine(format, shared), metadataLine(format, { metadata, version, shared, size })];
}

/** Files in order until they have `limit` rows together; those that do not say count as empty. */
function limited(files: readonly AddFile[], limit: number | undefined): readonly AddFile[] {
  if (limit === undefined) return files;
  let rows = 0;
  const enough = files.findIndex((file) => {
    if (rows >= limit) return true;
    rows += statedRows(file) ?? 0;
    return false;
  });
  return enough < 0 ? files : files.slice(0, enough);
}

function totalsOf(files: Iterable<AddFile>): { files: number; bytes: number } {
  let [count, bytes] = [0, 0];
  for (const file of files) {
    count++;
    bytes += file.size;
  }
  return { files: count, bytes };
}
