/** Sessions of PostgreSQL: fixed settings, passwords that stay secret, certificates that are checked. */
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { databaseAddressSchema, type DatabaseAddress } from "../../../core/database-address.ts";
import { MuaraError } from "../../../core/errors.ts";
import { connectDatabase, connectReplication, rowsOf } from "../../../adapters/pg/connection.ts";
import { openReplication } from "../../../adapters/pg/replication.ts";
import { systemClock } from "../../../core/clock.ts";
import { captureSchema } from "../../../core/config/databases.ts";
import { keyOf } from "../../../core/record.ts";
import { freePort } from "../../services/free-port.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";

const PASSWORD = "canary-8f1b";
let server: PostgresServer;
let folder: string;
let ca: string;

const readSecret = (): Promise<string> => Promise.resolve(PASSWORD);
const options = { readSecret, purpose: "test" };

function address(more: Partial<DatabaseAddress> = {}): DatabaseAddress {
  const { host, port, user } = server;
  return { ...databaseAddressSchema.parse({ host, port, user, database: "postgres" }), ...more };
}

/** What became of it: an error of ours, whose texts never hold the password. */
async function failureOf(asked: Promise<{ end(): Promise<void> }>): Promise<MuaraError> {
  const error: unknown = await asked.then(
    async (client) => await client.end(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MuaraError);
  const { message, details, stack } = error as MuaraError;
  expect(JSON.stringify({ message, details, stack })).not.toContain(PASSWORD);
  return error as MuaraError;
}

/** A stream of changes takes the same connection. */
async function changesAreRead(source: DatabaseAddress): Promise<void> {
  await server.sql("create table secured (id int primary key); create publication secured for table secured");
  await server.sql("select pg_create_logical_replication_slot('secured', 'pgoutput')");
  await server.sql("insert into secured values (1)");
  const stream = await openReplication(
    source,
    { readSecret, clock: systemClock },
    {
      slot: "secured",
      publications: ["secured"],
      cursor: null,
      shard: "shop1",
      incarnation: 1,
      limits: captureSchema.parse({}),
      bind: () =>
        Promise.resolve({
          stream: "secured",
          partition: 0,
          header: "",
          fields: [{ name: "id", form: "integer" }],
          key: [0],
          keyScope: null,
        }),
    },
  );
  let batch = await stream.next();
  while (batch?.changes === 0) batch = await stream.next();
  const { records } = batch!.parts[0]!;
  expect(new TextDecoder().decode(keyOf(records, 0)!)).toBe("[1]");
  await stream.close();
}

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "muara-tls-"));
  const key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=db.example");
  await writeFile(join(folder, "names"), "subjectAltName=DNS:db.example");
  openssl(
    "x509",
    "-req",
    "-in",
    "server.csr",
    "-CA",
    "ca.pem",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-out",
    "server.pem",
    "-days",
    "2",
    "-extfile",
    "names",
  );
  ca = join(folder, "ca.pem");
  server = await startPostgres();
  const data = join(server.folder, "data");
  for (const name of ["server.pem", "server.key"]) {
    await writeFile(join(data, name), await readFile(join(folder, name)));
    await chmod(join(data, name), 0o600);
    if (process.getuid?.() === 0) execFileSync("chown", ["postgres", join(data, name)]);
  }
  await server.sql(`create role app login replication password '${PASSWORD}'`);
  await writeFile(
    join(data, "pg_hba.conf"),
    "host all muara 127.0.0.1/32 trust\nhost all app 127.0.0.1/32 scram-sha-256\n",
  );
  await server.restart("fast", { ssl: "on", ssl_cert_file: "server.pem", ssl_key_file: "server.key" });
}, 120_000);

afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("a session", () => {
  it("shows values alike whatever the role has set, in a replication session too", async () => {
    await server.sql("alter role muara set datestyle = 'German'");
    await server.sql("alter role muara set timezone = 'Asia/Jakarta'");
    await server.sql("alter role muara set extra_float_digits = -3");
    const shown = `select '2026-11-22 13:00+00'::timestamptz::text as t, '1 day 2 hours'::interval::text as i,
      '\\x00ff'::bytea::text as b, 0.1::float8::text as f, 1.5::money::text as m`;
    for (const open of [connectDatabase, connectReplication]) {
      const client = await open(address(), options);
      expect(await rowsOf(client, shown)).toEqual([
        { t: "2026-11-22 13:00:00+00", i: "1 day 02:00:00", b: "\\x00ff", f: "0.1", m: "$1.50" },
      ]);
      await client.end();
    }
  });

  it("has a name and a longest statement", async () => {
    const client = await connectDatabase(address({ statementMs: 100 }), options);
    expect(
      await rowsOf(client, "select application_name as n from pg_stat_activity where pid = pg_backend_pid()"),
    ).toEqual([{ n: "muara test" }]);
    await expect(rowsOf(client, "select pg_sleep(5)")).rejects.toMatchObject({ code: "source.timeout" });
    expect(await rowsOf(client, "select $1::int as one", [1])).toEqual([{ one: 1 }]);
    await client.end();
  });

  it("is told from a statement that the server refuses", async () => {
    const client = await connectDatabase(address(), options);
    await expect(rowsOf(client, "select * from nothing_here")).rejects.toMatchObject({
      code: "source.statement",
      details: { sqlstate: "42P01" },
    });
    await server.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'muara test'",
    );
    await expect(rowsOf(client, "select 1")).rejects.toMatchObject({ code: "source.unavailable" });
    await client.end();
  });

  it("takes the password from where it is kept, anew each time, and says nothing of it", async () => {
    const app = address({ user: "app", password: { env: "UNUSED" } });
    const client = await connectDatabase(app, options);
    expect(await rowsOf(client, "select current_user as who")).toEqual([{ who: "app" }]);
    await client.end();
    const wrong = await failureOf(
      connectDatabase(app, { ...options, readSecret: () => Promise.resolve("no") }),
    );
    expect(wrong.code).toBe("source.refused");
    const none = await failureOf(connectDatabase(address({ user: "app" }), options));
    expect(none.code).toBe("source.refused");
    const { code } = await failureOf(connectDatabase(address({ database: "nowhere" }), options));
    expect(code).toBe("source.refused");
  });

  it("waits for a server that says nothing as long as it may", async () => {
    const closed = await failureOf(connectDatabase(address({ port: await freePort() }), options));
    expect(closed).toMatchObject({ code: "source.unavailable", retryable: true });
    const nameless = await failureOf(connectDatabase(address({ host: "ssl-cert.invalid" }), options));
    expect(nameless.code).toBe("source.unavailable");
    const mute: Server = createServer(() => undefined);
    const port = await freePort();
    await new Promise<void>((resolve) => mute.listen(port, "127.0.0.1", resolve));
    const silent = await failureOf(connectDatabase(address({ port, connectMs: 200 }), options));
    expect(silent.code).toBe("source.unavailable");
    mute.close();
  });

  it("over TLS checks who answers", async () => {
    const trusted = address({ tls: { ca, serverName: "db.example" } });
    const client = await connectDatabase(trusted, options);
    expect(await rowsOf(client, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")).toEqual([
      { ssl: true },
    ]);
    await client.end();
    for (const tls of [{ ca }, { serverName: "db.example" }, { ca, serverName: "other.example" }]) {
      expect((await failureOf(connectDatabase(address({ tls }), options))).code).toBe("source.refused");
    }
    await changesAreRead(trusted);
    const missing = await failureOf(connectDatabase(address({ tls: { ca: join(folder, "none") } }), options));
    expect(missing.code).toBe("config.invalid");
    await server.restart("fast");
    expect((await failureOf(connectDatabase(trusted, options))).code).toBe("source.refused");
  });
});
