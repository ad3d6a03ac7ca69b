/**
 * Reconciliation and the outbox through a real process: what was captured while writers ran has the same rows as its
 * source, what was falsified is named; messages are events.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type CommandResult, runCommand } from "../api/run-command.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";

let server: PostgresServer;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function stand() {
  const folder = await temporaryFolder("reconcile");
  cleanups.push(folder.remove);
  const database = await server.freshDatabase();
  const { host, port, user } = server;
  const config = {
    land: { commitMs: 100, projectMs: 100 },
    postgres: { shop1: { host, port, user, database } },
    capture: { statusMs: 200, pauseMsMax: 500 },
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};`);
  const start = async (): Promise<MuaraProcess> => {
    const process = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
    cleanups.push(() => process.kill());
    return process;
  };
  return { start, database, sql: (text: string) => server.sql(text, [], database) };
}

async function capture(muara: MuaraProcess, body: object): Promise<void> {
  const declared = { name: "shop", database: "shop1", ...body };
  const response = await muara.fetch("/v1/captures", { method: "POST", body: JSON.stringify(declared) });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  await eventually("it streams", 30_000, async () => {
    const shown = (await (await muara.fetch("/v1/captures/shop")).json()) as { state: string };
    return shown.state === "streaming";
  });
}

interface Report {
  readonly at: string;
  readonly is_equal: boolean;
  readonly problem?: { readonly code: string };
  readonly tables: readonly {
    readonly table: string;
    readonly is_equal: boolean;
    readonly source: { readonly rows: number };
    readonly differences: readonly {
      readonly kind: string;
      readonly key: object;
      readonly columns: object;
    }[];
  }[];
}

async function reconcile(muara: MuaraProcess, body: object = {}): Promise<Report> {
  const response = await muara.fetch("/v1/captures/shop/reconciliations", {
    method: "POST",
    body: JSON.stringify(body),
  });
  const lines = (await response.text()).trim().split("\n");
  return JSON.parse(lines.at(-1)!) as Report;
}

/** The command as somebody types it. */
function command(muara: MuaraProcess, ...more: readonly string[]): Promise<CommandResult> {
  const environment = { MUARA_URL: muara.url, MUARA_TOKEN: muara.token };
  return runCommand(["capture", "reconcile", "shop", ...more], environment);
}

/** In every form of the command: the name of one account is another one. */
async function tellsDifference(muara: MuaraProcess, id: string): Promise<void> {
  const asked = await command(muara, "-o", "json");
  expect(asked.code).toBe(6);
  expect((JSON.parse(asked.out) as Report[])[0]).toMatchObject({
    is_equal: false,
    tables: [
      { table: "public.accounts", is_equal: false },
      { table: "public.notes", is_equal: true },
    ],
  });
  const table = await command(muara, "--table", "public.accounts");
  expect([table.code, table.out.includes("different"), table.err.includes("they differ as of")]) //
    .toEqual([6, true, true]);
  const repair = await command(muara, "--repair", "list", "-o", "jsonl");
  expect(repair.code).toBe(6);
  expect(
    repair.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    {
      table: "public.accounts",
      kind: "different",
      key: JSON.stringify({ id: id }),
      column: "name",
      source: "unseen",
      lake: `n${id}`,
    },
  ]);
}

test("copied and changed under writers, every table has the same rows; what is falsified is named", async () => {
  const { start, sql } = await stand();
  await sql(`CREATE TABLE accounts (id int PRIMARY KEY, name text, balance numeric(12,2), at timestamptz, doc jsonb);
    CREATE TABLE notes (id bigint PRIMARY KEY, body text);
    INSERT INTO accounts SELECT i, 'n' || i, i, now(), '{"a": 1}' FROM generate_series(1, 3000) i;
    INSERT INTO notes SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 50) i`);
  const muara = await start();
  await capture(muara, { tables: ["public.accounts", "public.notes"] });
  const writing = new AbortController();
  const client = await server.connect((await sql("SELECT current_database() AS name"))[0]!["name"] as string);
  const writer = (async () => {
    for (let i = 0; !writing.signal.aborted; i++) {
      await client.query(`UPDATE accounts SET balance = balance + 1, at = now() WHERE id % 97 = ${i % 97}`);
      await client.query(`DELETE FROM accounts WHERE id = ${(i * 7) % 3000}`);
      await client.query(`UPDATE notes SET id = id + 1000 WHERE id = ${(i % 50) + 1}`);
    }
  })();
  const first = await reconcile(muara);
  const second = await reconcile(muara, { tables: ["public.notes"] });
  writing.abort();
  await writer;
  await client.end();
  expect(first).toMatchObject({ at: "report", is_equal: true });
  expect(first.tables.map(({ table }) => table)).toEqual(["public.accounts", "public.notes"]);
  expect(second.tables).toMatchObject([{ table: "public.notes", is_equal: true, source: { rows: 50 } }]);

  // A change that no capture sees: what was written while its table was not told of.
  const [publication] = await sql("SELECT pubname FROM pg_publication_tables WHERE tablename = 'accounts'");
  const [{ id } = { id: 0 }] = await sql("SELECT max(id) AS id FROM accounts");
  await sql(`ALTER PUBLICATION "${String(publication!["pubname"])}" DROP TABLE accounts`);
  await sql(`UPDATE accounts SET name = 'unseen' WHERE id = ${String(id)}`);
  await sql(`ALTER PUBLICATION "${String(publication!["pubname"])}" ADD TABLE accounts`);
  const third = await reconcile(muara);
  expect(third.is_equal).toBe(false);
  expect(third.tables[0]!.differences).toEqual([
    {
      kind: "different",
      key: { id: String(id) },
      columns: { name: { source: "unseen", lake: `n${String(id)}` } },
    },
  ]);
  await tellsDifference(muara, String(id));
  // What is written again at the source is captured anew.
  await sql(`UPDATE accounts SET id = id WHERE id = ${String(id)}`);
  const healed = await command(muara);
  expect([healed.code, healed.err.includes("equal as of")]).toEqual([0, true]);
  expect((await command(muara, "--table", "public.none")).code).toBe(5);
  expect((await command(muara, "--repair", "now")).code).toBe(2);
  const kept = (await (await muara.fetch("/v1/captures/shop/reconciliations")).json()) as { items: Report[] };
  expect(kept.items.map(({ is_equal: isEqual }) => isEqual).slice(-3)).toEqual([false, true, true]);
  expect(JSON.stringify(kept)).not.toContain("unseen");
  expect(await sql("SELECT count(*)::int AS n FROM pg_replication_slots WHERE temporary")).toEqual([
    { n: 0 },
  ]);
}, 300_000);

test("messages and rows of an outbox are events; what rolls back is none, what is bad is a dead letter", async () => {
  const { start, sql } = await stand();
  await sql(
    "CREATE TABLE accounts (id int PRIMARY KEY); CREATE TABLE outbox (n serial, event_type text, payload jsonb)",
  );
  let muara = await start();
  const declared = await muara.fetch("/event-types", {
    method: "POST",
    body: JSON.stringify({
      name: "order.placed",
      owning_application: "shop",
      category: "business",
      schema: { type: "json_schema", schema: '{"type":"object","properties":{"n":{"type":"integer"}}}' },
    }),
  });
  expect(declared.status).toBe(201);
  await capture(muara, {
    tables: ["public.accounts"],
    messages: { orders: "order.placed" },
    outbox: { table: "public.outbox" },
  });
  await sql(
    `BEGIN; INSERT INTO accounts VALUES (1); SELECT pg_logical_emit_message(true, 'orders', '{"n":1}'); COMMIT`,
  );
  await sql(`BEGIN; SELECT pg_logical_emit_message(true, 'orders', '{"n":99}'); ROLLBACK`);
  await sql(`SELECT pg_logical_emit_message(false, 'orders',
    '{"metadata":{"occurred_at":"2026-01-01T00:00:00Z"},"n":2}')`);
  await sql(`SELECT pg_logical_emit_message(true, 'others', '{"n":98}')`);
  await sql(`SELECT pg_logical_emit_message(true, 'orders', 'no JSON')`);
  await sql(
    `INSERT INTO outbox (event_type, payload) VALUES ('order.placed', '{"n": 3}'), ('order.placed', '{"n": 4}')`,
  );
  await sql("UPDATE outbox SET payload = '{}'; DELETE FROM outbox; TRUNCATE outbox");
  const query = `SELECT n FROM "order.placed" ORDER BY n`;
  await eventually(
    "all have landed",
    60_000,
    async () => (await muara.sql(query).catch(() => [])).length === 4,
  );
  await muara.kill();
  await sql(`SELECT pg_logical_emit_message(true, 'orders', '{"n":5}')`);
  muara = await start();
  await eventually(
    "and the next one",
    60_000,
    async () => (await muara.sql(query).catch(() => [])).length === 5,
  );
  expect(await muara.sql(query)).toEqual([["1"], ["2"], ["3"], ["4"], ["5"]]);
  const letters = await muara.sql("SELECT reason, decode(payload) FROM dead_letters");
  expect(letters).toEqual([["event.not_json", "no JSON"]]);
}, 300_000);
