/**
 * Replication slots: made, looked at, dropped.
 *
 * Surprising rule: a slot is made by a replication session, since only that exports the snapshot which goes with it;
 * the snapshot lives for as long as that session does nothing else.
 */
import { type Client, escapeIdentifier } from "pg";
import type { CreatedSlot, SourceSlot } from "../../core/ports/source-database.ts";
import { rowsOf } from "./connection.ts";
import { sqlstateOf } from "./failure.ts";
import { lsnOf } from "./lsn.ts";

const UNDEFINED_OBJECT = "42704";

interface SlotRow {
  plugin: string;
  database: string;
  active: boolean;
  restart_lsn: string | null;
  confirmed_flush_lsn: string | null;
  wal_status: SourceSlot["walStatus"] | undefined;
  safe_wal_size: string | null | undefined;
  server_lsn: string;
}

/** @throws source.* */
export async function readSlot(client: Client, name: string): Promise<SourceSlot | undefined> {
  const [row] = await rowsOf<SlotRow>(
    client,
    `SELECT s.*, s.restart_lsn::text, s.confirmed_flush_lsn::text,
            (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END)::text
              AS server_lsn
       FROM pg_replication_slots s WHERE s.slot_name = $1 AND s.slot_type = 'logical'`,
    [name],
  );
  if (!row) return undefined;
  return {
    name,
    plugin: row.plugin,
    database: row.database,
    isActive: row.active,
    restartLsn: row.restart_lsn === null ? null : lsnOf(row.restart_lsn),
    confirmedLsn: row.confirmed_flush_lsn === null ? null : lsnOf(row.confirmed_flush_lsn),
    walStatus: row.wal_status ?? null,
    safeWalBytes:
      row.safe_wal_size === undefined || row.safe_wal_size === null ? null : Number(row.safe_wal_size),
    serverLsn: lsnOf(row.server_lsn),
  };
}

/** @param session of replication, which is the slot's until it is released @throws source.* */
export async function makeSlot(session: Client, name: string): Promise<CreatedSlot> {
  const [row] = await rowsOf<{ consistent_point: string; snapshot_name: string }>(
    session,
    `CREATE_REPLICATION_SLOT ${escapeIdentifier(name)} LOGICAL pgoutput EXPORT_SNAPSHOT`,
  );
  return {
    lsn: lsnOf(row!.consistent_point),
    snapshot: row!.snapshot_name,
    release: () => session.end(),
  };
}

/** @throws source.busy while it is read */
export async function removeSlot(client: Client, name: string): Promise<void> {
  try {
    await rowsOf(client, "SELECT pg_drop_replication_slot($1)", [name]);
  } catch (error) {
    if (sqlstateOf((error as Error).cause) !== UNDEFINED_OBJECT) throw error;
  }
}
