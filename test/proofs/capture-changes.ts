/**
 * Transactions of a source as two witnesses tell them: the server's own `test_decoding` through a slot that nobody
 * else knows, and the change tables of the lake. Of each transaction the end of its commit, its id, and how often it
 * changed each table. The decoder tells where the commit ends, a change where it begins: between the end of the
 * commit before and its own.
 */
import { fetchAgain } from "./host.ts";
import type { PostgresServer } from "../services/postgres.ts";
import type { MuaraProcess } from "../services/muara.ts";
import { TELLER_TABLES } from "./capture-tables.ts";

const ROWS_MAX = 1_000_000;
const WITNESS_SLOT = "proof_witness";
/** Of copies: rows, and what stands before one that is made again. TPC-B truncates nothing. */
const NOT_MOVED = "(change IN ('copy', 'truncate'))";

export interface SourceTransaction {
  /** As the source has it where the commit ends, as the lake has it where it begins. */
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
  /** Without those of copies. */
  readonly changes: number;
  readonly copied: number;
}

/** What the lake has of a shard. @throws where an id or a place within a transaction is taken twice */
export async function landedChanges(muara: MuaraProcess, shard: string): Promise<LandedChanges> {
  const parts = TELLER_TABLES.map(
    ({ name }, i) =>
      `SELECT ${i} AS tab, event_id, source.lsn AS lsn, source.xid AS xid, source."index" AS place,
        source.change AS change FROM "${name}" WHERE source.shard = '${shard}'`,
  );
  const all = `WITH changes AS (${parts.join(" UNION ALL ")})`;
  const counts = TELLER_TABLES.map((_, i) => `count(*) FILTER (WHERE tab = ${i})`);
  const [[rows, ids, copied]] = (await muara.sql(
    `${all} SELECT count(*), count(DISTINCT (tab, event_id)), count(*) FILTER (WHERE ${NOT_MOVED}) FROM changes`,
  )) as [[unknown, unknown, unknown]];
  if (Number(rows) !== Number(ids)) throw new Error(`${shard}: ${String(rows)} changes, ${String(ids)} ids`);
  const found = await sqlRows(
    muara,
    `${all} SELECT lsn, max(xid), count(*), count(DISTINCT place), count(DISTINCT xid), ${counts.join(", ")}
      FROM changes WHERE NOT ${NOT_MOVED} GROUP BY lsn ORDER BY lsn`,
  );
  const transactions = found.map((row) => {
    const [lsn, xid, count, places, xids, ...changes] = row;
    if (Number(count) !== Number(places) || Number(xids) !== 1)
      throw new Error(`${shard}: at ${String(lsn)} a place is taken twice: ${row.join()}`);
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
  const from = source.findIndex(({ lsn }) => first !== undefined && lsn > first.lsn);
  const expected = from === -1 ? [] : source.slice(from);
  for (let i = 0; i < Math.max(expected.length, lake.length); i++) {
    const [wanted, found] = [expected[i], lake[i]];
    const begin = source[from + i - 1]?.lsn ?? 0n;
    const isThere = wanted && found && found.lsn >= begin && found.lsn < wanted.lsn;
    if (isThere && tell(wanted) === tell(found)) continue;
    throw new Error(
      `${shard}: transaction ${i}: the source has ${tell(wanted)} from ${begin} to ${wanted?.lsn ?? "nowhere"}, ` +
        `the lake ${tell(found)} at ${found?.lsn ?? "nowhere"}`,
    );
  }
  return lake.length;
}

function tell(transaction: SourceTransaction | undefined): string {
  return transaction ? `${transaction.xid} (${transaction.changes.join(" ")})` : "nothing";
}

/** More rows than a query of its own would give. */
export async function sqlRows(muara: MuaraProcess, sql: string): Promise<readonly unknown[][]> {
  const body = JSON.stringify({ sql, limit: ROWS_MAX, timeout_ms: 600_000 });
  const response = await fetchAgain(muara, "/v1/sql", { method: "POST", body });
  const text = await response.text();
  if (response.status !== 200)
    throw new Error(`SQL answered ${response.status}: ${text.slice(0, 2_000)}\n${sql}`);
  const { rows, truncated } = JSON.parse(text) as { rows: unknown[][]; truncated: boolean };
  if (truncated) throw new Error(`more than ${ROWS_MAX} rows: ${sql}`);
  return rows;
}
