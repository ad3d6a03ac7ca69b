/** The comparators of the capture proof see every kind of damage, over the rows of real servers. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compareTransactions, type SourceTransaction, witnessed } from "./capture-changes.ts";
import { assertSameRows, compareRows, type RowDifferences } from "./capture-rows.ts";
import { DATABASE, rowsOf, TellerShard } from "./capture-shard.ts";
import { TELLER_TABLES, type TellerTable } from "./capture-tables.ts";

const TRANSACTIONS = 200;

let folder: string;
let shard: TellerShard;
let copy: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "muara-capture-rows-"));
  shard = await TellerShard.start("shop1", folder, 400);
  shard.begin();
  await shard.end(); // one turn
});

afterAll(async () => {
  await shard.stop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  copy = `copy_${Math.random().toString(36).slice(2)}`;
  await shard.server.sql(`create database ${copy} template ${DATABASE}`);
});

const table = (name: string): TellerTable => TELLER_TABLES.find((one) => one.name === name)!;

async function differencesAfter(name: string, damage: string): Promise<RowDifferences> {
  await shard.server.sql(damage, [], copy);
  return compareRows(await shard.rows(table(name)), await rowsOf(shard.server, copy, table(name)));
}

const counts = ({ missing, surplus, changed, doubled }: RowDifferences): readonly number[] =>
  [missing, surplus, changed, doubled].map(({ count }) => count);

test("what is the same is the same, and pgbench's account agrees with the source", async () => {
  for (const one of TELLER_TABLES)
    assertSameRows(one.name, await shard.rows(one), await rowsOf(shard.server, copy, one));
  expect(await shard.checkSource()).toBeGreaterThan(TRANSACTIONS);
});

const HISTORY = "pgbench_history";
const ONE = `ctid = (select ctid from ${HISTORY} limit 1)`;

describe("one damaged row is found", () => {
  /** Missing, surplus, changed, doubled. */
  test.each<[string, string, string, readonly number[]]>([
    [
      "changed",
      "pgbench_accounts",
      "update pgbench_accounts set abalance = -abalance - 1 where aid = 77",
      [0, 0, 1, 0],
    ],
    ["blank", "pgbench_tellers", "update pgbench_tellers set filler = '' where tid = 3", [0, 0, 1, 0]],
    ["lost", "pgbench_accounts", "delete from pgbench_accounts where aid = 4711", [1, 0, 0, 0]],
    ["one too many", "pgbench_branches", "insert into pgbench_branches values (2, 0)", [0, 1, 0, 0]],
    ["changed, without a key", HISTORY, `update ${HISTORY} set delta = delta + 1 where ${ONE}`, [1, 1, 0, 0]],
    ["a microsecond", HISTORY, `update ${HISTORY} set mtime = mtime + '1us' where ${ONE}`, [1, 1, 0, 0]],
    ["lost, without a key", HISTORY, `delete from ${HISTORY} where ${ONE}`, [1, 0, 0, 0]],
    [
      "doubled, without a key",
      HISTORY,
      `insert into ${HISTORY} select * from ${HISTORY} where ${ONE}`,
      [0, 0, 0, 1],
    ],
  ])("%s", async (_kind, name, damage, expected) => {
    expect(counts(await differencesAfter(name, damage))).toEqual(expected);
  });

  test("doubled with another value, and named in the error", () => {
    const rows = [{ key: "1", digest: "a" }];
    const twice = [...rows, { key: "1", digest: "b" }];
    expect(() => assertSameRows("the lake", rows, twice)).toThrow("the lake: of 1 rows 1 changed (1)");
    expect(() => assertSameRows("the lake", rows, [...rows, ...rows])).toThrow("1 doubled (1)");
  });
});

describe("transactions", () => {
  test("the witness tells each with its four changes, as many as the history has rows", async () => {
    const transactions = await witnessed(shard.server, DATABASE);
    expect(transactions).toHaveLength((await shard.sums()).transactions);
    expect(transactions.every(({ changes }) => changes.join() === "1,1,1,1")).toBe(true);
    expect(new Set(transactions.map(({ lsn }) => lsn)).size).toBe(transactions.length);
  });

  test.each<[string, (lake: SourceTransaction[]) => unknown]>([
    ["one lost", (lake) => lake.splice(5, 1)],
    ["one twice", (lake) => lake.splice(5, 0, lake[5]!)],
    ["the last lost", (lake) => lake.pop()],
    ["a change of one lost", (lake) => (lake[5] = { ...lake[5]!, changes: [1, 1, 0, 1] })],
    ["one at the place of the one before", (lake) => (lake[5] = { ...lake[5]!, lsn: lake[4]!.lsn })],
    ["two in another order", (lake) => lake.splice(5, 2, lake[6]!, lake[5]!)],
  ])("%s is found", async (_name, damage) => {
    const source = await witnessed(shard.server, DATABASE);
    const lake = source.slice(10).map((one) => ({ ...one, lsn: one.lsn - 1n }));
    expect(compareTransactions("shop1", source, lake)).toBe(source.length - 10);
    damage(lake);
    expect(() => compareTransactions("shop1", source, lake)).toThrow("shop1: transaction");
  });
});
