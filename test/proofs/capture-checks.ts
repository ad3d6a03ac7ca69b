/** The end of the capture proof: what the sources say, against what the lake and the store have. */
import { eventually } from "../services/muara.ts";
import type { Bank } from "./capture-bank.ts";
import { compareTransactions, landedChanges, type SourceTransaction, witnessed } from "./capture-changes.ts";
import { assertSameRows } from "./capture-rows.ts";
import { DATABASE, type TellerShard } from "./capture-shard.ts";
import { TELLER_TABLES } from "./capture-tables.ts";

const SETTLE_MS = 600_000; // no promise, only an end

export interface Checked {
  /** That pgbench logged. */
  transactionsLogged: number;
  /** In the sources' histories. */
  transactions: number;
  /** Held against what the servers' own decoder told; the others were copied. */
  transactionsCompared: number;
  changes: number;
  copied: number;
  duplicates: Readonly<Record<string, number>>;
  /** Compared in the lake, and as many in the store. */
  rows: number;
  checks: number;
  landedMs: number;
  deliveredMs: number;
}

/** @throws Error naming the first difference */
export async function checkBank(bank: Bank, tell: (line: string) => void): Promise<Checked> {
  const startedMs = performance.now();
  const sinceStart = (): number => Math.round(performance.now() - startedMs);
  const told = new Map<TellerShard, readonly SourceTransaction[]>();
  const result: Checked = {
    transactionsLogged: 0,
    transactions: 0,
    transactionsCompared: 0,
    changes: 0,
    copied: 0,
    duplicates: {},
    rows: 0,
    checks: 0,
    landedMs: 0,
    deliveredMs: 0,
  };
  for (const shard of bank.shards) {
    result.transactionsLogged += await shard.checkSource();
    result.transactions += (await shard.sums()).transactions;
    told.set(shard, await witnessed(shard.server, DATABASE));
  }
  tell(`${result.transactions} transactions in the sources`);
  await bank.landed(new Map([...told].map(([{ name }, transactions]) => [name, transactions.at(-1)!])));
  result.landedMs = sinceStart();
  tell(`landed after ${result.landedMs} ms`);
  const muara = await bank.running();
  for (const [{ name }, transactions] of told) {
    const lake = await landedChanges(muara, name);
    result.transactionsCompared += compareTransactions(name, transactions, lake.transactions);
    result.changes += lake.changes;
    result.copied += lake.copied;
  }
  tell(`${result.changes} changes compared`);
  result.rows = await compareCurrent(bank);
  tell(`${result.rows} rows of the current states compared`);
  await delivered(bank);
  result.deliveredMs = sinceStart();
  await compareStore(bank);
  tell("the store compared");
  result.duplicates = await bank.books();
  result.checks = await bank.verify();
  return result;
}

async function compareCurrent(bank: Bank): Promise<number> {
  let rows = 0;
  for (const shard of bank.shards) {
    for (const table of TELLER_TABLES) {
      const expected = await shard.rows(table);
      const place = `${table.name} of ${shard.name} in the lake`;
      assertSameRows(place, expected, await bank.lakeRows(table, shard.name));
      rows += expected.length;
    }
  }
  return rows;
}

/** Deliveries follow landing: the store's sums are the sources', in the end. */
async function delivered(bank: Bank): Promise<void> {
  const wanted = new Map<string, string>();
  for (const shard of bank.shards) wanted.set(shard.name, JSON.stringify(Object.values(await shard.sums())));
  let last = "";
  try {
    await eventually("all delivered", SETTLE_MS, async () => {
      for (const [name, sums] of wanted) {
        last = `${name}: ${sums}, the store ${JSON.stringify(Object.values(await bank.storeSums(name)))}`;
        if (last !== `${name}: ${sums}, the store ${sums}`) return false;
      }
      return true;
    });
  } catch (cause) {
    throw new Error(last, { cause });
  }
}

async function compareStore(bank: Bank): Promise<void> {
  for (const shard of bank.shards) {
    for (const table of TELLER_TABLES) {
      const place = `${table.name} of ${shard.name} in the store`;
      assertSameRows(place, await shard.rows(table), await bank.storeRows(table, shard.name));
    }
  }
}
