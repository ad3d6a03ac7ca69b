/**
 * Follows a Delta table from its files, version after version, and keeps what every table must keep: versions dense,
 * a path added once and present, txns as they were moved. That nothing is ever written anew or deleted while it is
 * named, the store sees (world.ts).
 */
import assert from "node:assert/strict";
import type { TableCommit } from "../../core/ports/table-log.ts";
import { commitFileName, parseCommit } from "./light-commit.ts";
import { lightFile } from "./light-format.ts";
import type { SimStore } from "./sim-store.ts";

export interface Row {
  readonly [column: string]: unknown;
}

/** What a data file was: its rows, and from and until which version it was live. */
export interface FileLife {
  readonly rows: readonly Row[];
  readonly from: number;
  /** The version that removed it; Infinity for a live one. */
  until: number;
  /** As the removing commit says it, ms since 1970 UTC. */
  removedMs: number;
}

type OnCommit = (commit: TableCommit, added: ReadonlyMap<string, readonly Row[]>) => void;

const NO_FILES: ReadonlyMap<string, readonly Row[]> = new Map();

export class AuditTable {
  readonly name: string;
  readonly store: SimStore;
  readonly #columns: readonly string[];
  readonly #onCommit: OnCommit;
  /** All that were ever added, by path. */
  readonly lives = new Map<string, FileLife>();
  /** Live files with their rows. */
  readonly files = new Map<string, readonly Row[]>();
  readonly txns = new Map<string, bigint>();
  /** Store paths that a commit has named and none removed. */
  readonly named: Set<string>;
  tableId = "";
  /** Of the newest version, by whoever committed it; never goes back. */
  timestampMs = 0;
  version = -1;
  #nextPath: string;

  constructor(
    name: string,
    store: SimStore,
    columns: readonly string[],
    named: Set<string>,
    onCommit: OnCommit,
  ) {
    this.name = name;
    this.store = store;
    this.#columns = columns;
    this.named = named;
    this.#onCommit = onCommit;
    this.#nextPath = this.#pathOf(0);
  }

  catchUp(): void {
    for (;;) {
      const bytes = this.store.peek(this.#nextPath);
      if (!bytes) return;
      this.version++;
      this.#nextPath = this.#pathOf(this.version + 1);
      try {
        this.#apply(parseCommit(this.version, bytes));
      } catch (error) {
        throw new Error(`${this.name}, version ${this.version}`, { cause: error });
      }
    }
  }

  #apply(commit: TableCommit): void {
    if (commit.metadata) this.tableId = commit.metadata.id;
    this.timestampMs = Math.max(this.timestampMs, commit.timestampMs);
    const added = commit.add.length === 0 ? NO_FILES : new Map<string, readonly Row[]>();
    for (const { path, stats } of commit.add) {
      assert(!this.lives.has(path), `${path} is added a second time`);
      this.named.add(`${this.name}/${path}`);
      const rows = this.#rowsOf(path);
      assert.equal(
        (JSON.parse(stats ?? "{}") as { numRecords?: number }).numRecords,
        rows.length,
        "numRecords",
      );
      (added as Map<string, readonly Row[]>).set(path, rows);
      this.lives.set(path, { rows, from: commit.version, until: Infinity, removedMs: Infinity });
    }
    for (const { path } of commit.remove) assert(this.files.has(path), `${path} is removed and was not live`);
    this.#onCommit(commit, added);
    for (const { appId, version } of commit.txns) this.txns.set(appId, version);
    for (const { path, deletionTimestamp } of commit.remove) {
      const life = this.lives.get(path)!;
      life.until = commit.version;
      life.removedMs = deletionTimestamp;
      this.files.delete(path);
      this.named.delete(`${this.name}/${path}`);
    }
    for (const [path, rows] of added) this.files.set(path, rows);
  }

  #rowsOf(path: string): readonly Row[] {
    const bytes = this.store.peek(`${this.name}/${path}`);
    assert(bytes, `${path} is named, and does not exist`);
    const { rows, columns } = lightFile(bytes);
    return Array.from({ length: rows }, (_, i) => {
      const row: Record<string, unknown> = {};
      for (const name of this.#columns) row[name] = columns.get(name)?.[i] ?? null;
      return row;
    });
  }

  /** Rows of a version, whatever became of them. */
  rowsAt(version: number): Row[] {
    return [...this.lives.values()].flatMap(({ rows, from, until }) =>
      from <= version && version < until ? rows : [],
    );
  }

  /** What is named is there. */
  checkFiles(): void {
    for (const path of this.files.keys())
      assert(this.store.peek(`${this.name}/${path}`), `${this.name} names ${path}, which is gone`);
  }

  #pathOf(version: number): string {
    return `${this.name}/_delta_log/${commitFileName(version)}`;
  }
}

export function contentOf(rows: readonly Row[]): string[] {
  return rows.map((row) => Object.values(row).map(String).join("|")).sort();
}
