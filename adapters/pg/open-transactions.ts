/**
 * Transactions that have written and have not ended: new slots and copies wait for them, and the server keeps its log
 * from where the oldest began.
 *
 * Surprising rule: who has an id is known from the locks, which everybody may see; since when, and what a session says
 * of itself, only with the rights for it (pg_read_all_stats).
 */
import type { Client } from "pg";
import { escapeLiteral } from "pg";
import type { SourceTransaction } from "../../core/ports/source-database.ts";
import { rowsOf } from "./connection.ts";

/** Sub-transactions have ids of their own: of each session the oldest is the transaction's. */
const OPEN = `
  SELECT DISTINCT ON (coalesce(a.pid::text, p.gid)) l.transactionid::text AS id, a.pid, p.gid,
         coalesce(a.usename, p.owner)::text AS "user", coalesce(a.datname, p.database)::text AS database,
         a.application_name AS application, a.state,
         (extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)) * 1000)::float8 AS open_ms
    FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts p ON p.transaction = l.transactionid
   WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
     AND (a.pid IS NOT NULL OR p.gid IS NOT NULL) AND a.pid IS DISTINCT FROM pg_backend_pid()
   ORDER BY coalesce(a.pid::text, p.gid), age(l.transactionid) DESC`;

interface OpenRow {
  id: string;
  pid: number | null;
  gid: string | null;
  user: string | null;
  database: string | null;
  application: string | null;
  state: string | null;
  open_ms: number | null;
}

/** @throws source.* */
export async function openTransactions(client: Client): Promise<readonly SourceTransaction[]> {
  const rows = await rowsOf<OpenRow>(client, OPEN);
  return rows.map(transactionOf).toSorted((a, b) => (b.openMs ?? -1) - (a.openMs ?? -1));
}

function transactionOf({
  id,
  pid,
  gid,
  user,
  database,
  application,
  state,
  open_ms,
}: OpenRow): SourceTransaction {
  const openMs = open_ms === null ? null : Math.round(open_ms);
  const whose = `of ${user ?? "somebody"} in ${database ?? "no database"}`;
  if (gid !== null) {
    const name = escapeLiteral(gid);
    const remedy = `COMMIT PREPARED ${name}; or ROLLBACK PREPARED ${name}; in ${database ?? "its database"}`;
    return { id, openMs, kind: "prepared", what: `the prepared transaction ${name} ${whose}`, remedy };
  }
  const says = [`pid ${pid}`, application ? `"${application}"` : "", state ?? ""].filter(
    (text) => text !== "",
  );
  return {
    id,
    openMs,
    kind: "open",
    what: `transaction ${id} ${whose} (${says.join(", ")})`,
    remedy: `have it end, or SELECT pg_terminate_backend(${pid});`,
  };
}
