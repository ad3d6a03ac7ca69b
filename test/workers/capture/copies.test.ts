/** What is there when a capture begins: copied at once or in chunks, while others write, and copied anew. */
import { expect, test } from "vitest";
import { MuaraError } from "../../../core/errors.ts";
import { eventually } from "../../services/muara.ts";
import {
  type CapturePlace,
  type ChangeRecord,
  capturePlaces,
  type PlaceOptions,
  STREAMS_MS_MAX,
  streams,
} from "./capture-place.ts";

const places = capturePlaces();

const ROWS = 3_000;
const TABLE = `CREATE TABLE t (id int PRIMARY KEY, v int);
  INSERT INTO t SELECT g, 0 FROM generate_series(1, ${ROWS}) g; ANALYZE t`;

const open = (options: PlaceOptions = {}): Promise<CapturePlace> => places.open(TABLE, options);

/** The rows that the changes leave, each with its key and value: a model of a current state. */
function current(records: readonly ChangeRecord[]): string[] {
  const rows = new Map<string, unknown>();
  for (const { source, key, data } of records) {
    if (source.change === "truncate") rows.clear();
    else if (source.change === "delete") rows.delete(key!);
    else rows.set(key!, data["v"]);
  }
  return [...rows].map(([key, v]) => `${key} ${v as string}`).toSorted();
}

async function expected(place: CapturePlace): Promise<string[]> {
  const rows = await place.sql("SELECT id, v FROM t");
  return rows.map(({ id, v }) => `["shop",${id as number}] ${v as string}`).toSorted();
}

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

async function agree(place: CapturePlace): Promise<void> {
  const rows = await expected(place);
  await eventually("the changes give the source's rows", STREAMS_MS_MAX, async () => {
    const have = current(await place.records("shop.public.t"));
    return have.length === rows.length && have.every((row, i) => row === rows[i]);
  }).catch(async (error: unknown) => {
    const have = new Set(current(await place.records("shop.public.t")));
    throw new Error(
      `${String(error)}; missing ${rows
        .filter((row) => !have.has(row))
        .slice(0, 5)
        .join()}`,
    );
  });
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
  await place.sql(`SELECT pg_drop_replication_slot('${slot}'); DELETE FROM t WHERE id <= 100`);
  await place.change("shop", (capture) => ({ ...capture, id: "eeeeeeeeeeee" }));
  await place.start();
  await place.until(
    "shop",
    "copied anew",
    (one) => one.incarnation === 2 && one.tables["public.t"]?.copy === "done",
  );
  await agree(place);
}, 60_000);
