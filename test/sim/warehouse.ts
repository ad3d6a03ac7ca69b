/**
 * A consumer of extracts, as a warehouse is one: it loads version after version, each in one transaction with how
 * far it is, and says what it has. It may be killed anywhere; whoever comes too late for a version begins with the
 * full one.
 */
import assert from "node:assert/strict";
import { FeedStore } from "../../lake/extract/feed-store.ts";
import { type Manifest, partitionName } from "../../lake/extract/manifest.ts";
import { storeReceipt } from "../../lake/extract/receipts.ts";
import { below } from "./events.ts";
import { FEED_COLUMNS } from "./feed.ts";
import { forgive, Helper } from "./helpers.ts";
import { hashOf } from "./light-bench.ts";
import { lightFile } from "./light-format.ts";
import { rowsOf } from "./light-rewriter.ts";

type Rows = readonly (readonly unknown[])[];

export class Warehouse extends Helper {
  async work(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.clock.sleep(300 + below(this.world.random, 8_000));
      if (!isOver()) await this.load();
    }
  }

  /** As far as the feed goes, or something gets in the way. */
  async load(): Promise<void> {
    const { world, clock } = this;
    const feed = new FeedStore(this.store, world.feed.name, clock);
    try {
      for (;;) {
        const before = world.loaded.version;
        const next = (await feed.manifest(before + 1)) ?? (await this.#full(feed));
        if (!next) return;
        const windows = await this.#rowsOf(feed, next);
        if (!windows) return;
        // Another start of this warehouse may have been faster: that is its own transaction.
        if (world.loaded.version !== before) continue;
        world.loaded = { version: next.version, windows };
        await this.#report(feed, next);
      }
    } catch (error) {
      forgive(world, error);
    }
  }

  /** Where versions before are gone, the newest of all windows; undefined where there is nothing new. */
  async #full(feed: FeedStore): Promise<Manifest | undefined> {
    const { version } = this.world.loaded;
    if (((await feed.versions()).at(-1) ?? 0) <= version) return undefined;
    const newest = (await feed.versions("_full")).at(-1);
    if (newest === undefined || newest <= version) return undefined; // it came meanwhile
    this.world.faults.note("warehouse began again");
    return feed.manifest(newest, "_full");
  }

  /** @returns undefined where a file is gone because its version is */
  async #rowsOf(feed: FeedStore, manifest: Manifest): Promise<ReadonlyMap<string, Rows> | undefined> {
    const windows = new Map(manifest.full ? [] : this.world.loaded.windows);
    const files = new Map(manifest.files.map((file) => [file.id, file]));
    for (const partition of manifest.partitions) {
      const name = partitionName(partition);
      const rows: (readonly unknown[])[] = [];
      for (const id of partition.files) {
        const { name: file, sha256, rows: count } = files.get(id)!;
        const bytes = await this.store.get(feed.filePath(file));
        if (!bytes) {
          const kind = manifest.full ? "_full" : "_versions";
          const isThere = this.world.store.peek(feed.manifestPath(manifest.version, kind));
          assert(!isThere, `${file} is gone, and version ${manifest.version} names it`);
          return undefined;
        }
        const found = rowsOf(lightFile(bytes), FEED_COLUMNS);
        assert.equal(found.length, count, `${file}: rows`);
        assert.equal(hashOf(found), sha256, `${file}: hash`);
        rows.push(...found);
      }
      const kept = partition.action === "append" ? (windows.get(name) ?? []) : [];
      windows.set(name, [...kept, ...rows]);
    }
    return windows;
  }

  async #report(feed: FeedStore, manifest: Manifest): Promise<void> {
    const { clock, randomness } = this;
    const partitions = manifest.partitions.map((partition) => ({
      partition: partitionName(partition),
      rows: partition.rows,
      totals: partition.totals,
    }));
    for (const partition of manifest.partitions) {
      const rows = this.world.loaded.windows.get(partitionName(partition))!;
      const isOurs = this.world.loaded.version === manifest.version;
      const sum = rows.reduce((total, row) => total + (row[4] as bigint), 0n);
      if (!isOurs) return;
      assert.equal(rows.length, partition.window_rows, "rows of the window as loaded");
      assert.equal(String(sum), partition.window_totals["n"], "control total of the window as loaded");
    }
    const reported = { rows: manifest.rows, partitions };
    const receipt = await storeReceipt(feed, manifest, reported, "warehouse", { clock, randomness });
    assert(receipt.equal, `a receipt does not agree: ${JSON.stringify(receipt.differences)}`);
    this.world.faults.note("extract loaded");
  }
}
