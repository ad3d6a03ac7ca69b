/**
 * PostgreSQL servers for tests: Debian's, each with a folder of its own under the system's temporary folder (the server
 * refuses to run as root, and its user has to reach it), decoding its log for replication.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Client } from "pg";
import { freePort } from "./free-port.ts";

const VERSIONS = "/usr/lib/postgresql";
const USER = "muara";
/** Enough for tests: nothing outlives the machine. */
const SETTINGS: Readonly<Record<string, string>> = {
  wal_level: "logical",
  max_wal_senders: "20",
  max_replication_slots: "20",
  fsync: "off",
  shared_buffers: "32MB",
  max_connections: "60",
  log_min_messages: "warning",
};

export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** A client of a database, connected; ended with the server at the latest. */
  connect(database?: string): Promise<Client>;
  /** One statement in a database, rows as objects. */
  sql(text: string, values?: readonly unknown[], database?: string): Promise<Record<string, unknown>[]>;
  /** Makes a database that nobody used before. @returns its name */
  freshDatabase(): Promise<string>;
  /** `fast`, or `immediate`, which is a crash; and up again on the same port. */
  restart(mode?: "fast" | "immediate", settings?: Readonly<Record<string, string>>): Promise<void>;
  /** Down until `start`. */
  halt(mode?: "fast" | "immediate"): Promise<void>;
  start(settings?: Readonly<Record<string, string>>): Promise<void>;
  /** The folder of its files. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** A program of PostgreSQL, such as pgbench. @throws where it is missing */
export function postgresProgram(name: string): string {
  const [newest] = existsSync(VERSIONS)
    ? readdirSync(VERSIONS).toSorted((a, b) => Number(b) - Number(a))
    : [];
  const path = join(VERSIONS, newest ?? "none", "bin", name);
  if (!existsSync(path)) throw new Error(`${name} of PostgreSQL is missing: run "npm run setup"`);
  return path;
}

export function hasPostgres(): boolean {
  try {
    return existsSync(postgresProgram("postgres")) && existsSync(postgresProgram("pgbench"));
  } catch {
    return false;
  }
}

/** The server's plugin for another format of its changes; an oracle. */
export function hasWal2json(): boolean {
  try {
    return existsSync(join(postgresProgram("postgres"), "../../lib/wal2json.so"));
  } catch {
    return false;
  }
}

let databases = 0;

/** Starts one on a free port. Stop it in `afterAll`. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), "muara-pg-"));
  const owner = await ownerOf(folder);
  const data = join(folder, "data");
  run(owner, "initdb", ["-D", data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]);
  const port = await freePort();
  const clients = new Set<Client>();
  const host = "127.0.0.1";

  const start = async (more: Readonly<Record<string, string>> = {}): Promise<void> => {
    const all = { ...SETTINGS, ...settings, ...more, port: String(port), listen_addresses: host };
    const options = Object.entries({ ...all, unix_socket_directories: folder }).flatMap(([key, value]) => [
      "-c",
      `${key}=${value}`,
    ]);
    const command = options.map((option) => `'${option.replaceAll("'", String.raw`'\''`)}'`).join(" ");
    const log = join(folder, "log");
    try {
      run(owner, "pg_ctl", ["-D", data, "-w", "-t", "60", "-l", log, "-o", command, "start"]);
    } catch (cause) {
      throw new Error(`PostgreSQL does not start:\n${await readFile(log, "utf8").catch(() => "")}`, {
        cause,
      });
    }
  };
  const halt = async (mode: "fast" | "immediate" = "fast"): Promise<void> => {
    run(owner, "pg_ctl", ["-D", data, "-w", "-t", "60", "-m", mode, "stop"]);
  };
  const connect = async (database = "postgres"): Promise<Client> => {
    const client = new Client({ host, port, user: USER, database });
    client.on("error", () => undefined); // servers of tests are killed
    await client.connect();
    clients.add(client);
    return client;
  };
  const sql: PostgresServer["sql"] = async (text, values = [], database = "postgres") => {
    const client = await connect(database);
    try {
      return (await client.query(text, [...values])).rows as Record<string, unknown>[];
    } finally {
      clients.delete(client);
      await client.end();
    }
  };
  await start();
  return {
    host,
    port,
    user: USER,
    folder,
    connect,
    sql,
    freshDatabase: async () => {
      const name = `db${process.pid}_${++databases}`;
      await sql(`create database ${name}`);
      return name;
    },
    restart: async (mode = "fast", more = {}) => {
      await halt(mode);
      await start(more);
    },
    halt,
    start,
    stop: async () => {
      await Promise.allSettled([...clients].map((client) => client.end()));
      spawnSync(...commandOf(owner, "pg_ctl", ["-D", data, "-w", "-m", "immediate", "stop"]), {
        stdio: "ignore",
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A program of PostgreSQL as a process of its own, such as pg_recvlogical or pgbench. */
export function spawnPostgres(name: string, args: readonly string[]): ReturnType<typeof spawn> {
  return spawn(postgresProgram(name), args, { stdio: ["ignore", "pipe", "pipe"] });
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The server refuses root: it is Debian's user of it then. */
async function ownerOf(folder: string): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"]).toString()));
  await chown(folder, uid!, gid!);
  return { uid: uid!, gid: gid! };
}

function run(owner: Owner | undefined, name: string, args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync(...commandOf(owner, name, args), {
    stdio: ["ignore", name === "pg_ctl" ? "ignore" : "pipe", "pipe"],
    cwd: "/",
  });
  if (status !== 0)
    throw new Error(`${name} ended with ${status}: ${stderr?.toString()}${stdout?.toString() ?? ""}`);
}

function commandOf(owner: Owner | undefined, name: string, args: readonly string[]): [string, string[]] {
  const program = postgresProgram(name);
  if (!owner) return [program, [...args]];
  const { uid, gid } = owner;
  return ["setpriv", [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", program, ...args]];
}
