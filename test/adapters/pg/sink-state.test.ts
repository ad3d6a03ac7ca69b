/**
 * A captured table's changes become its rows. The oracle is a table in a plain map, from which the changes are made;
 * and PostgreSQL's own text of every value.
 */
import { expect, test } from "vitest";
import { type Randomness, seededRandomness } from "../../../core/clock.ts";
import type { SinkBatch } from "../../../core/ports/sink.ts";
import { CAPTURED_ENVELOPE, column, eachSinkStand, sinkBatch } from "./sink-stand.ts";

const never = new AbortController().signal;
const it = eachSinkStand();

const COLUMNS = [
  ...CAPTURED_ENVELOPE,
  column("id", "long"),
  column("name", "string"),
  column("bio", "string"),
];

type Row = Readonly<{ id: bigint; name: string | null; bio: string | null }>;
interface Made {
  readonly event_key: string | null;
  readonly source: Readonly<Record<string, unknown>>;
  readonly [column: string]: unknown;
}

/** A source with one table, whose changes are kept. */
class Source {
  readonly rows = new Map<bigint, Row>();
  readonly changes: Made[] = [];
  readonly shard: string;
  readonly #chance: Randomness;
  readonly #isGlobal: boolean;
  #lsn = 1_000n;
  #index = 0n;

  constructor(shard: string, chance: Randomness, isGlobal = false) {
    this.shard = shard;
    this.#chance = chance;
    this.#isGlobal = isGlobal;
  }

  pick(below: number): number {
    return Math.floor(this.#chance.fraction() * below);
  }

  /** One transaction of some statements. */
  step(): void {
    this.#lsn += 8n;
    this.#index = 0n;
    for (let n = this.pick(4); n >= 0; n--) this.#statement();
  }

  #statement(): void {
    const dice = this.pick(100);
    const id = BigInt(this.pick(20));
    const row = this.rows.get(id);
    if (dice < 2) {
      this.rows.clear();
      this.#emit("truncate", {});
    } else if (!row) this.#set("create", { id, name: `n${this.pick(1e6)}`, bio: `b${this.pick(1e6)}` });
    else if (dice < 50) {
      // A bio that is not touched is not sent.
      const next = { ...row, name: dice % 2 === 0 ? null : `u${this.pick(1e6)}` };
      this.#set("update", next, ["bio"]);
    } else if (dice < 70) this.#set("update", { ...row, bio: `c${this.pick(1e6)}` });
    else if (dice < 85) {
      this.rows.delete(id);
      this.#emit("delete", { id });
    } else this.#rename(row);
  }

  /** A key that changes: the bio is not sent. */
  #rename(row: Row): void {
    const id = BigInt(100 + this.pick(20));
    if (this.rows.has(id)) return;
    this.rows.delete(row.id);
    this.#emit("delete", { id: row.id });
    this.#set("create", { ...row, id }, ["bio"]);
  }

  #set(kind: string, row: Row, unchanged: readonly string[] = []): void {
    this.rows.set(row.id, row);
    this.#emit(
      kind,
      Object.fromEntries(Object.entries(row).filter(([name]) => !unchanged.includes(name))),
      unchanged,
    );
  }

  #emit(change: string, data: Partial<Row>, unchanged: readonly string[] = []): void {
    const key = this.#isGlobal ? [Number(data.id)] : [this.shard, Number(data.id)];
    this.changes.push({
      event_id: `${this.shard}-${this.#lsn}-${this.#index}`,
      event_key: data.id === undefined ? null : JSON.stringify(key),
      source: {
        shard: this.shard,
        incarnation: 1n,
        lsn: this.#lsn,
        index: this.#index++,
        change,
        unchanged: unchanged.length === 0 ? null : [...unchanged],
      },
      ...data,
    });
  }
}

const LIST = "select _muara_shard as shard, id, name, bio from ods.t order by 1, 2";

function expected(...sources: readonly Source[]): unknown[] {
  return sources
    .toSorted((a, b) => (a.shard < b.shard ? -1 : 1))
    .flatMap(({ shard, rows }) =>
      [...rows.values()]
        .toSorted((a, b) => Number(a.id - b.id))
        .map((row) => ({ shard, ...row, id: String(row.id) })),
    );
}

/** Changes of several sources, each in order. */
function interleaved(chance: Randomness, ...sources: readonly Source[]): Made[] {
  const queues = sources.map(({ changes }) => [...changes]);
  const all: Made[] = [];
  for (;;) {
    const open = queues.filter((queue) => queue.length > 0);
    if (open.length === 0) return all;
    all.push(open[Math.floor(chance.fraction() * open.length)]!.shift()!);
  }
}

test.each([1, 2, 3, 4])(
  "the rows of two shards, by seed %i, wherever batches end and whoever writes them",
  async (seed) => {
    const chance = seededRandomness(seed);
    const sources = [new Source("a", chance), new Source("b", chance)];
    for (let n = 0; n < 150; n++) for (const source of sources) source.step();
    const changes = interleaved(chance, ...sources);
    let sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
    for (let at = 0; at < changes.length;) {
      const size = 1 + Math.floor(chance.fraction() * 40);
      const batch = sinkBatch(at, COLUMNS, changes.slice(at, at + size), {
        hasMore: chance.fraction() < 0.3,
      });
      expect(await sink.write(batch, never)).toEqual({ outcome: "taken" });
      if (chance.fraction() < 0.2) sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
      // Sometimes what was taken comes again.
      if (chance.fraction() > 0.2) at += batch.rows.length;
    }
    expect(await it.sql(LIST)).toEqual(expected(...sources));
  },
  60_000,
);

test("without the key's columns the record's key is the key", async () => {
  const chance = seededRandomness(9);
  const source = new Source("a", chance);
  for (let n = 0; n < 100; n++) source.step();
  const sink = it.open({ table: "ods.t", mode: "state" });
  for (let at = 0; at < source.changes.length; at += 25)
    expect(await sink.write(sinkBatch(at, COLUMNS, source.changes.slice(at, at + 25)), never)).toEqual({
      outcome: "taken",
    });
  expect(await it.sql(LIST)).toEqual(expected(source));
  expect(await it.sql("select _muara_key as key from ods.t order by id limit 1")).toEqual([
    {
      key: JSON.stringify([
        "a",
        Number(
          expected(source).length > 0 ? [...source.rows.keys()].toSorted((a, b) => Number(a - b))[0] : 0,
        ),
      ]),
    },
  ]);
});

test("a version of the table in any order makes the same rows", async () => {
  const chance = seededRandomness(7);
  const source = new Source("a", chance);
  for (let n = 0; n < 120; n++) source.step();
  // Whole rows: what a change leaves alone needs the one before it.
  const whole = source.changes.filter(
    ({ source: { unchanged, change } }) => !unchanged && change !== "truncate",
  );
  const model = new Map<unknown, Made>();
  for (const change of whole)
    if (change.source["change"] === "delete") model.delete(change["id"]);
    else model.set(change["id"], change);
  const shuffled = whole
    .map((change) => ({ change, at: chance.fraction() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ change }) => change);
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  for (let at = 0; at < shuffled.length; at += 20) {
    const batch: SinkBatch = sinkBatch(at, COLUMNS, shuffled.slice(at, at + 20), {
      hasMore: at + 20 < shuffled.length,
    });
    expect(await sink.write(batch, never)).toEqual({ outcome: "taken" });
  }
  const rows = [...model.values()].toSorted((a, b) => Number((a["id"] as bigint) - (b["id"] as bigint)));
  expect(await it.sql("select id, name, bio from ods.t order by id")).toEqual(
    rows.map(({ id, name, bio }) => ({ id: String(id as bigint), name: name ?? null, bio: bio ?? null })),
  );
  expect(await it.sql("select * from muara.deleted")).toEqual([]);
});

test("where keys are the same on all shards, a row that moves is one row", async () => {
  const chance = seededRandomness(3);
  const [a, b] = [new Source("a", chance, true), new Source("b", chance, true)];
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  const make = (source: Source, change: string, lsn: bigint, data: Partial<Row>): Made => ({
    event_id: "x",
    event_key: `[${data.id}]`,
    source: {
      shard: source.shard,
      incarnation: source === a ? 9n : 1n,
      lsn,
      index: 0n,
      change,
      unchanged: null,
    },
    ...data,
  });
  const there = make(a, "create", 5n, { id: 1n, name: "at a", bio: null });
  const moved = [
    make(b, "create", 2n, { id: 1n, name: "at b", bio: null }),
    make(a, "delete", 6n, { id: 1n }),
  ];
  await sink.write(sinkBatch(0, COLUMNS, [there]), never);
  await sink.write(sinkBatch(1, COLUMNS, moved), never);
  expect(await it.sql(LIST)).toEqual([{ shard: "b", id: "1", name: "at b", bio: null }]);
  const back = [
    make(b, "delete", 3n, { id: 1n }),
    make(a, "create", 7n, { id: 1n, name: "again", bio: null }),
  ];
  await sink.write(sinkBatch(3, COLUMNS, [back[0]!]), never);
  await sink.write(sinkBatch(4, COLUMNS, [back[1]!]), never);
  expect(await it.sql(LIST)).toEqual([{ shard: "a", id: "1", name: "again", bio: null }]);
});

const keyless = (n: number, change: string): Made => ({
  event_id: `e${n}`,
  event_key: null,
  source: { shard: "a", incarnation: 1n, lsn: BigInt(n), index: 0n, change, unchanged: null },
  name: `n${n}`,
});

test("a table that only gets inserts needs no key; what would need one is refused", async () => {
  const sink = it.open({ table: "ods.t", mode: "state" });
  const columns = [...CAPTURED_ENVELOPE, column("name", "string")];
  await sink.write(sinkBatch(0, columns, [keyless(1, "copy"), keyless(2, "create")]), never);
  expect(await it.sql("select _muara_key as key, name from ods.t order by 1")).toEqual([
    { key: "e1", name: "n1" },
    { key: "e2", name: "n2" },
  ]);
  expect(await sink.write(sinkBatch(2, columns, [keyless(3, "update")]), never)).toMatchObject({
    outcome: "refused",
  });
});

const made = (shard: string, change: string, lsn: bigint, index: bigint, more: object = {}) => ({
  event_id: `${shard}-${lsn}-${index}`,
  event_key: "[1]",
  source: { shard, incarnation: 1n, lsn, index, change },
  id: 1n,
  ...more,
});

test("global keys: a row that moved to another shard stays, in whatever order a shard's changes come", async () => {
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  const changes = [
    made("c", "create", 20n, 1n, { id: 3n, name: "y", event_key: "[3]" }),
    made("c", "create", 20n, 0n, { id: 2n, name: "x", event_key: "[2]" }),
    made("b", "create", 10n, 0n, { name: "old" }),
    made("b", "delete", 11n, 0n),
    made("a", "create", 5n, 0n, { name: "moved" }),
  ];
  await sink.write(sinkBatch(0, COLUMNS, changes), never);
  expect(await it.sql("select id::int, name from ods.t order by 1")).toEqual([
    { id: 1, name: "moved" },
    { id: 2, name: "x" },
    { id: 3, name: "y" },
  ]);
});

test("a column with a quote in its name gets back what stands beside", async () => {
  const columns = [...COLUMNS, { ...column("f", "double"), field: 'a"b', sourceType: "double precision" }];
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  const extra = JSON.stringify({ data: { 'a"b__text': "-Infinity" } });
  const source = { shard: "a", incarnation: 1n, lsn: 8n, index: 0n, change: "create" };
  await sink.write(
    sinkBatch(0, columns, [{ event_id: "1", event_key: "[1]", source, id: 1n, extra }]),
    never,
  );
  expect(await it.sql(`select "a""b"::text as f from ods.t`)).toEqual([{ f: "-Infinity" }]);
});

test("an erasure takes the subject's rows, once, and forgets what was carried over", async () => {
  const chance = seededRandomness(5);
  const source = new Source("a", chance);
  for (let n = 0; n < 60; n++) source.step();
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  await sink.write(sinkBatch(0, COLUMNS, source.changes), never);
  const subject = [...source.rows.values()].find(({ bio }) => bio !== null)!;
  const erasure = { id: "e1.1", column: "bio", value: subject.bio!, columns: COLUMNS, hasDelivered: true };
  expect(await sink.erase!(erasure, never)).toEqual({ rows: 1 });
  expect(await it.open({ table: "ods.t", mode: "state", key: ["id"] }).erase!(erasure, never)).toEqual({
    rows: 1,
  });
  const rest = (expected(source) as { bio: string | null }[]).filter(({ bio }) => bio !== subject.bio);
  expect(await it.sql(LIST)).toEqual(rest);
  expect(await it.sql("select rows::int from muara.erasures")).toEqual([{ rows: 1 }]);
  // What the column cannot hold it does not hold.
  expect(await sink.erase!({ ...erasure, id: "e2.1", column: "id", value: "no number" }, never)).toEqual({
    rows: 0,
  });
  expect(await sink.erase!({ ...erasure, id: "e3.1", column: "none" }, never)).toEqual({ rows: 0 });
});
