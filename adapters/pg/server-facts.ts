/** Who a server is, and what it allows and has room for: what capturing from it depends on. */
import type { Client } from "pg";
import type { SourceServer } from "../../core/ports/source-database.ts";
import { rowsOf } from "./connection.ts";
import { lsnOf } from "./lsn.ts";

const MIB = 1_048_576n;

/** RDS and Cloud SQL hand the right to replicate out by membership. */
const FACTS = `
  SELECT current_setting('server_version_num')::int AS version,
         current_setting('wal_level') AS wal_level,
         (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_sender_timeout')::text AS sender_timeout_ms,
         (SELECT setting::int8 FROM pg_settings WHERE name = 'max_slot_wal_keep_size')::text AS keep_mib,
         current_setting('max_replication_slots')::int AS slots,
         (SELECT count(*)::int FROM pg_replication_slots) AS slots_used,
         current_setting('max_wal_senders')::int AS senders,
         (SELECT count(*)::int FROM pg_stat_replication) AS senders_used,
         current_setting('synchronous_commit') AS synchronous_commit,
         current_setting('server_encoding') AS encoding,
         pg_is_in_recovery() AS is_in_recovery,
         current_user::text AS "user",
         r.rolsuper AS is_superuser,
         r.rolreplication OR EXISTS (
           SELECT FROM pg_roles g
            WHERE g.rolname IN ('rds_replication', 'cloudsqlsuperuser') AND pg_has_role(r.oid, g.oid, 'MEMBER')
         ) AS may_replicate,
         has_database_privilege(current_database(), 'CREATE') AS may_create
    FROM pg_roles r WHERE r.rolname = current_user`;

interface FactsRow {
  version: number;
  wal_level: string;
  sender_timeout_ms: string;
  keep_mib: string | null;
  slots: number;
  slots_used: number;
  senders: number;
  senders_used: number;
  synchronous_commit: string;
  encoding: string;
  is_in_recovery: boolean;
  user: string;
  is_superuser: boolean;
  may_replicate: boolean;
  may_create: boolean;
}

export type ServerFacts = Omit<SourceServer, "systemId" | "timeline" | "lsn">;

/** @throws source.* */
export async function serverFacts(client: Client): Promise<ServerFacts> {
  const [row] = await rowsOf<FactsRow>(client, FACTS);
  const keepMib = BigInt(row!.keep_mib ?? -1);
  return {
    version: row!.version,
    walLevel: row!.wal_level,
    walSenderTimeoutMs: Number(row!.sender_timeout_ms),
    maxSlotWalKeepBytes: keepMib < 0n ? null : Number(keepMib * MIB),
    slots: { used: row!.slots_used, max: row!.slots },
    senders: { used: row!.senders_used, max: row!.senders },
    synchronousCommit: row!.synchronous_commit,
    encoding: row!.encoding,
    isInRecovery: row!.is_in_recovery,
    user: row!.user,
    isSuperuser: row!.is_superuser,
    mayReplicate: row!.is_superuser || row!.may_replicate,
    mayCreate: row!.may_create,
  };
}

/** By the session of a replication, the only one that knows its timeline. @throws source.* */
export async function identifySystem(
  session: Client,
): Promise<Pick<SourceServer, "systemId" | "timeline" | "lsn">> {
  const [row] = await rowsOf<{ systemid: string; timeline: number | string; xlogpos: string }>(
    session,
    "IDENTIFY_SYSTEM",
  );
  return { systemId: row!.systemid, timeline: Number(row!.timeline), lsn: lsnOf(row!.xlogpos) };
}
