/** /v1/captures and `muara capture …` over a real server: checked, declared, shown, paused, copied anew, removed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { runCommand } from "./run-command.ts";
import { startStack, type Stack } from "./stack.ts";

const SOON_MS = 30_000;

let server: PostgresServer;
let stack: Stack;
let database: string;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.freshDatabase();
  await server.sql(
    `CREATE TABLE accounts (id int PRIMARY KEY, v text);
     INSERT INTO accounts SELECT g, 'v' FROM generate_series(1, 100) g;
     CREATE TABLE keyless (a int); INSERT INTO keyless VALUES (1); UPDATE keyless SET a = 2;
     CREATE UNLOGGED TABLE fast (a int PRIMARY KEY)`,
    [],
    database,
  );
  const { host, port, user } = server;
  stack = await startStack(undefined, {
    postgres: { shop1: { host, port, user, database } },
    capture: { captures: 2, statusMs: 100, silentMs: 2_000 },
  });
}, 90_000);
afterAll(async () => {
  await stack.close();
  await server.stop();
});

interface Shown {
  readonly name: string;
  readonly state: string;
  readonly slot: string | null;
  readonly problem: string | null;
  readonly retained_bytes: number | null;
  readonly alerts: readonly { reason: string }[];
  readonly tables: readonly { event_type: string; copy: string; copied_rows: number }[];
}
interface Findings {
  readonly findings: readonly { severity: string; code: string; table: string | null; remedy: string }[];
}

const shown = (name: string): Promise<Shown> => stack.get<Shown>(`/v1/captures/${name}`);
const slots = async (): Promise<unknown[]> =>
  (await server.sql("SELECT slot_name FROM pg_replication_slots", [], database)).map(
    (row) => row["slot_name"],
  );
const muara = (...args: string[]): ReturnType<typeof runCommand> =>
  runCommand(args, { MUARA_URL: stack.url, MUARA_TOKEN: stack.token });

test("every reason is found, without a lock that anybody would notice", async () => {
  await expect
    .poll(
      async () =>
        (
          await server.sql(
            "SELECT n_tup_upd::int AS n FROM pg_stat_user_tables WHERE relname = 'keyless'",
            [],
            database,
          )
        )[0]!["n"],
      { timeout: SOON_MS },
    )
    .toBe(1);
  const client = await server.connect(database);
  const modes = new Set<string>();
  const over = new AbortController();
  const looking = (async () => {
    while (!over.signal.aborted) {
      const { rows } = await client.query(
        "SELECT DISTINCT mode FROM pg_locks WHERE locktype = 'relation' AND pid <> pg_backend_pid()",
      );
      for (const { mode } of rows as { mode: string }[]) modes.add(mode);
    }
  })();
  const answers: Findings[] = [];
  for (let round = 0; round < 10; round++) {
    const response = await stack.call("POST", "/v1/captures/check", { database: "shop1" });
    answers.push((await response.json()) as Findings);
  }
  over.abort();
  await looking;
  expect([...modes]).toEqual(["AccessShareLock"]);
  const found = answers[0]!.findings.map(({ severity, code, table }) => [severity, code, table]);
  expect(found).toEqual([
    ["warning", "unlimited", null],
    ["error", "unlogged", "public.fast"],
    ["error", "identity", "public.keyless"],
  ]);
  expect(await slots()).toEqual([]);
});

test("a capture of a source that is not ready is refused, with every reason", async () => {
  const response = await stack.call("POST", "/v1/captures", {
    name: "bad",
    database: "shop1",
    tables: ["public.keyless", "public.none"],
  });
  expect(response.status).toBe(422);
  const problem = (await response.json()) as { code: string } & Findings;
  expect(problem.code).toBe("capture.refused");
  expect(problem.findings.map(({ code }) => code)).toEqual(["unlimited", "identity", "missing"]);
  const unknown = await stack.call("POST", "/v1/captures", {
    name: "bad",
    database: "none",
    tables: ["a.b"],
  });
  expect([unknown.status, ((await unknown.json()) as { code: string }).code]).toEqual([
    400,
    "request.malformed",
  ]);
});

test("declared by command, shown, paused, resumed, copied anew, removed", async () => {
  const added = await muara(
    "capture",
    "add",
    "shop",
    "--database",
    "shop1",
    "--table",
    "public.accounts=shop.account",
  );
  expect(added.code, added.err).toBe(0);
  await eventually("it has copied", SOON_MS, async () => (await shown("shop")).tables[0]?.copy === "done");
  expect((await shown("shop")).tables).toMatchObject([{ event_type: "shop.account", copied_rows: 100 }]);
  await eventually(
    "what its slot keeps is known",
    SOON_MS,
    async () => (await shown("shop")).retained_bytes !== null,
  );
  expect(await slots()).toEqual([(await shown("shop")).slot]);
  const figures = async (): Promise<string> => (await stack.call("GET", "/metrics")).text();
  await eventually("it streams", SOON_MS, async () =>
    (await figures()).includes('muara_capture_streaming{capture="shop"} 1'),
  );
  const metrics = await figures();
  expect(metrics).toContain('muara_capture_retained_bytes{capture="shop"}');
  expect(metrics).toContain('muara_capture_wal_status{capture="shop",status="reserved"} 1');
  const list = await muara("capture", "list", "-o", "json");
  expect(JSON.parse(list.out)).toMatchObject([{ name: "shop", state: "streaming" }]);
  const checked = await muara("capture", "check", "shop");
  expect(checked.code, checked.err).toBe(0);
  const whole = await muara("capture", "check", "--database", "shop1", "-o", "json");
  expect(whole.code).toBe(1);
  expect(JSON.parse(whole.out)).toContainEqual(
    expect.objectContaining({ code: "unlogged", table: "public.fast" }),
  );

  expect((await muara("capture", "pause", "shop")).code).toBe(0);
  expect((await shown("shop")).state).toBe("paused");
  await server.sql("UPDATE accounts SET v = 'w' WHERE id = 1", [], database);
  expect((await muara("capture", "resume", "shop")).code).toBe(0);
  await eventually("it goes on", SOON_MS, async () => {
    const rows = await stack.call("POST", "/v1/sql", {
      sql: `SELECT count(*) FROM "shop.account" WHERE data_op = 'U'`,
    });
    return JSON.stringify(await rows.json()).includes('[["1"]]');
  });

  const before = (await shown("shop")).slot;
  expect((await muara("capture", "recopy", "shop", "--yes")).code).toBe(0);
  await eventually("it begins anew", SOON_MS, async () => {
    const now = await shown("shop");
    return now.slot !== before && now.tables[0]?.copy === "done" && now.state === "streaming";
  });
  expect(await slots()).toEqual([(await shown("shop")).slot]);
  const removed = await muara("capture", "remove", "shop", "--yes");
  expect(removed.code, removed.err).toBe(0);
  expect(await slots()).toEqual([]);
  expect(await server.sql("SELECT pubname FROM pg_publication", [], database)).toEqual([]);
  expect((await stack.call("GET", "/v1/captures/shop")).status).toBe(404);
}, 90_000);

test("its slot may stay; the same event type under the same shard is refused; so is one too many", async () => {
  const declare = (name: string, more: object = {}): Promise<Response> =>
    stack.call("POST", "/v1/captures", {
      name,
      database: "shop1",
      tables: ["public.accounts"],
      copy: "none",
      ...more,
    });
  expect((await declare("one")).status).toBe(201);
  const same = await declare("two");
  expect([same.status, ((await same.json()) as { code: string }).code]).toEqual([409, "capture.conflict"]);
  expect((await declare("two", { shard: "b" })).status).toBe(201);
  const many = await declare("three", { shard: "c" });
  expect(((await many.json()) as { code: string }).code).toBe("capture.too_many");
  await eventually("both stream", SOON_MS, async () =>
    (await Promise.all(["one", "two"].map(shown))).every(({ state }) => state === "streaming"),
  );
  const { slot } = await shown("one");
  expect((await stack.call("DELETE", "/v1/captures/one?keep_slot=true")).status).toBe(204);
  expect((await stack.call("DELETE", "/v1/captures/two")).status).toBe(204);
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // more than a sweep of what is left
  expect(await slots()).toEqual([slot]);
  await eventually("nobody reads it", SOON_MS, async () => {
    const dropped = await server
      .sql("SELECT pg_drop_replication_slot($1)", [slot], database)
      .catch(() => undefined);
    return dropped !== undefined;
  });
}, 90_000);

test("a slot that somebody drops is an alert, in health, figures and list", async () => {
  const declared = await stack.call("POST", "/v1/captures", {
    name: "lost",
    database: "shop1",
    tables: ["public.accounts"],
  });
  expect(declared.status).toBe(201);
  await eventually("it streams", SOON_MS, async () => (await shown("lost")).state === "streaming");
  const { slot } = await shown("lost");
  await eventually("the slot is dropped", SOON_MS, async () => {
    await server.sql(
      "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active",
      [],
      database,
    );
    return (
      (await server.sql("SELECT pg_drop_replication_slot($1)", [slot], database).catch(() => [])).length > 0
    );
  });
  await eventually("it has stopped", SOON_MS, async () => (await shown("lost")).state === "stopped");
  await eventually(
    "it is an alert",
    SOON_MS,
    async () => (await shown("lost")).alerts[0]?.reason === "stopped",
  );
  expect((await shown("lost")).problem).toContain("muara capture recopy lost");
  const health = (await (await stack.call("GET", "/health/ready")).json()) as {
    status: string;
    checks: object;
  };
  expect(health).toMatchObject({ status: "degraded", checks: { captures: "capture.stopped" } });
  const metrics = await (await stack.call("GET", "/metrics")).text();
  expect(metrics).toContain('muara_capture_alert{capture="lost",reason="stopped"} 1');
}, 90_000);

test("who may not sees nothing, and who may only read changes nothing", async () => {
  const token = async (grants: readonly object[]): Promise<Record<string, string>> => {
    const made = await stack.call("POST", "/v1/tokens", { description: "t", grants });
    return { authorization: `Bearer ${((await made.json()) as { token: string }).token}` };
  };
  const stranger = await token([{ action: "read", kind: "table", name: "x" }]);
  const reader = await token([{ action: "read", kind: "capture", name: "lost" }]);
  const half = await token([{ action: "admin", kind: "capture", name: "*" }]);
  const status = async (
    method: string,
    path: string,
    who: Record<string, string>,
    body?: object,
  ): Promise<number> => (await stack.call(method, path, body, who)).status;
  expect(await status("GET", "/v1/captures/lost", stranger)).toBe(404);
  expect(await (await stack.call("GET", "/v1/captures", undefined, stranger)).json()).toEqual({ items: [] });
  expect(await status("GET", "/v1/captures/lost", reader)).toBe(200);
  for (const path of ["pause", "resume", "recopy"])
    expect(await status("POST", `/v1/captures/lost/${path}`, reader)).toBe(403);
  expect(await status("DELETE", "/v1/captures/lost", reader)).toBe(403);
  expect(await status("POST", "/v1/captures/check", reader, { database: "shop1" })).toBe(403);
  // The event type is another right.
  const body = { name: "x", database: "shop1", tables: ["public.accounts"], shard: "z" };
  expect(await status("POST", "/v1/captures", half, body)).toBe(403);
  // Differences are rows of its table; sums are not.
  const reconciliations = "/v1/captures/lost/reconciliations";
  expect(await status("POST", reconciliations, half, { named: 1 })).toBe(403);
  expect(await status("POST", reconciliations, half, { named: 0 })).not.toBe(403);
});

test("a database that is captured from is no target of deliveries, unless the configuration says so", async () => {
  const { event_type: table } = (await shown("lost")).tables[0]!;
  const postgres = { target: "shop1", table: "public.stolen", mode: "append" };
  const answer = await stack.call("POST", "/v1/deliveries", { name: "out", table, postgres });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain("/postgres/target: deliver.postgres has no");
});

test("a change that is a dead letter is not told later: it would bring back what was deleted since", async () => {
  const sql = async (text: string): Promise<unknown> =>
    ((await (await stack.call("POST", "/v1/sql", { sql: text })).json()) as { rows: unknown }).rows;
  await server.sql("CREATE TABLE notes (id int PRIMARY KEY, v text)", [], database);
  const tables = { "public.notes": "shop.note" };
  const declared = await stack.call("POST", "/v1/captures", { name: "notes", database: "shop1", tables });
  expect(declared.status, await declared.text()).toBe(201);
  await eventually("it streams", SOON_MS, async () => (await shown("notes")).state === "streaming");
  await server.sql("INSERT INTO notes VALUES (1, repeat('x', 1000000)), (2, 'y')", [], database);
  const current = (): Promise<unknown> => sql(`SELECT id FROM "shop.note.current" ORDER BY id`);
  await expect.poll(current, { timeout: SOON_MS }).toEqual([["2"]]);
  const letters = await stack.get<{ items: { dead_letter_id: string; reason: string }[] }>(
    "/v1/dead-letters?event_type=shop.note",
  );
  expect(letters.items).toMatchObject([{ reason: "event.too_large" }]);
  await server.sql("DELETE FROM notes WHERE id = 1; INSERT INTO notes VALUES (3, 'z')", [], database);
  await expect.poll(current, { timeout: SOON_MS }).toEqual([["2"], ["3"]]);
  for (const dryRun of [true, false]) {
    const answer = await stack.call("POST", "/v1/dead-letters/replay", {
      ids: [letters.items[0]!.dead_letter_id],
      correction: { set: { "/data/v": "short", "/metadata/partition": "0" } },
      dry_run: dryRun,
    });
    expect(await answer.json()).toMatchObject({
      items: [{ outcome: "refused", code: "dead_letter.captured" }],
    });
  }
  await stack.settled("shop.note");
  expect(await current()).toEqual([["2"], ["3"]]);
}, 90_000);

test("one table is copied anew by command; one that is none of the capture's, or has no key, is refused", async () => {
  const before = await shown("notes");
  const recopy = (table: string) => muara("capture", "recopy", "notes", "--table", table, "--yes");
  expect((await recopy("public.notes")).code).toBe(0);
  await eventually("it is copied", SOON_MS, async () => (await shown("notes")).tables[0]?.copied_rows === 2);
  expect((await shown("notes")).slot).toBe(before.slot);
  const strange = await recopy("public.accounts");
  expect([strange.code === 0, strange.err.includes("public.accounts")]).toEqual([false, true]);
  await server.sql("ALTER TABLE notes DROP CONSTRAINT notes_pkey", [], database);
  const keyless = await stack.call("POST", "/v1/captures/notes/recopy?table=public.notes");
  expect([keyless.status, ((await keyless.json()) as { code: string }).code]).toEqual([
    422,
    "capture.refused",
  ]);
  const checked = await muara("capture", "check", "notes", "-o", "json");
  expect([checked.code, checked.out.includes("refuses updates and deletes of it now")]).toEqual([1, true]);
}, 90_000);
