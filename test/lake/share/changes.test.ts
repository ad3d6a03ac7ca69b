/**
 * What a shared table's readers get as its files come, are compacted, expire and are removed, on a simulated clock:
 * an answer never names a file that is gone or goes soon, and no row comes twice or is lost in the change feed.
 */
import { strict as assert } from "node:assert";
import { beforeEach, describe, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { EVERYTHING } from "../../../core/authorize.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { AddFile, TableChange, TableLog, TableSnapshot } from "../../../core/ports/table-log.ts";
import { Registry } from "../../../core/registry.ts";
import { createCatalog } from "../../../lake/catalog.ts";
import { changesOf } from "../../../lake/share/changes.ts";
import type { ShareFormat } from "../../../lake/share/format.ts";
import { ShareReader, type ShareAnswer, type ShareReading } from "../../../lake/share/reader.ts";
import { addFile } from "../../../lake/table/add-file.ts";
import { createTableChange } from "../../../lake/table/create-table.ts";
import { field, formatSchema, struct } from "../../../lake/table/delta-schema.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";

const HOUR_MS = 3_600_000;
const URL_MS = 900_000;
const SCHEMA = struct(field("n", "long"), field("day", "date"));

const WHOLE = { scope: undefined, isGranted: false } as const;
/** Whole tables are shared here. */
const NONE = {
  copyParts: (): never => assert.fail("a part was asked for"),
  judgeConditions: (): never => assert.fail("a condition was asked for"),
};

class World {
  readonly clock = new ManualClock(1_800_000_000_000);
  readonly randomness = seededRandomness(1);
  log!: TableLog;
  reader!: ShareReader;
  snapshot!: TableSnapshot;

  async open(): Promise<void> {
    const { clock, randomness } = this;
    const store = createMemoryObjectStore({ clock });
    const registry = await Registry.open(createMemoryLog({ clock, randomness }), "test", clock);
    const openTable = (name: string): TableLog =>
      openTableLog(store, name, { clock, randomness, logger: silentLogger });
    this.log = openTable("orders");
    const catalog = createCatalog({ store, registry, clock, openTable });
    const limits = { filesMax: 5, versionsMax: 100, urlMs: URL_MS, delivery: "proxied" } as const;
    const options = { ...configSchema.parse({}).share, ...limits };
    this.reader = new ShareReader(
      { catalog, registry, store, clock, query: NONE, logger: silentLogger },
      options,
    );
    this.snapshot = await this.log.snapshot();
    const configuration = {
      "delta.deletedFileRetentionDuration": "interval 2 hours",
      "muara.idKey": "secret",
    };
    const [id, partitionColumns] = [randomness.uuid(), ["day"]];
    await this.commit(
      createTableChange({
        id,
        name: "orders",
        schema: SCHEMA,
        partitionColumns,
        configuration,
        createdTime: 1,
      }),
    );
  }

  async commit(change: Partial<TableChange>): Promise<number> {
    this.clock.advance(1_000);
    const whole = { operation: "WRITE", add: [], remove: [], txns: [], info: {}, ...change };
    const outcome = await this.log.commit({ base: this.snapshot, change: whole, check: () => "abandon" });
    assert.equal(outcome.outcome, "committed");
    this.snapshot = outcome.snapshot;
    return outcome.snapshot.version;
  }

  add(...names: readonly string[]): Promise<number> {
    return this.commit({ add: names.map((name) => file(name)) });
  }

  reading(format: ShareFormat = "parquet"): ShareReading {
    const shared = { share: "s", schema: "a", name: "orders", table: "orders", hasHistory: true, ...WHOLE };
    return { shared, format, principal: { id: "token:1", grants: EVERYTHING }, origin: "http://x" };
  }

  changes(startingVersion: number, endingVersion?: number, hasMetadata = false): Promise<ShareAnswer> {
    return changesOf(this.reader, this.reading(), { startingVersion, endingVersion, hasMetadata });
  }

  async names(answer: Promise<ShareAnswer>): Promise<readonly string[]> {
    return (await answer).lines.slice(2).map((line) => {
      const [kind, value] = Object.entries(line)[0]!;
      const { url, version } = value as { url?: string; version: number };
      const path =
        url && Buffer.from(new URL(url).pathname.split("/").at(-1)!.slice(0, -8), "base64url").toString();
      return path === undefined ? `${kind} ${version}` : `${kind} ${path.split("/").at(-1)!.slice(5, -8)}`;
    });
  }

  query(version?: number): Promise<ShareAnswer> {
    return this.reader.query(this.reading(), { version });
  }
}

function file(name: string, dataChange = true): AddFile {
  const statistics = { numRecords: 1 };
  const partitionValues = { day: "2026-01-01" };
  const path = `day=2026-01-01/part-${name}.parquet`;
  return addFile({ path, partitionValues, bytes: 1, modifiedMs: 0, statistics, isDataChange: dataChange });
}

const removal = (name: string, dataChange: boolean, world: World): TableChange["remove"][number] => ({
  path: file(name).path,
  deletionTimestamp: world.clock.nowMs(),
  dataChange,
});

let world: World;
beforeEach(async () => {
  world = new World();
  await world.open();
});

describe("the change feed", () => {
  test("has what each version added, and nothing of a compaction", async () => {
    const first = await world.add("a", "b");
    await world.add("c");
    await world.commit({
      operation: "OPTIMIZE",
      add: [file("abc", false)],
      remove: ["a", "b", "c"].map((name) => removal(name, false, world)),
      info: { kind: "compaction" },
    });
    await world.add("d");
    assert.deepEqual(await world.names(world.changes(first)), ["add a", "add b", "add c", "add d"]);
    assert.deepEqual(await world.names(world.changes(first + 2, first + 2)), []);
    assert.deepEqual(await world.names(world.query()), ["file abc", "file d"]);
  });

  test("is refused once files are gone, or go before the addresses end", async () => {
    const first = await world.add("a");
    await world.commit({ add: [file("a2", false)], remove: [removal("a", false, world)] });
    world.clock.advance(2 * HOUR_MS - URL_MS - 10_000);
    assert.deepEqual(await world.names(world.changes(first)), ["add a"]);
    assert.deepEqual(await world.names(world.query(first)), ["file a"]);
    world.clock.advance(20_000);
    await assert.rejects(world.changes(first), { code: "share.changes_gone" });
    await assert.rejects(world.query(first), { code: "table.version_not_found" });
    assert.deepEqual(await world.names(world.changes(first + 1)), []);
    assert.deepEqual(await world.names(world.query()), ["file a2"]);
  });

  test("tells nothing of retention, removals of foreign writers and of a rollback as removals", async () => {
    const first = await world.add("a", "b", "c");
    const rest = { add: [file("rest")], remove: [removal("a", true, world)] };
    await world.commit({ ...rest, info: { kind: "retention" } });
    await world.commit({ add: [file("b2")], remove: [removal("b", true, world)] });
    await world.commit({ remove: [removal("c", true, world)], info: { kind: "rollback" } });
    assert.deepEqual(await world.names(world.changes(first + 1)), ["remove b", "add b2", "remove c"]);
  });

  test("ends at a version that erased rows, or that nobody here knows", async () => {
    const first = await world.add("a");
    for (const kind of ["erasure", "somethingNew"]) {
      const name = [...world.snapshot.files.keys()][0]!.slice(20, -8);
      const at = await world.commit({
        add: [file(`${name}x`)],
        remove: [removal(name, true, world)],
        info: { kind },
      });
      await assert.rejects(world.changes(first), { code: "share.changes_erased" });
      await assert.rejects(world.changes(at, at), { code: "share.changes_erased" });
      const next = await world.add(`after-${kind}`);
      assert.deepEqual(await world.names(world.changes(next)), [`add after-${kind}`]);
      await world.commit({ remove: [removal(`after-${kind}`, false, world)] });
    }
  });

  test("tells schemas that changed on the way, where asked", async () => {
    const first = await world.add("a");
    const schemaString = formatSchema(struct(...SCHEMA.fields, field("more", "string")));
    const wider = await world.commit({ metadata: { ...world.snapshot.metadata!, schemaString } });
    await world.add("b");
    assert.deepEqual(await world.names(world.changes(first)), ["add a", "add b"]);
    const told = await world.changes(first, undefined, true);
    assert.deepEqual(await world.names(Promise.resolve(told)), [`metaData ${wider}`, "add a", "add b"]);
    assert.ok(!JSON.stringify(told).includes("secret"), "properties of Muara's own stay here");
  });

  test("names as many files as allowed, and not one more", async () => {
    const first = await world.add("a", "b", "c", "d", "e");
    assert.equal((await world.names(world.changes(first))).length, 5);
    assert.equal((await world.names(world.query())).length, 5);
    await world.add("f");
    await assert.rejects(world.changes(first), { code: "share.too_large" });
    await assert.rejects(world.query(), { code: "share.too_large" });
    assert.equal((await world.names(world.changes(first, first))).length, 5);
  });
});
