/**
 * Holds what a feed publishes against the rows of the table versions that it says it was made of: every version
 * once and without a gap, files there before the manifest that names them, rows and totals of each window exactly
 * those.
 */
import assert from "node:assert/strict";
import type { FeedStore } from "../../lake/extract/feed-store.ts";
import { type Manifest, parseManifest, partitionName } from "../../lake/extract/manifest.ts";
import type { PassReport } from "../../lake/extract/make-feed.ts";
import type { AuditTable } from "./audit-table.ts";
import { FEED_COLUMNS, FEED_TABLE, feedRow, windowOf } from "./feed.ts";
import { lackingRows, textOf } from "./light-bench.ts";
import { lightFile } from "./light-format.ts";
import { rowsOf } from "./light-rewriter.ts";
import type { SimStore } from "./sim-store.ts";

const HOUR_US = 3_600_000_000n;
type Rows = readonly (readonly unknown[])[];
const MANIFEST = /^_extracts\/.*\/_(?:versions|full)\/\d+\.json$/;
/** What clocks differ, ms. */
const SKEW_MS = 240_000;

/** What a warehouse has, changed in one step. */
export interface Loaded {
  readonly version: number;
  readonly windows: ReadonlyMap<string, Rows>;
}

export class FeedAudit {
  readonly #store: SimStore;
  readonly #feed: FeedStore;
  /** Rows as published, by window. */
  readonly windows = new Map<string, Rows>();
  version = 0;
  /** Windows that were published more than once. */
  revised = 0;

  constructor(store: SimStore, feed: FeedStore) {
    this.#store = store;
    this.#feed = feed;
  }

  catchUp(table: AuditTable | undefined): void {
    for (;;) {
      const path = this.#feed.manifestPath(this.version + 1);
      const bytes = this.#store.peek(path);
      if (!bytes) return;
      this.version++;
      const manifest = parseManifest(bytes, path);
      assert.equal(manifest.version, this.version, "versions without a gap");
      assert.equal(manifest.previous, this.version === 1 ? null : this.version - 1, "the version before");
      this.#take(manifest, table!);
    }
  }

  #take(manifest: Manifest, table: AuditTable): void {
    const input = manifest.inputs[FEED_TABLE]!;
    assert(input <= table.version, `version ${manifest.version} was made of a table version that nobody has`);
    const source = table.rowsAt(input).map(feedRow);
    const files = new Map(manifest.files.map(({ id, name }) => [id, name]));
    for (const partition of manifest.partitions) {
      const name = partitionName(partition);
      const own = partition.files.flatMap((id) => this.#rowsOf(files.get(id)!));
      const rows = partition.action === "append" ? [...(this.windows.get(name) ?? []), ...own] : own;
      const [from, until] = [partition.from, partition.until].map(
        (text) => BigInt(Date.parse(text)) * 1_000n,
      );
      const expected = source.filter(([us]) => (us as bigint) >= from! && (us as bigint) < until!);
      const what = `${name} of version ${manifest.version}`;
      assert.deepEqual(rows.map(textOf).toSorted(), expected.map(textOf).toSorted(), what);
      assert.equal(partition.window_rows, expected.length, `${what}: rows`);
      const sum = expected.reduce((total, row) => total + (row[4] as bigint), 0n);
      assert.equal(partition.window_totals["n"], String(sum), `${what}: control total`);
      if (this.windows.has(name)) this.revised++;
      this.windows.set(name, rows);
    }
  }

  /**
   * Whoever loaded everything has exactly the rows of the closed windows as the table has them now; where retention
   * took rows of a window that was published, that stays as it was, and what came since is counted as too late.
   */
  checkLoaded(loaded: Loaded, table: AuditTable, { completeThroughMs, rowsTooLate }: PassReport): void {
    this.checkWindows(loaded);
    const closed = table
      .rowsAt(table.version)
      .map(feedRow)
      .filter(([us]) => windowOf(us as bigint) + HOUR_US <= BigInt(completeThroughMs ?? 0) * 1_000n);
    const all = [...loaded.windows.values()].flat();
    const missing = lackingRows(closed, all).length;
    assert(
      missing <= rowsTooLate,
      `${missing} rows of closed windows are in no extract, ${rowsTooLate} were too late`,
    );
    const isKept = (table.txns.get("muara:removed:retention") ?? 0n) > 0n;
    if (!isKept)
      assert.deepEqual(lackingRows(all, closed).map(textOf), [], "rows that the table has no more");
  }

  /** Whoever loaded everything has what was published. */
  checkWindows(loaded: Loaded): void {
    assert.equal(loaded.version, this.version, "the warehouse has every version");
    assert.deepEqual([...loaded.windows.keys()].toSorted(), [...this.windows.keys()].toSorted(), "windows");
    for (const [name, rows] of this.windows)
      assert.deepEqual(loaded.windows.get(name)!.map(textOf).toSorted(), rows.map(textOf).toSorted(), name);
  }

  #rowsOf(name: string): Rows {
    const bytes = this.#store.peek(this.#feed.filePath(name));
    assert(bytes, `a manifest names ${name}, which does not exist`);
    return rowsOf(lightFile(bytes), FEED_COLUMNS);
  }

  /** What is deleted, nobody needs: no file of a kept version, no version before its time. */
  checkDeleted(path: string, before: Uint8Array, nowMs: number): void {
    if (path.includes("/_versions/") || path.includes("/_full/")) {
      const { retained_until: until } = parseManifest(before, path);
      assert(Date.parse(until) <= nowMs + SKEW_MS, `${path} is retained until ${until}`);
      return;
    }
    for (const kept of this.#store.paths()) {
      if (!MANIFEST.test(kept)) continue;
      const { files } = parseManifest(this.#store.peek(kept)!, kept);
      assert(
        !files.some(({ name }) => this.#feed.filePath(name) === path),
        `${kept} names ${path}, which is gone`,
      );
    }
  }
}
