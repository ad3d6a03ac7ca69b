/** Processes and cases over HTTP: what is refused and why, who may see what, what is left of a failure. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Stack, startStack, TINY_QUERY } from "./stack.ts";

const PROCESS = {
  name: "shop",
  activities: {
    ordered: { from: "shop.order", case: "number", fields: { parcels: "parcels" } },
    shipped: { from: "shop.parcel", cases: "orders", fields: { parcel: "parcel" } },
  },
  deadlines: { in_time: { from: "ordered", to: "shipped", within: "2 days" } },
  velocities: { orders: { activity: "ordered", window: "1 hour" } },
};
const TABLES = ["shop.order", "shop.parcel"];
const RULES = ["process.shop.in_time", "process.shop.orders"];

// Each plan is a process of its own.
vi.setConfig({ testTimeout: 180_000 });

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(undefined, { jobs: { jobs: 3 }, query: TINY_QUERY });
  const list = { type: "array", items: { type: "integer" } };
  await declare("shop.order", { number: { type: "integer" }, parcels: { type: "integer" } });
  await declare("shop.parcel", { orders: list, parcel: { type: "string" } });
  await declare("secret", { note: { type: "string" } });
  await publish("shop.order", { number: 1, parcels: 1 });
  await publish("shop.parcel", { orders: [1, 2, 2], parcel: "P" });
  await publish("secret", { note: "hidden" });
});
afterAll(() => stack.close());

let ids = 0;
async function publish(type: string, payload: object): Promise<void> {
  const eid = `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`;
  const event = { metadata: { eid, occurred_at: "2026-03-02T08:00:00Z" }, ...payload };
  expect((await stack.call("POST", `/event-types/${type}/events`, [event])).status).toBe(200);
  await stack.settled(type);
}

async function declare(name: string, properties: object): Promise<void> {
  const schema = { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) };
  const answer = await stack.call("POST", "/event-types", {
    name,
    owning_application: "t",
    category: "business",
    schema,
  });
  expect(answer.status).toBe(201);
}

type Grants = readonly (readonly ["read" | "admin", string, object?])[];

/** @returns status and code or first item of what a token with these rights is answered */
async function as(grants: Grants, method: string, path: string, body?: unknown): Promise<string> {
  const given = grants.map(([action, name, part]) => ({ action, kind: "table", name, ...part }));
  const made = await stack.call("POST", "/v1/tokens", { description: "t", grants: given });
  const { token } = (await made.json()) as { token: string };
  const answer = await stack.call(method, path, body, { authorization: `Bearer ${token}` });
  const told = (await answer.json().catch(() => ({}))) as { code?: string };
  return `${answer.status}${told.code === undefined ? "" : ` ${told.code}`}`;
}

const read = (...names: readonly string[]): Grants => names.map((name) => ["read", name] as const);
const admin = (...names: readonly string[]): Grants => names.map((name) => ["admin", name] as const);

/** What is said of a declaration that is changed. */
async function refusal(
  change: (declared: Record<string, Record<string, Record<string, unknown>>>) => void,
): Promise<string> {
  const process = structuredClone(PROCESS);
  change(process as never);
  const answer = await stack.call("POST", "/v1/processes/plan", { process });
  const { code, detail } = (await answer.json()) as { code: string; detail: string };
  return `${answer.status} ${code} ${detail}`;
}

test("a refusal names the field, and why", async () => {
  expect(await refusal((d) => (d["activities"]!["ordered"]!["case"] = "numbr"))).toMatch(
    /^422 process\.refused \/activities\/ordered\/case: .*numbr/,
  );
  expect(await refusal((d) => (d["activities"]!["ordered"]!["when"] = "parcels > 'x' || 1 AND"))).toMatch(
    /^422 process\.refused \/activities\/ordered\/when: /,
  );
  expect(await refusal((d) => (d["activities"]!["ordered"]!["from"] = "shop.ordr"))).toMatch(
    /^422 process\.refused \/activities\/ordered\/from: There is no table "shop\.ordr"/,
  );
  expect(await refusal((d) => (d["activities"]!["shipped"]!["fields"] = { parcel: "parcell" }))).toMatch(
    /^422 process\.refused \/activities\/shipped\/fields\/parcel: /,
  );
  expect(await refusal((d) => (d["deadlines"]!["in_time"]!["to"] = "sent"))).toMatch(
    /^4\d\d request\.malformed \/process\/deadlines\/in_time\/to: there is no activity "sent"/,
  );
  expect(
    await refusal((d) => (d["velocities"]!["orders"]!["measures"] = { m: { of: "parcels", is: "sum" } })),
  ).toMatch(/^200/);
});

test("an expression cannot read what its column does not have", async () => {
  const fields = { note: "(SELECT max(note) FROM secret)" };
  expect(await refusal((d) => (d["activities"]!["ordered"]!["fields"] = fields))).toMatch(
    /^422 process\.refused \/activities\/ordered\/fields\/note: /,
  );
});

const deploy = (grants: Grants): Promise<string> => as(grants, "POST", "/v1/processes", { process: PROCESS });

test("only who administers its tables declares a process, and who reads all of them sees it", async () => {
  const all = [...RULES, "process.shop"];
  expect(await deploy(read(...TABLES))).toBe("403 auth.forbidden");
  for (const missing of all)
    expect(await deploy([...read(...TABLES), ...admin(...all.filter((name) => name !== missing))])).toBe(
      "403 auth.forbidden",
    );
  expect(await deploy([...read(TABLES[0]!), ...admin(...all)])).toBe("422 process.refused");
  expect(await deploy([...read(...TABLES), ...admin(...all)])).toBe("201");
  expect(await deploy([...read(...TABLES), ...admin(...all)])).toBe("409 declaration.conflict");
  const paths = ["/v1/processes/shop", "/v1/processes/shop/funnel", "/v1/cases/1?process=shop"];
  for (const path of paths) {
    expect([path, await as(read(...TABLES), "GET", path)]).toEqual([path, "200"]);
    for (const table of TABLES)
      expect([path, await as(read(table), "GET", path)]).toEqual([path, "404 process.not_found"]);
    const part: Grants = [
      ["read", TABLES[0]!],
      ["read", TABLES[1]!, { columns: ["event_id", "orders"] }],
    ];
    expect([path, await as(part, "GET", path)]).toEqual([path, "404 process.not_found"]);
    expect([path, await as(admin(...all), "GET", path)]).toEqual([path, "404 process.not_found"]);
  }
  for (const [method, path] of [
    ["POST", "/v1/processes/shop/pause"],
    ["POST", "/v1/processes/shop/resume"],
    ["DELETE", "/v1/processes/shop"],
  ] as const) {
    expect([path, await as(read(...TABLES), method, path)]).toEqual([path, "403 auth.forbidden"]);
    expect([path, await as(read("secret"), method, path)]).toEqual([path, "404 process.not_found"]);
  }
});

interface Shown {
  readonly rules: readonly { readonly job: string; readonly state: string }[];
}
const states = async (): Promise<readonly string[]> =>
  (await stack.get<Shown>("/v1/processes/shop")).rules.map(({ state }) =>
    state === "paused" || state === "missing" ? state : "there",
  );

test("its jobs rest, go on and end together; one that is gone is missing", async () => {
  expect(await states()).toEqual(["there", "there"]);
  expect((await stack.call("POST", "/v1/processes/shop/pause")).status).toBe(200);
  expect(await states()).toEqual(["paused", "paused"]);
  expect((await stack.call("POST", "/v1/processes/shop/resume")).status).toBe(200);
  expect((await stack.call("DELETE", `/v1/jobs/${RULES[0]!}`)).status).toBe(204);
  expect(await states()).toEqual(["missing", "there"]);
  expect((await stack.call("DELETE", "/v1/processes/shop")).status).toBe(204);
  expect((await stack.get<{ items: unknown[] }>("/v1/jobs")).items).toEqual([]);
  expect((await stack.get<{ items: unknown[] }>("/v1/processes")).items).toEqual([]);
});

test("where one of its jobs cannot be made none is left", async () => {
  const velocities = Object.fromEntries(
    [1, 2, 3, 4].map((n) => [`v${n}`, { activity: "ordered", window: `${n} hours` }]),
  );
  const process = { ...PROCESS, name: "many", deadlines: {}, velocities };
  const answer = await stack.call("POST", "/v1/processes", { process });
  expect(`${answer.status} ${((await answer.json()) as { code: string }).code}`).toBe("409 job.limits");
  expect((await stack.get<{ items: unknown[] }>("/v1/jobs")).items).toEqual([]);
  expect((await stack.call("GET", "/v1/processes/many")).status).toBe(404);
});

test("a case that no event names, and a process that is not named", async () => {
  const process = { name: "plain", activities: PROCESS.activities };
  expect((await stack.call("POST", "/v1/processes", { process })).status).toBe(201);
  const found = await stack.get<{ related: object[]; events: object[] }>("/v1/cases/2");
  expect(found).toMatchObject({
    process: "plain",
    related: [{ case_id: "1" }],
    events: [{ activity: "shipped", cases: ["2", "1"] }],
  });
  const nobody = await stack.call("GET", "/v1/cases/'%20OR%20true?process=plain");
  expect(`${nobody.status} ${((await nobody.json()) as { code: string }).code}`).toBe("404 case.not_found");
  const other = await stack.call("POST", "/v1/processes", { process: { ...process, name: "other" } });
  expect(other.status).toBe(201);
  const unnamed = await stack.call("GET", "/v1/cases/2");
  expect(unnamed.status).toBe(400);
  expect(await unnamed.text()).toContain("name one of other, plain");
});
