/**
 * Copies in chunks of a real server while others write, with the capture broken off at random and begun again from what
 * it has saved: what a reader puts together is, row by row, what the server has in the end.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCopy } from "../../../adapters/pg/copy.ts";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { openReplication } from "../../../adapters/pg/replication.ts";
import type { CapturedTable } from "../../../core/capture.ts";
import { changePlace } from "../../../core/change.ts";
import { type Randomness, seededRandomness, systemClock } from "../../../core/clock.ts";
import { createLogger } from "../../../core/logger.ts";
import { payloadOf, type RecordBatch } from "../../../core/record.ts";
import { copyAtOnce } from "../../../workers/capture/copy-at-once.ts";
import { CopyRun } from "../../../workers/capture/copy-run.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { type ChangeEvent, INCARNATION, LIMITS, makePlace, type Place } from "./replication-place.ts";

const readSecret = (): Promise<string> => Promise.resolve("");
const logger = createLogger(
  () => undefined,
  "error",
  () => 0,
);
const ROWS = 8_000;
const DEADLINE_MS = 90_000;
const NAMES = ["public.items", "public.pairs"];
let server: PostgresServer;
let place: Place;

beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(
    server,
    `create table items (id int primary key, small int, big text);
     alter table items alter column big set storage external;
     create table pairs (a text collate "C", b numeric(6,2), v int, primary key (a, b)) partition by hash (a);
     create table pairs0 partition of pairs for values with (modulus 2, remainder 0);
     create table pairs1 partition of pairs for values with (modulus 2, remainder 1);
     create table plain (v int);
     insert into items select n, 0, repeat('x' || n, 600) from generate_series(1, ${ROWS}) n;
     insert into pairs select 'k' || n % 97, n, 0 from generate_series(1, ${ROWS}) n;
     insert into plain select n from generate_series(1, 1000) n;`,
  );
}, 60_000);

afterAll(() => server?.stop());

/** Puts rows together from records as they are appended; the first of an id counts. */
class Reader {
  /** By table and key. */
  readonly rows = new Map<string, Record<string, unknown>>();
  readonly #ids = new Set<string>();
  readonly #lasts = new Map<string, bigint>();
  readonly #gone = new Map<string, Record<string, unknown>>();
  copied = 0;

  append(records: RecordBatch): void {
    for (let i = 0; i < records.count; i++) {
      const event = JSON.parse(Buffer.from(payloadOf(records, i)!).toString()) as ChangeEvent;
      const { eid } = event.metadata;
      if (this.#ids.has(eid)) continue;
      this.#ids.add(eid);
      const { lsn, index } = changePlace(eid)!;
      const at = (lsn << 30n) | BigInt(index);
      expect(at).toBeGreaterThan(this.#lasts.get(event.data_type) ?? -1n);
      this.#lasts.set(event.data_type, at);
      this.#apply(event);
    }
  }

  #apply({ data_type, source: { change }, before, data }: ChangeEvent): void {
    const keyOf = (row: Readonly<Record<string, unknown>>): string =>
      `${data_type} ${data_type === "public.items" ? String(row["id"]) : `${String(row["a"])} ${String(row["b"])}`}`;
    const key = keyOf(data);
    if (change === "copy") this.copied++;
    if (change === "delete") {
      const gone = this.rows.get(key);
      if (gone) this.#gone.set(key, gone);
      else this.#gone.delete(key);
      this.rows.delete(key);
      return;
    }
    const base = change === "update" ? this.rows.get(key) : before && this.#gone.get(keyOf(before));
    this.rows.set(key, { ...base, ...data });
  }
}

/** Somebody who uses the database. */
async function write(random: Randomness, signal: AbortSignal): Promise<number> {
  const client = await server.connect(place.address.database);
  const id = (): number => 1 + Math.floor(random.fraction() * ROWS * 1.1);
  let count = 0;
  const statements: (() => string)[] = [
    () => `update items set small = small + 1 where id = ${id()}`,
    () => `update items set big = repeat('y', 3000) where id = ${id()}`,
    () => `delete from items where id = ${id()}`,
    () => `insert into items values (${id()}, 1, repeat('z', 3000)) on conflict do nothing`,
    () =>
      `update items i set id = ${id()} where id = ${id()} and not exists (select from items where id = ${id()})`,
    () => `update pairs set v = v + 1 where b = ${id()}`,
    () => `update pairs set a = 'm' || b where b = ${id()}`,
    () => `delete from pairs where b = ${id()}`,
    () =>
      `savepoint s; update items set small = -1 where id = ${id()}; rollback to s;
       update items set small = 7 where id = ${id()}`,
  ];
  while (!signal.aborted) {
    try {
      await client.query("begin");
      for (let i = 1 + Math.floor(random.fraction() * 4); i > 0; i--)
        await client.query(statements[Math.floor(random.fraction() * statements.length)]!());
      await client.query(random.fraction() < 0.1 ? "rollback" : "commit");
      count++;
    } catch {
      await client.query("rollback"); // a key that was there already, or a deadlock
    }
  }
  await client.end();
  return count;
}

interface Saved {
  cursor: bigint;
  tables: Record<string, CapturedTable>;
}

/** One life of the capture. @returns whether all was copied and read up to `end` */
async function live(
  reader: Reader,
  saved: Saved,
  random: Randomness,
  { lifeMs, end }: { readonly lifeMs: number; readonly end: () => bigint | undefined },
): Promise<boolean> {
  const stop = new AbortController();
  const diesMs = performance.now() + lifeMs;
  const stream = await openReplication(
    place.address,
    { readSecret, clock: systemClock },
    {
      slot: "run",
      publications: ["muara"],
      cursor: String(saved.cursor),
      shard: "shop1",
      incarnation: INCARNATION,
      bind: place.bind,
      limits: LIMITS,
    },
  );
  let durable = saved.cursor;
  const save = async (): Promise<void> => {
    const tables = { ...saved.tables, ...run.tables };
    await Promise.resolve();
    if (stop.signal.aborted) return;
    Object.assign(saved, { cursor: durable, tables: structuredClone(tables) });
    stream.acknowledge(String(durable));
  };
  const run = new CopyRun({
    copy: openCopy(place.address, { readSecret }),
    from: saved.cursor,
    tables: NAMES.map((name) => ({
      name,
      table: {
        schema: "public",
        name: name.slice(7),
        shard: "shop1",
        incarnation: INCARNATION,
        bind: place.bind,
      },
      progress: saved.tables[name]!,
    })),
    chunkRows: 700,
    chunkBytes: 1_000_000,
    save,
    ask: () => stream.ask(),
    clock: systemClock,
    logger,
  });
  const running = run.run(stop.signal);
  try {
    for (;;) {
      const woven = await run.weave((await stream.next())!);
      for (const group of woven.groups) {
        if (performance.now() > diesMs) return false;
        for (const { records } of group) reader.append(records);
      }
      run.durable(woven);
      if (woven.cursor !== null) durable = BigInt(woven.cursor);
      if (random.fraction() < 0.3) await save();
      const last = end();
      if (last !== undefined) {
        stream.ask();
        if (run.isDone && durable >= last) {
          await save();
          return true;
        }
      }
    }
  } finally {
    stop.abort();
    await running;
    await stream.close();
  }
}

function waiting(eventType: string): CapturedTable {
  return { eventType, partition: 0, copy: "waiting", copiedTo: null, copiedRows: 0, completeAt: null };
}

it("gives the server's rows whatever was written meanwhile, through many ends and beginnings", async () => {
  const random = seededRandomness(Number(process.env["MUARA_SEED"] ?? 7));
  const slot = await openDatabase(place.address, { readSecret, clock: systemClock }).createSlot("run");
  const stop = new AbortController();
  const writers = [1, 2, 3].map((seed) => write(seededRandomness(seed), stop.signal));
  const saved: Saved = {
    cursor: slot.lsn,
    tables: Object.fromEntries(NAMES.map((name) => [name, waiting(name)])),
  };
  const reader = new Reader();
  const endMs = performance.now() + DEADLINE_MS;
  let [lives, written, last]: [number, number, bigint | undefined] = [0, 0, undefined];
  const finish = async (): Promise<void> => {
    stop.abort();
    for (const count of await Promise.all(writers)) written += count;
    last = await place.lsn();
  };
  for (let isDone = false; !isDone; lives++) {
    expect(performance.now()).toBeLessThan(endMs);
    // Short lives first, so that many begin in the middle.
    const lifeMs = lives < 12 ? 100 + random.fraction() * 700 : 60_000;
    if (lives === 12) setTimeout(() => void finish(), 1_500);
    isDone = await live(reader, saved, random, { lifeMs, end: () => last });
  }
  await slot.release();
  expect(written).toBeGreaterThan(100);
  expect(lives).toBeGreaterThan(10);
  expect(Object.values(saved.tables).map(({ copy }) => copy)).toEqual(["done", "done"]);
  const { rows: items } = await place.client.query("select id, small, big from items");
  const { rows: pairs } = await place.client.query("select a, b::text as b, v from pairs");
  const expected = new Map<string, unknown>([
    ...(items as { id: number }[]).map((row) => [`public.items ${row.id}`, row] as const),
    ...(pairs as { a: string; b: string }[]).map((row) => [`public.pairs ${row.a} ${row.b}`, row] as const),
  ]);
  expect(reader.copied).toBeGreaterThan(ROWS);
  expect(reader.rows.size).toBe(expected.size);
  for (const [key, row] of reader.rows) expect(row, key).toEqual(expected.get(key));
}, 150_000);

it("copies whole tables at once, two at a time, and leaves what was rewritten to the chunks", async () => {
  const database = openDatabase(place.address, { readSecret, clock: systemClock });
  const slot = await database.createSlot("once");
  await place.client.query("vacuum full pairs0");
  const snapshot = await openCopy(place.address, { readSecret }).inSnapshot(slot.snapshot);
  const counts = new Map<string, number>();
  const saved = new Map<string, CapturedTable>();
  const names = ["plain", "items", "pairs"];
  const rewritten = await copyAtOnce({
    snapshot,
    at: slot.lsn,
    again: new Set(["public.plain"]),
    tables: names.map((name) => ({
      name: `public.${name}`,
      table: { schema: "public", name, shard: "shop1", incarnation: INCARNATION, bind: place.bind },
      progress: waiting(name),
    })),
    batchBytes: 200_000,
    append: async ({ stream, records }) => {
      expect(records.bytes.length).toBeLessThan(300_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
      counts.set(stream, (counts.get(stream) ?? 0) + records.count);
    },
    save: async (name, progress) => void saved.set(name, progress),
    signal: new AbortController().signal,
  });
  await snapshot.close();
  await slot.release();
  const { rows } = await place.client.query("select count(*)::int as items from items");
  expect(rewritten).toEqual(["public.pairs"]);
  expect(counts).toEqual(
    new Map([
      ["public.plain", 1_001],
      ["public.items", (rows[0] as { items: number }).items],
    ]),
  );
  expect(saved.get("public.plain")).toMatchObject({
    copy: "done",
    copiedRows: 1_000,
    completeAt: String(slot.lsn),
  });
  expect(saved.get("public.pairs")).toMatchObject({ copy: "copying", completeAt: null });
}, 60_000);
