/**
 * Transactions of a source as two witnesses tell them: the server's own `test_decoding` through a slot that nobody
 * else knows, and the change tables of the lake. Of each transaction the end of its commit, its id, and how often it
 * changed each table.
 */
import type { PostgresServer } from "../services/postgres.ts";
import type { MuaraProcess } from "../services/muara.ts";
import { TELLER_TABLES } from "./capture-tables.ts";

const ROWS_MAX = 1_000_000;
const WITNESS_SLOT = "proof_witness";

export interface SourceTransaction {
  readonly lsn: bigint;
  readonly xid: number;
  /** By table, in the order of `TELLER_TABLES`. */
  readonly changes: readonly number[];
}

export async function createWitness(server: PostgresServer, database: string): Promise<void> {
  const text = `select pg_create_logical_replication_slot($1, 'test_decoding')`;
  await server.sql(text, [WITNESS_SLOT], database);
}

/** Everything since the witness was created, in the order of commits. */
export async function witnessed(
  server: PostgresServer,
  database: string,
): Promise<readonly SourceTransaction[]> {
  const counts = TELLER_TABLES.map(
    ({ name, change }, i) =>
      `count(*) filter (where data like 'table public.${name}: ${change}:%')::int as c${i}`,
  );
  const text = `select xid::text, (max(lsn) filter (where data like 'COMMIT%') - '0/0')::text as lsn,
      count(*) filter (where data like 'table %')::int as all, ${counts.join(", ")}
    from pg_logical_slot_peek_changes('${WITNESS_SLOT}', null, null, 'skip-empty-xacts', '1')
    group by 1 order by max(lsn)`;
  const rows = await server.sql(text, [], database);
  return rows.map((row) => {
    const changes = TELLER_TABLES.map((_, i) => Number(row[`c${i}`]));
    const known = changes.reduce((sum, count) => sum + count, 0);
    if (known !== row["all"]) throw new Error(`transaction ${String(row["xid"])} did something else, too`);
    return { lsn: BigInt(String(row["lsn"])), xid: Number(row["xid"]), changes };
  });
}

export interface LandedChanges {
  readonly transactions: readonly SourceTransaction[];
  /** Changes that are not copied rows. */
  readonly changes: number;
  readonly copied: number;
}

/** What the lake has of a shard. @throws where places within a transaction have gaps or are taken twice */
export async function landedChanges(muara: MuaraProcess, shard: string): Promise<LandedChanges> {
  const parts = TELLER_TABLES.map(
    ({ name }, i) =>
      `SELECT ${i} AS tab, event_id, source.lsn AS lsn, source.xid AS xid, source."index" AS place,
        source.change AS change FROM "${name}" WHERE source.shard = '${shard}'`,
  );
  const all = `WITH changes AS (${parts.join(" UNION ALL ")})`;
  const counts = TELLER_TABLES.map((_, i) => `count(*) FILTER (WHERE tab = ${i})`);
  const [[rows, ids, copied]] = (await muara.sql(
    `${all} SELECT count(*), count(DISTINCT event_id), count(*) FILTER (WHERE change = 'copy') FROM changes`,
  )) as [[unknown, unknown, unknown]];
  if (Number(rows) !== Number(ids)) throw new Error(`${shard}: ${String(rows)} changes, ${String(ids)} ids`);
  const found = await sqlRows(
    muara,
    `${all} SELECT lsn, max(xid), min(place), max(place), count(*), count(DISTINCT place),
      count(DISTINCT xid), ${counts.join(", ")} FROM changes WHERE change <> 'copy' GROUP BY lsn ORDER BY lsn`,
  );
  const transactions = found.map((row) => {
    const [lsn, xid, first, last, count, places, xids, ...changes] = row;
    if (Number(first) !== 0 || Number(last) !== Number(count) - 1 || count !== places || Number(xids) !== 1)
      throw new Error(
        `${shard}: the transaction at ${String(lsn)} has gaps or is there twice: ${row.join()}`,
      );
    return { lsn: BigInt(String(lsn)), xid: Number(xid), changes: changes.map(Number) };
  });
  return { transactions, changes: Number(rows) - Number(copied), copied: Number(copied) };
}

/**
 * From the first that the lake has (what is older has been copied), both witnesses tell the same.
 * @returns transactions compared @throws Error naming the first that differs
 */
export function compareTransactions(
  shard: string,
  source: readonly SourceTransaction[],
  lake: readonly SourceTransaction[],
): number {
  const [first] = lake;
  const expected = first ? source.filter(({ lsn }) => lsn >= first.lsn) : [];
  for (let i = 0; i < Math.max(expected.length, lake.length); i++) {
    const [wanted, found] = [tell(expected[i]), tell(lake[i])];
    if (wanted !== found)
      throw new Error(`${shard}: transaction ${i}: the source has ${wanted}, the lake ${found}`);
  }
  return lake.length;
}

function tell(transaction: SourceTransaction | undefined): string {
  if (!transaction) return "nothing";
  const { lsn, xid, changes } = transaction;
  return `${lsn} (${xid}: ${changes.join(" ")})`;
}

/** More rows than a query of its own would give. */
export async function sqlRows(muara: MuaraProcess, sql: string): Promise<readonly unknown[][]> {
  const body = JSON.stringify({ sql, limit: ROWS_MAX, timeout_ms: 600_000 });
  const response = await muara.fetch("/v1/sql", { method: "POST", body });
  const text = await response.text();
  if (response.status !== 200)
    throw new Error(`SQL answered ${response.status}: ${text.slice(0, 2_000)}\n${sql}`);
  const { rows, truncated } = JSON.parse(text) as { rows: unknown[][]; truncated: boolean };
  if (truncated) throw new Error(`more than ${ROWS_MAX} rows: ${sql}`);
  return rows;
}
