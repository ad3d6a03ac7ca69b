/**
 * An event type that grows while everything else looks at it: the command line, SQL, views, grants of columns, shares
 * and extracts, before and after.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../lake/extract/manifest.ts";
import { type CommandResult, runCommand } from "./run-command.ts";
import { startStack, type Stack } from "./stack.ts";

type Json = Record<string, unknown>;

const TYPE = "shop.order";
const FEED = "orders_hourly";
const HOUR_MS = 3_600_000;
const HOUR = Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS;
const FIELDS = {
  number: { type: "integer" },
  place: { type: "object", properties: { city: { type: "string" } } },
};
const GROWN = {
  ...FIELDS,
  place: { type: "object", properties: { city: { type: "string" }, floor: { type: "integer" } } },
  secret: { type: "string" },
};

let first: Stack;
let stack: Stack;
let folder: string;

function declaration(properties: Json): Json {
  const schema = JSON.stringify({ type: "object", properties });
  return {
    name: TYPE,
    owning_application: "shop",
    category: "business",
    schema: { type: "json_schema", schema },
  };
}

async function send(n: number, atMs: number, more: Json): Promise<void> {
  const eid = `aaaaaaaa-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const event = { metadata: { eid, occurred_at: new Date(atMs).toISOString() }, number: n, ...more };
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, [event])).status).toBe(200);
  await stack.settled(TYPE);
}

const muara = (argv: readonly string[], input: unknown = ""): Promise<CommandResult> =>
  runCommand(
    argv,
    { MUARA_URL: stack.url, MUARA_TOKEN: stack.token },
    typeof input === "string" ? input : JSON.stringify(input),
  );

async function token(grants: readonly Json[]): Promise<string> {
  const answer = await stack.call("POST", "/v1/tokens", { description: "test", grants });
  return ((await answer.json()) as { token: string }).token;
}

/** Names of columns and rows, or the code of the refusal. */
async function sql(
  text: string,
  as = stack.token,
): Promise<{ columns: string[]; rows: unknown[][] } | string> {
  const answer = await stack.call("POST", "/v1/sql", { sql: text }, { authorization: `Bearer ${as}` });
  const body = (await answer.json()) as { columns: { name: string }[]; rows: unknown[][]; code: string };
  return answer.ok ? { columns: body.columns.map(({ name }) => name), rows: body.rows } : body.code;
}

async function makeUntil(version: number): Promise<Manifest> {
  for (;;) {
    await stack.call("POST", `/v1/extracts/${FEED}/make`);
    const { newest } = await stack.get<{ newest: number | null }>(`/v1/extracts/${FEED}/versions?since=0`);
    if ((newest ?? 0) >= version)
      return stack.get<Manifest>(`/v1/extracts/${FEED}/versions/${version}/manifest`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-growth-"));
  // Views need their event types: declared by a first start.
  first = await startStack(["ingest"]);
  expect((await first.call("POST", "/event-types", declaration(FIELDS))).status).toBe(201);
  await first.running.stop();
  stack = await startStack(undefined, {
    data: first.data,
    query: { namespace: "off" },
    extract: { everyMs: 3_600_000 },
    views: {
      all_orders: { sql: `SELECT * FROM "${TYPE}"` },
      numbers: { sql: `SELECT event_id, number FROM "${TYPE}"` },
    },
    extracts: {
      [FEED]: {
        sql: `SELECT event_id, event_time, number, place.city AS city FROM "${TYPE}"`,
        window: "hour",
        time: "event_time",
        key: ["event_id"],
      },
    },
  });
}, 120_000);

afterAll(async () => {
  await stack.close();
  await rm(first.data, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

/** The diff and the verdict first; nothing changes by looking. */
async function growByCommand(): Promise<void> {
  const file = path.join(folder, "order.json");
  const grown = {
    name: TYPE,
    schema: { type: "json_schema", schema: { type: "object", properties: GROWN } },
  };
  await writeFile(file, JSON.stringify(grown));
  const look = await muara(["event-type", "set", file, "--dry-run"]);
  expect([look.code, look.err]).toEqual([
    0,
    "compatible: schema version 1.0.0 becomes 1.1.0\nthe table gets place.floor, secret\n",
  ]);
  expect(look.out).toMatch(/secret +properties +- +\{"type":"string"\} +compatible +is a new field/);
  const wrong = {
    ...grown,
    schema: { type: "json_schema", schema: { properties: { number: { type: "string" } } } },
  };
  const refused = await muara(["event-type", "set", "-", "--dry-run", "-o", "json"], wrong);
  expect([refused.code, refused.err]).toEqual([6, "incompatible\n"]);
  expect(JSON.parse(refused.out)).toMatchObject([{ verdict: "incompatible", from: "1.0.0" }]);
  const failed = await muara(["event-type", "set", "-"], wrong);
  expect(failed.code).toBe(1);
  expect(failed.err).toContain("number: was integer");
  expect((await muara(["event-type", "set", file])).err).toBe(`${TYPE} has schema version 1.1.0\n`);
  expect((await muara(["event-type", "versions", TYPE])).out).toMatch(/^version.*\n1\.1\.0 .*\n1\.0\.0 /);
  expect((await muara(["event-type", "list", "-o", "json"])).out).toContain('"version": "1.1.0"');
  const shown = JSON.parse((await muara(["event-type", "show", TYPE, "-o", "json"])).out) as Json[];
  expect((await muara(["event-type", "set", "-", "--dry-run"], shown[0])).err).toBe("unchanged\n");
  const fresh = { ...grown, name: "shop.fresh", owning_application: "shop", category: "business" };
  expect((await muara(["event-type", "set", "-", "--dry-run"], fresh)).err).toContain("would be declared");
  expect((await muara(["event-type", "set", "-"], fresh)).code).toBe(0);
  expect((await muara(["event-type", "set", "-"], "[]")).code).toBe(2);
}

test("who sees what before and after", { timeout: 600_000 }, async () => {
  await send(1, HOUR + 1, { place: { city: "Miri" } });
  await send(2, HOUR + HOUR_MS + 60_000, {}); // moves the watermark past the hour
  const manifest = await makeUntil(1);
  const contract = await (await stack.call("GET", `/v1/extracts/${FEED}/contract`)).text();
  const part = await token([
    { action: "read", kind: "table", name: TYPE, columns: ["event_id", "number", "place"] },
  ]);
  await stack.call("POST", "/v1/shares", { name: "sales", tables: { [TYPE]: { as: "shop.orders" } } });
  const recipient = await stack.call("POST", "/v1/shares/sales/recipients", {
    recipient: "finance",
    expires_at: new Date(Date.now() + 86_400_000).toISOString(),
  });
  const { profile } = (await recipient.json()) as { profile: { bearerToken: string } };
  const shared = async (): Promise<string> =>
    (
      await stack.call("GET", "/delta-sharing/shares/sales/schemas/shop/tables/orders/metadata", undefined, {
        authorization: `Bearer ${profile.bearerToken}`,
      })
    ).text();
  expect(await shared()).not.toContain("secret");

  await growByCommand();
  await send(3, HOUR + 2, { place: { city: "Sibu", floor: 7 }, secret: "s" });
  const all = `SELECT number, place.city, place.floor, secret FROM "${TYPE}" ORDER BY number`;
  const rows = [
    ["1", "Miri", null, null],
    ["2", null, null, null],
    ["3", "Sibu", "7", "s"],
  ];
  expect(await sql(all)).toMatchObject({ rows });
  // A star has what the table has; named columns stay what they are.
  expect(await sql(all.replace(`"${TYPE}"`, "all_orders"))).toMatchObject({ rows });
  expect(await sql("SELECT * FROM numbers ORDER BY number")).toMatchObject({
    columns: ["event_id", "number"],
  });
  // A grant of columns does not grow. A struct is one column, with whatever is in it.
  expect(await sql(`SELECT * EXCLUDE (event_id) FROM "${TYPE}" ORDER BY number`, part)).toEqual({
    columns: ["number", "place"],
    rows: [
      ["1", { city: "Miri", floor: null }],
      ["2", null],
      ["3", { city: "Sibu", floor: "7" }],
    ],
  });
  for (const text of [`SELECT secret FROM "${TYPE}"`, "SELECT secret FROM all_orders"])
    expect(await sql(text, part)).toEqual(expect.stringMatching(/^sql\./));
  expect(JSON.stringify(await sql(`DESCRIBE "${TYPE}"`, part))).not.toContain("secret");
  // Whoever shares a table shares what it becomes.
  expect(await shared()).toContain("secret");
  // The extract has a late row, and the columns that were declared.
  const later = await makeUntil(2);
  expect(later.schema).toEqual(manifest.schema);
  expect(later.partitions).toMatchObject([{ rows: 2 }]);
  expect(await (await stack.call("GET", `/v1/extracts/${FEED}/contract`)).text()).toBe(contract);
});
