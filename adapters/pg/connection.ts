/**
 * Connections to PostgreSQL. Every session shows values in the same way, whatever the server's and the role's
 * settings are: the text of a value is what becomes of it everywhere else (adapters/pg/value.ts).
 */
import { readFile } from "node:fs/promises";
import { checkServerIdentity } from "node:tls";
import { Client, type ClientConfig, type QueryResultRow } from "pg";
import type { DatabaseAddress } from "../../core/database-address.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { databaseError } from "./failure.ts";
import { restingSocket } from "./replication-socket.ts";

/** Of every session, a replication session's too. */
const SETTINGS: Readonly<Record<string, string>> = {
  datestyle: "ISO,YMD",
  intervalstyle: "postgres",
  timezone: "UTC",
  extra_float_digits: "3",
  bytea_output: "hex",
  xmloption: "content",
  lc_monetary: "C",
  standard_conforming_strings: "on",
};
const KEEP_ALIVE_MS = 15_000;
const NAME_MAX = 63;

export interface ConnectOptions {
  readonly readSecret: ReadSecret;
  /** What it is for; the server's people see it as application_name. */
  readonly purpose: string;
  /** Instead of the address's; 0: no end. */
  readonly statementMs?: number;
  /** Settings beside the fixed ones. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A session, ready. Whoever asked for it ends it with `end()`.
 * @throws source.unavailable, source.refused, config.invalid (the password or a file of `tls` is missing)
 */
export function connectDatabase(address: DatabaseAddress, options: ConnectOptions): Promise<Client> {
  return connect(address, options);
}

/** A session that may also speak the commands of replication. @throws as `connectDatabase` */
export function connectReplication(address: DatabaseAddress, options: ConnectOptions): Promise<Client> {
  return connect(address, { ...options, statementMs: 0 }, "database");
}

/** host:port/database, as messages name it. */
export function placeOf({ host, port, database }: DatabaseAddress): string {
  return `${host}:${port}/${database}`;
}

/** One statement. @throws source.* */
export async function rowsOf<Row extends QueryResultRow>(
  client: Client,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    // Without values it is the simple protocol, the only one that replication sessions speak.
    const { rows } = await (values.length === 0
      ? client.query<Row>(text)
      : client.query<Row>(text, [...values]));
    return rows;
  } catch (error) {
    throw databaseError(error, `${client.host}:${client.port}/${client.database ?? ""}`);
  }
}

async function connect(
  address: DatabaseAddress,
  options: ConnectOptions,
  replication?: "database",
): Promise<Client> {
  const { password } = address;
  const secret = password ? await options.readSecret(password) : undefined;
  const config: ClientConfig & { replication?: "database" } = {
    ...(await configOf(address, options)),
    // A function: without it the environment's PGPASSWORD and the user's .pgpass would count.
    password: () => secret ?? "",
    ...(replication ? { replication, stream: restingSocket } : {}),
  };
  const client = new Client(config);
  // An idle session that breaks must not end the process: the next statement tells.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw databaseError(error, placeOf(address));
  }
}

async function configOf(address: DatabaseAddress, options: ConnectOptions): Promise<ClientConfig> {
  const settings = { ...SETTINGS, ...options.settings };
  return {
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.user,
    ssl: await tlsOf(address),
    connectionTimeoutMillis: address.connectMs,
    statement_timeout: options.statementMs ?? address.statementMs,
    application_name: `muara ${options.purpose}`.slice(0, NAME_MAX),
    options: Object.entries(settings)
      .map(([key, value]) => `-c ${key}=${value.replaceAll(/[\\ ]/g, String.raw`\$&`)}`)
      .join(" "),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
}

async function tlsOf({ tls, host }: DatabaseAddress): Promise<ClientConfig["ssl"]> {
  if (tls === "off") return false;
  const [ca, cert, key] = await Promise.all([tls.ca, tls.certificate, tls.key].map(fileOf));
  return {
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    // `pg` asks for the host by name and lets nobody change it; who answers is checked here.
    checkServerIdentity: (_asked, certificate) => checkServerIdentity(tls.serverName ?? host, certificate),
  };
}

async function fileOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return await readFile(path, "utf8").catch((cause: unknown) => {
    throw new MuaraError("config.invalid", `the file ${path} cannot be read`, {
      details: { file: path },
      cause,
    });
  });
}
