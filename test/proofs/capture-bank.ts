/**
 * The bank of the capture proof: shards with money in them, a Muara that captures all of them into the same four event
 * types, and a server that it delivers the current states to. Everything is declared as a user would.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, type MuaraProcess, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { type RowDigest } from "./capture-rows.ts";
import { sqlRows, type SourceTransaction } from "./capture-changes.ts";
import { DATABASE, rowsOf, sumsOf, TellerShard, type TellerSums } from "./capture-shard.ts";
import { rowSql, type TellerTable, TELLER_TABLES } from "./capture-tables.ts";
import { Host } from "./host.ts";

/** Accounts are more: their copies go on where they were killed, those of the others begin again. */
const COPY_ONCE_ROWS = 50_000;
const DECLARE_MS = 60_000;
const SETTLE_MS = 600_000; // no promise, only an end

interface Shown {
  readonly tables: readonly { readonly copy: string | null }[];
}

export class Bank {
  readonly shards: readonly TellerShard[];
  readonly store: PostgresServer;
  readonly host: Host;
  readonly #remove: () => Promise<void>;

  /** @param rate transactions per second of each shard */
  static async open(count: number, rate: number): Promise<Bank> {
    const folder = await temporaryFolder("capture");
    const store = await startPostgres();
    await store.sql(`create database ${DATABASE}`);
    const shards: TellerShard[] = [];
    const logs = join(folder.path, "pgbench");
    await mkdir(logs);
    for (let i = 1; i <= count; i++) shards.push(await TellerShard.start(`shop${i}`, logs, rate));
    const config = join(folder.path, "muara.config.js");
    await writeFile(config, `export default ${JSON.stringify(settingsOf(shards, store))};\n`);
    const host = new Host(join(folder.path, "data"), { MUARA_CONFIG: config, MUARA_QUERY_WARM: "0" });
    return new Bank(shards, store, host, folder.remove);
  }

  private constructor(
    shards: readonly TellerShard[],
    store: PostgresServer,
    host: Host,
    remove: () => Promise<void>,
  ) {
    this.shards = shards;
    this.store = store;
    this.host = host;
    this.#remove = remove;
  }

  /** Captures of all shards, and a delivery of each table's current state. */
  async declare(): Promise<void> {
    for (const { name } of this.shards) {
      await this.#post("/v1/captures", {
        name,
        database: name,
        shard: name,
        tables: Object.fromEntries(TELLER_TABLES.map((table) => [`public.${table.name}`, table.name])),
      });
    }
    for (const table of TELLER_TABLES) await this.#post("/v1/deliveries", deliveryOf(table));
  }

  /** Waits until all copies are taken. */
  async copied(): Promise<void> {
    await eventually("all copied", SETTLE_MS, async () => {
      const muara = await this.running();
      const { items } = (await (await muara.fetch("/v1/captures")).json()) as { items: readonly Shown[] };
      return items.every(({ tables }) => tables.every(({ copy }) => copy === "done"));
    });
  }

  /** Waits until the lake has the last transaction of every shard in each of its tables. */
  async landed(last: ReadonlyMap<string, SourceTransaction>): Promise<void> {
    const union = TELLER_TABLES.map(
      ({ name }) =>
        `SELECT source.shard AS shard, max_by(source.xid, source.lsn) AS xid FROM "${name}"
          WHERE source.change NOT IN ('copy', 'truncate') GROUP BY 1`,
    ).join(" UNION ALL ");
    await eventually("all landed", SETTLE_MS, async () => {
      const muara = await this.running();
      const rows = await sqlRows(muara, `SELECT shard, min(xid), count(*) FROM (${union}) GROUP BY 1`);
      const newest = new Map(
        rows.map(([shard, xid, count]) => [String(shard), [Number(xid), Number(count)]]),
      );
      return [...last].every(([shard, { xid }]) => {
        const [at, tables] = newest.get(shard) ?? [];
        return at === xid && tables === TELLER_TABLES.length;
      });
    });
  }

  /** Of one shard in the current state, by the lake's own SQL. */
  async lakeRows(table: TellerTable, shard: string): Promise<readonly RowDigest[]> {
    const muara = await this.running();
    const rows = await sqlRows(
      muara,
      `SELECT ${rowSql(table, "duckdb")} FROM "${table.name}.current" WHERE source.shard = '${shard}'`,
    );
    return (rows as readonly [string | null, string][]).map(([key, digest]) => ({ key, digest }));
  }

  storeRows(table: TellerTable, shard: string): Promise<readonly RowDigest[]> {
    return rowsOf(this.store, DATABASE, table, `where _muara_shard = '${shard}'`);
  }

  /** Of one shard, like `TellerShard.sums`. */
  storeSums(shard: string): Promise<TellerSums> {
    return sumsOf(this.store, `where _muara_shard = '${shard}'`);
  }

  /** Nothing of the Muara's own accounts is open or wrong. @returns duplicates by table */
  async books(): Promise<Readonly<Record<string, number>>> {
    const muara = await this.running();
    const duplicates: Record<string, number> = {};
    for (const { name } of TELLER_TABLES) {
      const response = await muara.fetch(`/v1/books?event_type=${name}`);
      const { items } = (await response.json()) as { items: Readonly<Record<string, unknown>>[] };
      const [item] = items;
      if (item?.["balanced"] !== true || item["in_flight"] !== 0 || item["dead_letters"] !== 0)
        throw new Error(`the books of ${name}: ${JSON.stringify(item)}`);
      duplicates[name] = Number(item["duplicates"]);
    }
    return duplicates;
  }

  /** Every byte of the tables is as their logs say. @returns checks made */
  async verify(): Promise<number> {
    const muara = await this.running();
    let checks = 0;
    for (const { name } of TELLER_TABLES) {
      for (const table of [name, `${name}.current`]) {
        const path = `/v1/tables/${encodeURIComponent(table)}/verify?deep=true`;
        const text = await (await muara.fetch(path)).text();
        const answer = JSON.parse(text) as { holds?: boolean; checks: unknown[] };
        if (answer.holds !== true) throw new Error(`verify ${table}: ${text}`);
        checks += answer.checks.length;
      }
    }
    return checks;
  }

  /** After a failure its folder stays, to be looked at. */
  async close(isGood: boolean): Promise<void> {
    await this.host.kill();
    await Promise.all([...this.shards.map((shard) => shard.stop()), this.store.stop()]);
    if (isGood) await this.#remove();
  }

  /** The process, started unless it runs. */
  async running(): Promise<MuaraProcess> {
    this.host.assertNoSurprise();
    return this.host.running ?? this.host.start();
  }

  async #post(path: string, body: unknown): Promise<void> {
    await eventually(`${path} ${JSON.stringify(body)}`, DECLARE_MS, async () => {
      const { status, text } = await this.host.post(path, JSON.stringify(body));
      // One whose answer was lost is there already when it is declared again.
      if (status === 201 || status === 409) return true;
      if (status === 404) return false; // a table is there once its capture has begun
      throw new Error(`${path} answered ${status}: ${text}`);
    });
  }
}

function addressOf({ host, port, user }: PostgresServer): unknown {
  return { host, port, user, database: DATABASE };
}

function settingsOf(shards: readonly TellerShard[], store: PostgresServer): unknown {
  return {
    postgres: {
      store: addressOf(store),
      ...Object.fromEntries(shards.map(({ name, server }) => [name, addressOf(server)])),
    },
    deliver: { postgres: ["store"] },
    capture: { pauseMsMax: 1_000, copyOnceRows: COPY_ONCE_ROWS },
  };
}

function deliveryOf({ name, key }: TellerTable): unknown {
  return {
    name: name.replaceAll("_", "-"),
    table: name,
    from: "begin",
    batch_rows: 10_000,
    postgres: {
      target: "store",
      table: `public.${name}`,
      mode: "state",
      ...(key === null ? {} : { key: [key] }),
    },
  };
}
