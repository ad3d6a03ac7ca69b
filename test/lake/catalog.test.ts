/** Names and snapshots of the lake's tables. */
import { describe, expect, test } from "vitest";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { parseEventType } from "../../core/event-type.ts";
import { silentLogger } from "../../core/logger.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { Registry } from "../../core/registry.ts";
import { createCatalog, type Catalog } from "../../lake/catalog.ts";
import { createTableChange } from "../../lake/table/create-table.ts";
import { field, struct } from "../../lake/table/delta-schema.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { declaredSchema } from "../../lake/tables.ts";

interface World {
  readonly catalog: Catalog;
  readonly clock: ManualClock;
  readonly reads: { count: number };
  declare(name: string): Promise<void>;
  create(name: string): Promise<void>;
  commit(name: string): Promise<void>;
}

async function makeWorld(): Promise<World> {
  const clock = new ManualClock(1_000_000);
  const services = { clock, randomness: seededRandomness(5), logger: silentLogger };
  const store = createMemoryObjectStore(services);
  const registry = await Registry.open(createMemoryLog(services), "w", clock);
  const reads = { count: 0 };
  const tables = new Map<string, TableLog>();
  const openTable = (name: string): TableLog => {
    const known = tables.get(name);
    if (known) return known;
    const log = openTableLog(store, name, services);
    const counted: TableLog = {
      ...log,
      snapshot: (at) => {
        if (!at?.from) reads.count++;
        return log.snapshot(at);
      },
    };
    tables.set(name, counted);
    return counted;
  };
  const change = (name: string): ReturnType<typeof createTableChange> =>
    createTableChange({
      id: services.randomness.uuid(),
      name,
      schema: struct(field("a", "string")),
      partitionColumns: [],
      createdTime: clock.nowMs(),
    });
  return {
    clock,
    reads,
    catalog: createCatalog({ store, registry, clock, openTable, declaredSchema }),
    declare: async (name) => {
      const schema = {
        type: "json_schema",
        schema: '{"type":"object","properties":{"b":{"type":"integer"}}}',
      };
      const type = parseEventType({ name, owning_application: "a", category: "business", schema });
      await registry.put("event-type", name.toLowerCase(), 0, type);
    },
    create: async (name) => {
      const log = openTable(name);
      await log.commit({ base: await log.snapshot(), change: change(name), check: () => "abandon" });
    },
    commit: async (name) => {
      const log = openTable(name);
      const empty = {
        operation: "WRITE",
        add: [],
        remove: [],
        txns: [{ appId: "x", version: 1n }],
        info: {},
      };
      await log.commit({ base: await log.snapshot(), change: empty, check: () => "rebase" });
    },
  };
}

describe("the catalog", () => {
  test("lists declared event types, Muara's own tables once they exist, and foreign tables", async () => {
    const world = await makeWorld();
    await world.declare("shop.ORDER");
    await world.create("dead_letters");
    await world.create("made-elsewhere");
    expect((await world.catalog.list()).map(({ name, kind, alias }) => [name, kind, alias])).toEqual([
      ["dead_letters", "ledger", "dead_letters"],
      ["made-elsewhere", "other", "made_elsewhere"],
      ["shop.ORDER", "event_type", "shop_ORDER"],
    ]);
  });

  test("finds by name and alias, ignoring case, and no alias that two would share", async () => {
    const world = await makeWorld();
    for (const name of ["a.b", "c.d", "c-d", "e_f", "e.f"]) await world.declare(name);
    const found = async (name: string): Promise<string | undefined> => (await world.catalog.find(name))?.name;
    expect(await found("A.B")).toBe("a.b");
    expect(await found("A_b")).toBe("a.b");
    expect(await found("c_d")).toBe(undefined);
    expect(await found("c-d")).toBe("c-d");
    expect(await found("e_f")).toBe("e_f");
    expect((await world.catalog.list()).map(({ name, alias }) => [name, alias])).toContainEqual([
      "e.f",
      undefined,
    ]);
    expect(await found("nothing")).toBe(undefined);
  });

  test("looks for foreign tables now and then, and reads only what is new of a table", async () => {
    const world = await makeWorld();
    await world.declare("t");
    expect((await world.catalog.snapshot("t")).version).toBe(-1);
    await world.create("t");
    expect((await world.catalog.snapshot("t")).version).toBe(0);
    const before = world.reads.count;
    await world.commit("t");
    const asked = before + 1; // by `commit` itself
    const [one, two] = await Promise.all([world.catalog.snapshot("t"), world.catalog.snapshot("t")]);
    expect([one.version, two]).toEqual([1, one]);
    expect(world.reads.count).toBe(asked);

    await world.catalog.list();
    await world.create("late");
    expect((await world.catalog.list()).map((table) => table.name)).toEqual(["t"]);
    world.clock.advance(60_000);
    expect((await world.catalog.list()).map((table) => table.name)).toEqual(["late", "t"]);
  });

  test("knows the schema of what was declared but has not landed", async () => {
    const world = await makeWorld();
    await world.declare("t");
    const table = (await world.catalog.find("t"))!;
    const schema = world.catalog.schema(table, await world.catalog.snapshot("t"));
    expect(schema.partitionColumns).toEqual(["ingest_date"]);
    expect(schema.schemaString).toContain('"name":"b","type":"long"');
    expect(() => world.catalog.schema({ ...table, eventType: undefined }, { ...NONE })).toThrow(
      expect.objectContaining({ code: "table.not_found" }),
    );
  });
});

const NONE = { version: -1, timestampMs: 0, metadata: undefined, files: new Map(), txns: new Map() };
