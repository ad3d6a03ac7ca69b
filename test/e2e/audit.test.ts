/**
 * The audit log of whole processes: what was told as done has its record in the lake whatever was killed when, and
 * somebody else's hand in the lake's table (delta-rs) is found at its place.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../api/run-command.ts";
import { type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { runPython } from "../services/python.ts";

const TAMPER = `
import sys, json
from deltalake import DeltaTable
table = DeltaTable(sys.argv[1])
if sys.argv[2] == "delete": table.delete(sys.argv[3])
else: table.update(updates={"user": "'token:mallory'"}, predicate=sys.argv[3])
print(json.dumps(DeltaTable(sys.argv[1]).version()))
`;
const ENVIRONMENT = { MUARA_AUDIT: "on", MUARA_LAND_COMMIT_MS: "100", MUARA_LAND_PROJECT_MS: "60000" };
const WAIT_MS = 60_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let muara: MuaraProcess;
beforeAll(async () => {
  folder = await temporaryFolder("audit");
  muara = await startMuara(folder.path, ENVIRONMENT);
});
afterAll(async () => {
  await muara.kill();
  await folder.remove();
});

const send = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Response> =>
  muara.fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(headers ? { headers } : {}),
  });
const type = (name: string, more = {}): Record<string, unknown> => ({
  name,
  owning_application: "test",
  category: "undefined",
  schema: { type: "json_schema", schema: '{"type":"object"}' },
  ...more,
});

/** Rows of the audit log, once there are those that are waited for. */
async function facts(until: (rows: readonly unknown[][]) => boolean): Promise<unknown[][]> {
  const columns = `action, resource_type, resource_id, "user", code, previous_object, new_object, writer`;
  for (const deadline = performance.now() + WAIT_MS; ;) {
    const rows = await muara.sql(`SELECT ${columns} FROM "muara.audit" ORDER BY log_offset`).catch(() => []);
    if (until(rows)) return rows;
    if (performance.now() > deadline) throw new Error(`not there: ${JSON.stringify(rows.slice(-5))}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const find = async (predicate: string): Promise<string> =>
  (await muara.sql(`SELECT event_id FROM "muara.audit" WHERE ${predicate}`))[0]![0] as string;
const verify = (...args: string[]): ReturnType<typeof runCommand> =>
  runCommand(["audit", "verify", "--url", muara.url, "--token", muara.token, "-o", "json", ...args], {});

test("every change and every refusal is an event in the lake, once, with who and what", async () => {
  const admin = `token:${muara.token.split("_")[1]!}`;
  const made = await send("POST", "/v1/tokens", {
    description: "reader",
    grants: [{ action: "read", kind: "event_type", name: "audited" }],
  });
  const { id, token } = (await made.json()) as { id: string; token: string };
  expect((await send("POST", "/event-types", type("audited"))).status).toBe(201);
  expect((await send("PUT", "/event-types/audited", type("audited", { labels: { a: "b" } }))).status).toBe(
    200,
  );
  expect((await send("PUT", "/v1/roles/staff", { grants: [] })).status).toBe(201);
  expect((await send("DELETE", "/v1/roles/staff")).status).toBe(204);
  const reader = { authorization: `Bearer ${token}` };
  const subscribed = await send(
    "POST",
    "/subscriptions",
    { owning_application: "a", event_types: ["audited"] },
    reader,
  );
  const subscription = ((await subscribed.json()) as { id: string }).id;
  expect((await send("DELETE", `/subscriptions/${subscription}`, undefined, reader)).status).toBe(204);
  expect((await send("DELETE", `/v1/tokens/${id}`)).status).toBe(204);
  const strangers: [string, string, Record<string, string>][] = [
    ["POST", "/event-types/audited/events?secret=1", { authorization: "" }],
    ["GET", "/v1/tables", reader],
  ];
  for (const [method, path, headers] of strangers)
    expect((await send(method, path, method === "POST" ? [] : undefined, headers)).status).toBe(401);
  expect((await send("POST", "/event-types/muara.audit/events", [{}])).status).toBe(403);
  expect((await send("PUT", "/event-types/muara.audit", {})).status).toBe(403);

  const rows = await facts((found) => found.some(([, , what]) => what === "PUT /event-types/muara.audit"));
  const expected = [
    ["started", "process"],
    ["declared", "token", admin.slice(6), "system"],
    ["declared", "token", id, admin],
    ["declared", "event-type", "audited", admin],
    ["changed", "event-type", "audited", admin],
    ["declared", "role", "staff", admin],
    ["removed", "role", "staff", admin],
    ["declared", "subscription", subscription, `token:${id}`],
    ["removed", "subscription", subscription, `token:${id}`],
    ["removed", "token", id, admin],
    ["refused", "request", "POST /event-types/audited/events", "unknown", "auth.missing"],
    ["refused", "request", "GET /v1/tables", "unknown", "auth.invalid"],
    ["refused", "request", "POST /event-types/muara.audit/events", admin, "auth.forbidden"],
    ["refused", "request", "PUT /event-types/muara.audit", admin, "auth.forbidden"],
  ];
  expect(rows).toHaveLength(expected.length);
  for (const [i, row] of expected.entries()) expect(rows[i]!.slice(0, row.length)).toEqual(row);
  const [before, after] = rows[4]!.slice(5, 7).map((text) => JSON.parse(String(text)) as { labels: unknown });
  expect([before!.labels, after!.labels]).toEqual([{}, { a: "b" }]);
  expect(JSON.stringify(rows)).not.toMatch(/"hash|secret=1/);
  const verified = await verify();
  expect([verified.code, verified.err]).toEqual([
    0,
    expect.stringContaining(`${expected.length} records of 1 writers`),
  ]);
});

test("kill -9 at any moment: what was told as done is there, and the chains hold over all runs", async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < 3; round++) {
    const state = { isDead: false };
    const declare = async (worker: number): Promise<void> => {
      for (let n = 0; !state.isDead; n++) {
        const name = `r${round}-${worker}-${n}`;
        const answer = await send("PUT", `/v1/roles/${name}`, { grants: [] }).catch(() => undefined);
        if (answer?.status === 201) acknowledged.push(name);
      }
    };
    const working = Promise.all([0, 1, 2, 3].map(declare));
    const enough = acknowledged.length + 20 + round * 7;
    while (acknowledged.length < enough) await new Promise((done) => setTimeout(done, 5));
    await muara.kill();
    state.isDead = true;
    await working;
    muara = await startMuara(folder.path, ENVIRONMENT);
  }
  const wanted = new Set(acknowledged);
  const rows = await facts((found) => {
    const there = new Set(found.map(([, , id]) => id));
    return [...wanted].every((name) => there.has(name)) && found.at(-1)?.[0] === "started";
  });
  const declared = rows
    .filter(([action, kind]) => action === "declared" && kind === "role")
    .map(([, , id]) => String(id));
  expect(new Set(declared).size).toBe(declared.length);
  expect(new Set(rows.map((row) => row.at(-1))).size).toBe(4);
  const verified = await verify("--page", "13");
  expect([verified.code, verified.err]).toEqual([0, expect.stringContaining("of 4 writers hold")]);
});

test("another writer's hand in the lake's table is found, at its place", async () => {
  const tamper = async (how: string, predicate: string): Promise<string> => {
    await muara.stop();
    await runPython(TAMPER, [join(folder.path, "lake", "muara.audit"), how, predicate]);
    muara = await startMuara(folder.path, ENVIRONMENT);
    const { code, err } = await verify();
    expect(code).toBe(1);
    return err;
  };
  const unknown = await verify("--head", "0".repeat(64));
  expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining("was cut off")]);
  const heads = JSON.parse((await verify()).out) as { hash: string }[];
  expect((await verify("--head", ...heads.map(({ hash }) => hash))).code).toBe(0);

  const removed = `resource_id = 'staff' AND action = 'removed'`;
  const [writer, sequence] = (await find(removed)).split(":");
  const gone = await tamper("delete", removed);
  expect(gone).toContain(`breaks at ${writer}:${Number(sequence) + 1} `);
  expect(gone).toContain("records between are missing");

  const declared = `resource_id = 'audited' AND action = 'declared'`;
  const at = await find(declared);
  const changed = await tamper("update", declared);
  expect(changed).toContain(`breaks at ${at} `);
  expect(changed).toContain("what it says is not what was hashed");
});
