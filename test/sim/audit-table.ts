/**
 * Follows a Delta table from its files, version after version, and keeps what every table must keep: versions dense
 * and never written anew, a path added once and present, txns as they were moved.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableCommit } from "../../core/ports/table-log.ts";
import { readColumns } from "../../lake/parquet/rows.ts";
import { commitFileName, parseCommit } from "./light-commit.ts";

export interface Row {
  readonly [column: string]: unknown;
}

type OnCommit = (commit: TableCommit, added: ReadonlyMap<string, readonly Row[]>) => Promise<void>;

export class AuditTable {
  readonly name: string;
  readonly store: ObjectStore;
  readonly #columns: readonly string[];
  readonly #onCommit: OnCommit;
  /** [version] hash of the bytes. */
  readonly #hashes: string[] = [];
  readonly #everAdded = new Set<string>();
  /** Live files with their rows. */
  readonly files = new Map<string, readonly Row[]>();
  readonly txns = new Map<string, bigint>();
  /** Store paths that a commit has named and none removed. */
  readonly named: Set<string>;
  tableId = "";
  checkpointed = 0;

  constructor(
    name: string,
    store: ObjectStore,
    columns: readonly string[],
    named: Set<string>,
    onCommit: OnCommit,
  ) {
    this.name = name;
    this.store = store;
    this.#columns = columns;
    this.named = named;
    this.#onCommit = onCommit;
  }

  get version(): number {
    return this.#hashes.length - 1;
  }

  async catchUp(): Promise<void> {
    for (;;) {
      const bytes = await this.store.get(this.#pathOf(this.version + 1));
      if (!bytes) return;
      this.#hashes.push(hashOf(bytes));
      try {
        await this.#apply(parseCommit(this.version, bytes));
      } catch (error) {
        throw new Error(`${this.name}, version ${this.version}`, { cause: error });
      }
    }
  }

  async #apply(commit: TableCommit): Promise<void> {
    if (commit.metadata) this.tableId = commit.metadata.id;
    const added = new Map<string, readonly Row[]>();
    for (const { path, stats } of commit.add) {
      assert(!this.#everAdded.has(path), `${path} is added a second time`);
      this.#everAdded.add(path);
      this.named.add(`${this.name}/${path}`);
      const rows = await this.#rowsOf(path);
      assert.equal(
        (JSON.parse(stats ?? "{}") as { numRecords?: number }).numRecords,
        rows.length,
        "numRecords",
      );
      added.set(path, rows);
    }
    for (const { path } of commit.remove) assert(this.files.has(path), `${path} is removed and was not live`);
    await this.#onCommit(commit, added);
    for (const { appId, version } of commit.txns) this.txns.set(appId, version);
    for (const { path } of commit.remove) {
      this.files.delete(path);
      this.named.delete(`${this.name}/${path}`);
    }
    for (const [path, rows] of added) this.files.set(path, rows);
  }

  async #rowsOf(path: string): Promise<readonly Row[]> {
    const bytes = await this.store.get(`${this.name}/${path}`);
    assert(bytes, `${path} is named, and does not exist`);
    const columns = Object.entries(await readColumns(bytes, this.#columns));
    return Array.from({ length: columns[0]![1].length }, (_, i) =>
      Object.fromEntries(columns.map(([name, values]) => [name, values[i]])),
    );
  }

  /** Every version still says what it said, and what it names is there. */
  async recheck(): Promise<void> {
    for (const [version, hash] of this.#hashes.entries()) {
      const bytes = await this.store.get(this.#pathOf(version));
      assert(bytes && hashOf(bytes) === hash, `${this.name}: version ${version} was changed`);
    }
    for (const path of this.files.keys())
      assert(await this.store.head(`${this.name}/${path}`), `${this.name} names ${path}, which is gone`);
  }

  #pathOf(version: number): string {
    return `${this.name}/_delta_log/${commitFileName(version)}`;
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha1").update(bytes).digest("base64");
}
