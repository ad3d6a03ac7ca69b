/**
 * What the bench of capture reads: databases of a server, each with changes behind a slot that is never read itself:
 * a quarter of them pgbench's TPC-B, in transactions of four changes, the others in two transactions, which insert rows
 * and change all of them. Every run gets a copy of the slot, and so starts at the same place.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { Client, type Connection } from "pg";
import { type PostgresServer, postgresProgram } from "../test/services/postgres.ts";

export const PUBLICATION = "bench";
export const BENCH_TABLES = [
  "pgbench_accounts",
  "pgbench_tellers",
  "pgbench_branches",
  "pgbench_history",
  "bulk",
] as const;
const BASE = "base";
const CLIENTS = 4;
const CHANGES_PER_TRANSACTION = 4;
const RUN = promisify(execFile);

export interface Backlog {
  readonly database: string;
  readonly changes: number;
  /** Everything is before it. */
  readonly endLsn: string;
}

/** @param changes divisible by 64 */
export async function fillBacklog(
  server: PostgresServer,
  database: string,
  changes: number,
): Promise<Backlog> {
  const sql = (text: string): Promise<Record<string, unknown>[]> => server.sql(text, [], database);
  await server.sql(`create database ${database}`);
  const place = ["-h", server.host, "-p", String(server.port), "-U", server.user, database];
  const bulk = (changes * 3) / 8;
  const each = changes / 4 / CHANGES_PER_TRANSACTION / CLIENTS;
  await RUN(postgresProgram("pgbench"), ["-i", "-q", "-s", String(CLIENTS), ...place]);
  await sql(
    `create table bulk (id bigint primary key, shard int, name text, amount numeric(18,2), at timestamptz,
      document jsonb)`,
  );
  await sql(
    `create publication ${PUBLICATION} for table pgbench_accounts, pgbench_tellers, pgbench_branches, bulk`,
  );
  await sql(`create publication ${PUBLICATION}_inserts for table pgbench_history with (publish = 'insert')`);
  await sql(`select pg_create_logical_replication_slot('${BASE}_${database}', 'pgoutput')`);
  await RUN(postgresProgram("pgbench"), ["-n", "-c", String(CLIENTS), "-t", String(each), ...place]);
  await sql(`insert into bulk select g, g % 8, 'customer ' || g || ' "q"', g * 1.25, now(),
    jsonb_build_object('k', g, 'v', 'abcdefghijklmnop' || g) from generate_series(1, ${bulk}) g`);
  await sql(`update bulk set amount = amount + 1, name = name || ' é'`);
  await sql("checkpoint");
  const [row] = await sql("select pg_current_wal_insert_lsn()::text as lsn");
  return { database, changes, endLsn: String(row!["lsn"]) };
}

export const PUBLICATIONS: string = `${PUBLICATION},${PUBLICATION}_inserts`;

/** A slot at the place where all changes of the backlog are still to come. @returns its name */
export async function freshSlot(server: PostgresServer, { database }: Backlog): Promise<string> {
  const name = `run_${database}`;
  const drop = `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${name}'`;
  await server.sql(drop, [], database);
  await server.sql(`select pg_copy_logical_replication_slot('${BASE}_${database}', '${name}')`, [], database);
  return name;
}

export interface PeerCost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** `pg_recvlogical` to /dev/null, one process for each backlog, side by side. */
export async function drainByPeer(server: PostgresServer, backlogs: readonly Backlog[]): Promise<PeerCost> {
  const commands: string[] = [];
  for (const backlog of backlogs) {
    const slot = await freshSlot(server, backlog);
    const place = `-h ${server.host} -p ${server.port} -U ${server.user} -d ${backlog.database}`;
    const options = `-o proto_version=1 -o messages=true -o publication_names=${PUBLICATIONS}`;
    const program = postgresProgram("pg_recvlogical");
    commands.push(
      `${program} ${place} -S ${slot} --start -f /dev/null ${options} -n --endpos=${backlog.endLsn} &`,
    );
  }
  const script = `TIMEFORMAT='%R %U %S'; time { ${commands.join(" ")} wait; }`;
  const { stderr } = await RUN("bash", ["-c", script]);
  const [wall, user, system] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { wallMs: wall! * 1_000, cpuMs: (user! + system!) * 1_000 };
}

/** The messages of a backlog as the server sends them, without the frame of the replication protocol. */
export async function recordMessages(server: PostgresServer, backlog: Backlog): Promise<readonly Buffer[]> {
  const slot = await freshSlot(server, backlog);
  const { host, port, user } = server;
  const client = new Client({
    host,
    port,
    user,
    database: backlog.database,
    replication: "database",
  } as object);
  await client.connect();
  const { connection } = client as unknown as { readonly connection: Connection };
  const messages: Buffer[] = [];
  let changes = 0;
  const done = new Promise<void>((resolve) => {
    connection.on("copyData", ({ chunk }: { readonly chunk: Buffer }) => {
      if (chunk[0] !== 0x77) return;
      const message = Buffer.from(chunk.subarray(25));
      messages.push(message);
      if ("IUD".includes(String.fromCharCode(message[0]!))) changes++;
      else if (message[0] === 0x43 && changes === backlog.changes) resolve();
    });
  });
  client.on("error", () => undefined);
  const text = `START_REPLICATION SLOT ${slot} LOGICAL 0/0
    (proto_version '1', messages 'true', publication_names '${PUBLICATIONS}')`;
  const failed = client.query(text).then(
    () => undefined,
    (error: unknown) => error,
  );
  const error = await Promise.race([done, failed]);
  if (error) throw error;
  const { stream } = connection;
  stream.destroy();
  await once(stream, "close");
  return messages;
}
