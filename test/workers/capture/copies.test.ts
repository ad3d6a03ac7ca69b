/** What is there when a capture begins: copied at once or in chunks, while others write, and copied anew. */
import { expect, test } from "vitest";
import { MuaraError } from "../../../core/errors.ts";
import { type CapturePlace, capturePlaces, type PlaceOptions, streams } from "./capture-place.ts";
import { agree } from "./row-model.ts";

const places = capturePlaces();

const ROWS = 3_000;
const TABLE = `CREATE TABLE t (id int PRIMARY KEY, v int);
  INSERT INTO t SELECT g, 0 FROM generate_series(1, ${ROWS}) g; ANALYZE t`;

const open = (options: PlaceOptions = {}): Promise<CapturePlace> => places.open(TABLE, options);

/** Writes until it is told to end. */
function writer(place: CapturePlace): { end: () => Promise<void> } {
  const over = new AbortController();
  const done = (async () => {
    for (let round = 0; !over.signal.aborted; round++) {
      const id = 1 + ((round * 37) % ROWS);
      await place.sql(`UPDATE t SET v = v + 1 WHERE id = ${id}; DELETE FROM t WHERE id = ${id + 1};
        INSERT INTO t VALUES (${ROWS + 1 + round}, ${round}); UPDATE t SET id = -id WHERE id = ${id + 2}`);
    }
  })();
  return {
    end: async () => {
      over.abort();
      await done;
    },
  };
}

test.each([
  ["at once", {}],
  ["in chunks", { copyOnceRows: 10, copyRows: 200 }],
])(
  "rows are copied %s while they change",
  async (_how, capture) => {
    const place = await open({ capture });
    const writing = writer(place);
    await place.declare("shop", { copy: "initial" });
    await place.start();
    const state = await place.until(
      "shop",
      "has copied",
      (one) => streams(one) && one.tables["public.t"]?.copy === "done",
    );
    await writing.end();
    await agree(place);
    expect(state.tables["public.t"]!.copiedRows).toBeGreaterThan(ROWS / 2);
    expect(state.tables["public.t"]!.completeAt).not.toBeNull();
  },
  60_000,
);

test("a copy that breaks off begins anew, with another slot, and what it has left is emptied", async () => {
  let appends = 0;
  const place = await open({
    capture: { batchBytes: 20_000 },
    wrap: (log) =>
      new Proxy(log, {
        get: (target, key) => {
          const value = Reflect.get(target, key, target) as unknown;
          if (typeof value !== "function") return value;
          if (key !== "append") return value.bind(target);
          return async (...args: Parameters<typeof log.append>) => {
            if (args[0] === "shop.public.t" && ++appends === 4)
              throw new MuaraError("log.closed", "it is over");
            return target.append(...args);
          };
        },
      }),
  });
  await place.declare("shop", { copy: "initial" });
  await place.start();
  await place.until("shop", "has copied", (one) => streams(one) && one.tables["public.t"]?.copy === "done");
  await agree(place);
  const records = await place.records("shop.public.t");
  expect(new Set(records.map(({ source }) => source.incarnation))).toEqual(new Set([1, 2]));
  expect(records.filter(({ source }) => source.change === "truncate")).toHaveLength(1);
  const slots = await place.sql(
    "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()",
  );
  expect(slots).toHaveLength(1);
}, 60_000);

test("a copy in chunks goes on where it was", async () => {
  const place = await open({ capture: { copyOnceRows: 10, copyRows: 50 } });
  await place.declare("shop", { copy: "initial" });
  for (let round = 0; round < 4; round++) {
    const worker = await place.start();
    await place.until("shop", "copies on", (one) => {
      const table = one.tables["public.t"];
      return table?.copy === "done" || (table?.copiedRows ?? 0) > (round * ROWS) / 8;
    });
    await worker.stop();
    await place.sql("UPDATE t SET v = v + 1 WHERE id % 10 = 3");
  }
  await place.start();
  await place.until("shop", "has copied", (one) => one.tables["public.t"]?.copy === "done");
  await agree(place);
  const records = await place.records("shop.public.t");
  expect(new Set(records.map(({ source }) => source.incarnation))).toEqual(new Set([1]));
}, 60_000);

test("copied anew, rows that went unseen are gone", async () => {
  const place = await open();
  await place.declare("shop", { copy: "initial" });
  const worker = await place.start();
  await place.until("shop", "has copied", (one) => one.tables["public.t"]?.copy === "done");
  await worker.stop();
  const { slot } = (await place.state("shop"))!;
  await place.dropSlot(slot);
  await place.sql("DELETE FROM t WHERE id <= 100");
  await place.change("shop", (capture) => ({ ...capture, id: "eeeeeeeeeeee" }));
  await place.start();
  await place.until(
    "shop",
    "copied anew",
    (one) => one.incarnation === 2 && one.tables["public.t"]?.copy === "done",
  );
  await agree(place);
}, 60_000);

test("a table of as many rows as may be copied at once is; one more, and it goes in chunks by itself", async () => {
  const place = await open({ capture: { copyOnceRows: ROWS, copyRows: 500 } });
  // Nobody has analysed it: its rows are only counted as they come.
  await place.sql(
    `CREATE TABLE more (id int PRIMARY KEY); ALTER TABLE more SET (autovacuum_enabled = off);
     INSERT INTO more SELECT generate_series(1, ${ROWS + 1})`,
  );
  const rowsOf = async (name: string): Promise<number> =>
    (await (await place.openSource("shop")).tables([name])).get(name)!.rows;
  await expect.poll(() => rowsOf("public.more"), { timeout: 20_000 }).toBe(ROWS + 1);
  expect(await rowsOf("public.t")).toBe(ROWS);
  await place.declare("shop", { copy: "initial", tables: ["public.t", "public.more"] });
  await place.start();
  await place.until("shop", "has copied", ({ tables }) =>
    Object.values(tables).every(({ copy }) => copy === "done"),
  );
  // What was copied at once has no last key.
  const { tables } = (await place.state("shop"))!;
  expect([tables["public.t"]!.copiedTo, tables["public.more"]!.copiedTo]).toEqual([null, [String(ROWS + 1)]]);
  expect([tables["public.t"]!.copiedRows, tables["public.more"]!.copiedRows]).toEqual([ROWS, ROWS + 1]);
}, 60_000);

test("one table is copied anew beside the others, while they are written", async () => {
  const place = await open({ capture: { copyRows: 300 } });
  await place.sql("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)");
  await place.declare("shop", { copy: "initial", tables: ["public.t", "public.other"] });
  await place.start();
  const before = await place.until("shop", "has copied", (one) =>
    Object.values(one.tables).every(({ copy }) => copy === "done"),
  );
  // Unseen by the capture, as if it had been lost.
  await place.sql(
    `BEGIN; SET LOCAL session_replication_role = replica; ALTER PUBLICATION ${before.publication} DROP TABLE t;
     DELETE FROM t WHERE id <= 50; UPDATE t SET v = 7 WHERE id > 2900;
     ALTER PUBLICATION ${before.publication} ADD TABLE ONLY t; COMMIT`,
  );
  const writing = writer(place);
  await place.change("shop", (capture) => ({ ...capture, again: { "public.t": "wish" } }));
  const after = await place.until(
    "shop",
    "has copied it anew",
    ({ tables }) => tables["public.t"]!.again === "wish" && tables["public.t"]!.copy === "done",
  );
  await writing.end();
  await agree(place);
  expect([after.incarnation, after.slot]).toEqual([before.incarnation, before.slot]);
  const kinds = (await place.records("shop.public.t")).map(({ source }) => source.change);
  expect(kinds.filter((kind) => kind === "truncate")).toHaveLength(1);
  expect(await place.records("shop.public.other")).toHaveLength(1);
  // It is done: a start does not begin it again.
  const count = (await place.records("shop.public.t")).length;
  await place.change("shop", (capture) => ({ ...capture, isPaused: true }));
  await place.change("shop", (capture) => ({ ...capture, isPaused: false }));
  await place.sql("INSERT INTO other VALUES (2)");
  await place.landed("shop.public.other", 2);
  expect(await place.records("shop.public.t")).toHaveLength(count);
}, 60_000);
