/**
 * How files of parts of tables are made, kept and given up, on a simulated clock: what waits, what is refused at which
 * limit, what happens when the data file goes meanwhile. What is in the files is the matter of test/api/rights.test.ts.
 */
import { strict as assert } from "node:assert";
import { beforeEach, describe, test } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { ManualClock } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { AddFile } from "../../../core/ports/table-log.ts";
import type { CopiedPart, CopyRequest } from "../../../lake/query/part-copies.ts";
import type { PartForm } from "../../../lake/share/part-form.ts";
import { PartMaker, type PartMakerOptions, type PartRequest } from "../../../lake/share/part-maker.ts";
import { dropParts, PartStore, type PartRecord } from "../../../lake/share/part-store.ts";

const URL_MS = 900_000;
const KEPT_MS = 6 * 3_600_000;
const FILE_BYTES = 100;
const WAIT_MS = 20_000;

/** Copies when it is let: a gate per data file, open unless the test closes it. */
class World {
  readonly clock = new ManualClock(1_800_000_000_000);
  readonly store = createMemoryObjectStore({ clock: this.clock });
  readonly made: string[] = [];
  isHeld = false;
  #release: (() => void)[] = [];
  maker = this.makerWith({});

  makerWith(options: Partial<PartMakerOptions>, bytesMax = 10_000): PartMaker {
    const store = new PartStore(this.store, this.clock, { keptMs: KEPT_MS, bytesMax, urlMs: URL_MS });
    const query = { copyParts: (request: CopyRequest) => this.#copies(request) };
    const limits = { waitMs: WAIT_MS, makeMs: 1, atOnce: 1, readBytesMax: 10 * FILE_BYTES, ...options };
    this.maker = new PartMaker({ store, query, clock: this.clock, logger: silentLogger }, limits);
    return this.maker;
  }

  release(): void {
    this.isHeld = false;
    for (const go of this.#release.splice(0)) go();
  }

  async *#copies({ files }: CopyRequest): AsyncGenerator<CopiedPart> {
    for (const file of files) {
      if (this.isHeld) await new Promise<void>((resolve) => this.#release.push(resolve));
      this.made.push(file.path);
      const rows = file.path.includes("empty") ? 0 : 1;
      yield { file, rows, bytes: new Uint8Array(rows * FILE_BYTES).fill(this.made.length), stats: "{}" };
    }
  }

  async request(names: readonly string[], right = "r"): Promise<PartRequest> {
    const sources = new Map<string, AddFile>();
    for (const name of names) {
      const path = `part-${name}.parquet`;
      if (!(await this.store.head(`t/${path}`))) await this.store.put(`t/${path}`, new Uint8Array(1));
      sources.set(name, {
        path,
        partitionValues: {},
        size: FILE_BYTES,
        modificationTime: 0,
        dataChange: true,
      });
    }
    const whole = { schemaString: "", partitionColumns: [] };
    return { table: "t", right, form: { name: "form" } as unknown as PartForm, whole, sources };
  }

  async records(names: readonly string[], right?: string): Promise<ReadonlyMap<string, PartRecord>> {
    return this.maker.records(await this.request(names, right));
  }

  async files(): Promise<readonly string[]> {
    return (await this.store.list("t/_parts")).map(({ path }) => path);
  }

  /** Lets everything go on that waits for nothing but its turn. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

const refused = (promise: Promise<unknown>, code: string): Promise<void> =>
  assert.rejects(promise, (error) => hasCode(error, code as "share.busy"));

describe("files of parts", () => {
  test("are made once, for whoever has the same right; without rows there is none", async () => {
    const [first, second] = await Promise.all([world.records(["a", "empty"]), world.records(["a", "empty"])]);
    assert.deepEqual([...first], [...second]);
    assert.match(String(first.get("a")!.path), /^_parts\/r\/a-form-[0-9a-f]{16}\.parquet$/);
    assert.deepEqual(first.get("empty"), { path: null, rows: 0, bytes: 0, stats: "{}" });
    await world.records(["a", "b"]);
    assert.deepEqual(world.made, ["part-a.parquet", "part-empty.parquet", "part-b.parquet"]);
    await world.records(["a"], "other");
    assert.equal(world.made.length, 4);
    assert.equal((await world.files()).length, 7); // of "empty" the record only
  });

  test("that take too long are made all the same, and are there when one asks again", async () => {
    world.isHeld = true;
    const asked = world.records(["a", "b"]);
    const answer = refused(asked, "share.preparing");
    await world.settle();
    world.clock.advance(WAIT_MS - 1);
    await world.settle();
    world.clock.advance(1);
    await answer;
    world.release();
    await world.settle();
    assert.deepEqual(world.made, ["part-a.parquet", "part-b.parquet"]);
    assert.equal((await world.records(["a", "b"])).size, 2);
    assert.equal(world.made.length, 2);
  });

  test("of as many parts as allowed are made at a time; so many more may wait, and not one more", async () => {
    world.isHeld = true;
    const all = Array.from({ length: 17 }, (_, i) => world.records(["a"], `right${i}`));
    await world.settle();
    await refused(world.records(["a"], "rightN"), "share.busy");
    world.release();
    assert.equal((await Promise.all(all)).length, 17);
  });

  test("are read from so many bytes, and from not one more", async () => {
    world.makerWith({ readBytesMax: 2 * FILE_BYTES });
    assert.equal((await world.records(["a", "b"])).size, 2);
    await refused(world.records(["c", "d", "e"]), "share.too_large");
    // What is there is not read again.
    assert.equal((await world.records(["a", "b", "c"])).size, 3);
  });

  test("give way to newer ones when their addresses have ended, and not before", async () => {
    const recordBytes = (await recordsOf(world)).recordBytes;
    world = new World();
    world.makerWith({}, 2 * (FILE_BYTES + recordBytes));
    await world.records(["a", "b"]);
    await refused(world.records(["c"]), "share.busy");
    world.clock.advance(URL_MS + 1);
    await world.records(["c"]);
    const left = (await world.files()).filter((path) => path.endsWith(".parquet"));
    assert.ok(
      left.some((path) => path.includes("/c-")) && !left.some((path) => path.includes("/a-")),
      String(left),
    );
  });

  test("are not named when they go before an address does, and are swept after that", async () => {
    await world.records(["a"]);
    world.clock.advance(KEPT_MS - URL_MS - 1);
    await world.records(["a"]);
    assert.equal(world.made.length, 1);
    world.clock.advance(1);
    await world.records(["a"]);
    assert.equal(world.made.length, 2);
    const before = world.clock.nowMs() - KEPT_MS - URL_MS;
    assert.equal(await dropParts(world.store, "t", before), 0);
    world.clock.advance(KEPT_MS + URL_MS + 1);
    assert.ok((await dropParts(world.store, "t", world.clock.nowMs() - KEPT_MS - URL_MS)) > 0);
    assert.deepEqual(await world.files(), []);
  });

  test("of a data file that went meanwhile are taken back", async () => {
    world.isHeld = true;
    const asked = refused(world.records(["a"]), "share.preparing");
    await world.settle();
    // An erasure: the data file first, the files of parts then. The copy is under way all the while.
    await world.store.delete("t/part-a.parquet");
    assert.equal(await dropParts(world.store, "t"), 0);
    world.release();
    await asked;
    assert.deepEqual(await world.files(), []);
  });
});

async function recordsOf(some: World): Promise<{ recordBytes: number }> {
  await some.records(["a"]);
  const objects = await some.store.list("t/_parts");
  return { recordBytes: objects.find(({ path }) => path.endsWith(".json"))!.bytes };
}
