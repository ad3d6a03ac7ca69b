/**
 * The authorization matrix: principals × tables × columns × rows × doors. What each door gives is compared with a
 * model that decides cell by cell (rights-model.ts). Half of the principals have their grants from a role.
 */
import assert from "node:assert/strict";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import {
  COMPARED,
  CONDITIONS,
  expectedOf,
  grantedOf,
  isWhole,
  makePrincipals,
  outletOf,
  sorted,
  TABLES,
  type ModelPrincipal,
  type RowDoor,
  type Scope,
  type Seen,
  type WholeDoor,
} from "./rights-model.ts";
import { hiddenTexts, readParquet, readShare, seen } from "./rights-shares.ts";
import { startStack, type Stack } from "./stack.ts";

/** What a share says itself: rows and columns, rows alone, columns alone. */
const SHARED_PARTS: readonly Scope[] = [
  { condition: CONDITIONS[0]!, columns: ["event_id", "total"] },
  { condition: CONDITIONS[2]! },
  { columns: ["event_id", "country"] },
];
const PRINCIPALS = 7;
const EVENTS = 24;
const SLOW_MS = 400_000;

let stack: Stack;
let principals: readonly ModelPrincipal[];
const tokens = new Map<string, string>();
const truths = new Map<string, Seen>();

const idOf = (table: string, i: number): string =>
  `${table === TABLES[0] ? "a" : "b"}aaaaaaa-0000-4000-8000-${String(i).padStart(12, "0")}`;

function eventText(table: string, i: number, total: string): string {
  const time = new Date(Date.now() - 60_000 + i).toISOString();
  const payload = {
    ...(i % 6 === 5 ? {} : { country: ["DE", "AT", "FR", "de"][i % 4] }),
    ...(i % 5 === 4 ? {} : { note: i % 3 === 0 ? `other ${i}` : `n${i}, "quoted"` }),
  };
  const rest = Object.entries(payload).map(
    ([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  return `{"metadata":{"eid":"${idOf(table, i)}","occurred_at":"${time}"},"total":${total}${rest.join("")}}`;
}

function typeOf(name: string): Record<string, unknown> {
  const schema = {
    type: "object",
    properties: { country: { type: "string" }, total: { type: "integer" }, note: { type: "string" } },
    required: ["total"],
  };
  return {
    name,
    owning_application: "shop",
    category: "business",
    partition_strategy: "random",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
}

const post = (route: string, body: unknown, token = stack.token, method = "POST"): Promise<Response> =>
  stack.call(method, route, body, { authorization: `Bearer ${token}` });
const get = (route: string, token: string): Promise<Response> =>
  stack.call("GET", route, undefined, { authorization: `Bearer ${token}` });

async function createToken(principal: ModelPrincipal): Promise<string> {
  const { name, grants, isViaRole } = principal;
  if (isViaRole) assert.equal((await post(`/v1/roles/${name}`, { grants }, stack.token, "PUT")).status, 201);
  const given = isViaRole ? { roles: [name] } : { grants };
  const response = await post("/v1/tokens", { description: name, ...given });
  assert.equal(response.status, 201, await response.clone().text());
  return ((await response.json()) as { token: string }).token;
}

beforeAll(async () => {
  stack = await startStack(undefined, {
    query: { warm: 2 },
    extract: { everyMs: 3_600_000 },
    shares: Object.fromEntries([
      ...TABLES.map((table) => [outletOf(table), { tables: { [table]: { as: "a.t" } } }]),
      ...TABLES.map((table) => [grantedOf(table), { tables: { [table]: { as: "a.t", granted: true } } }]),
      ...SHARED_PARTS.map(({ columns, condition }, i) => {
        const part = { ...(columns ? { columns } : {}), ...(condition ? { rows: condition.sql } : {}) };
        return [`part_${i}`, { tables: { [TABLES[0]]: { as: "a.t", ...part } } }];
      }),
    ]),
    extracts: Object.fromEntries(
      TABLES.map((table) => [
        outletOf(table),
        { sql: `SELECT event_id, event_time FROM "${table}"`, time: "event_time", key: ["event_id"] },
      ]),
    ),
  });
  for (const table of TABLES) {
    assert.equal((await post("/event-types", typeOf(table))).status, 201);
    const good = Array.from({ length: EVENTS }, (_, i) => eventText(table, i, String(i * 5)));
    // One that is too large for its column, and one that comes again.
    const body = `[${[...good, eventText(table, EVENTS, "92233720368547758080"), good[0]!].join(",")}]`;
    assert.equal((await post(`/event-types/${table}/events`, body)).status, 200);
    await stack.settled(table);
  }
  const random = seededRandomness(7);
  principals = makePrincipals(PRINCIPALS, () => random.fraction());
  for (const principal of principals) tokens.set(principal.name, await createToken(principal));
  for (const table of TABLES) truths.set(table, (await ROW_DOORS["SQL as JSON"]!(stack.token, table))!);
}, SLOW_MS);

afterAll(() => stack.close());

async function sql(token: string, table: string, accept: string): Promise<Response | undefined> {
  const response = await stack.call(
    "POST",
    "/v1/sql",
    { sql: `SELECT * FROM "${table}"` },
    { authorization: `Bearer ${token}`, accept },
  );
  if (response.status === 404) {
    const problem = (await response.json()) as { code: string };
    assert.equal(problem.code, "table.not_found");
    return undefined;
  }
  assert.equal(response.status, 200, await response.clone().text());
  return response;
}

const ROW_DOORS: Readonly<Record<string, RowDoor>> = {
  "SQL as JSON": async (token, table) => {
    const response = await sql(token, table, "application/json");
    if (!response) return undefined;
    const { columns, rows } = (await response.json()) as { columns: { name: string }[]; rows: unknown[][] };
    const names = columns.map(({ name }) => name);
    return seen(
      names,
      rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]]))),
    );
  },
  "SQL as NDJSON": async (token, table) => {
    const response = await sql(token, table, "application/x-ndjson");
    if (!response) return undefined;
    const lines = (await response.text()).split("\n").filter((line) => line !== "");
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    return seen(Object.keys(rows[0] ?? {}), rows);
  },
  "SQL as CSV": async (token, table) => {
    const response = await sql(token, table, "text/csv");
    if (!response) return undefined;
    const [head, ...lines] = (await response.text()).split("\r\n").slice(0, -1).map(fieldsOf);
    return seen(
      head!.map(String),
      lines.map((line) => Object.fromEntries(head!.map((name, i) => [name, line[i]]))),
    );
  },
  "SQL as Parquet": async (token, table) => {
    const response = await sql(token, table, "application/vnd.apache.parquet");
    if (!response) return undefined;
    const rows = await readParquet(new Uint8Array(await response.arrayBuffer()));
    return seen(Object.keys(rows[0] ?? {}), rows);
  },
  "SQL as Arrow": async (token, table) => {
    const response = await sql(token, table, "application/vnd.apache.arrow.stream");
    if (!response) return undefined;
    const read = tableFromIPC(new Uint8Array(await response.arrayBuffer()));
    const names = read.schema.fields.map(({ name }) => name);
    const compared = COMPARED.filter((name) => names.includes(name));
    const rows = Array.from({ length: read.numRows }, (_, i) =>
      Object.fromEntries(compared.map((name) => [name, read.getChild(name)!.get(i) as unknown])),
    );
    return seen(names, rows);
  },
};

/** Of one line of CSV; null for nothing between the commas. */
function fieldsOf(line: string): readonly (string | null)[] {
  return [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(([, quoted, bare]) =>
    quoted === undefined ? bare || null : quoted.replaceAll('""', '"'),
  );
}

const items = async (response: Response): Promise<Record<string, unknown>[]> =>
  response.ok ? ((await response.json()) as { items: Record<string, unknown>[] }).items : [];

const WHOLE_DOORS: Readonly<Record<string, WholeDoor>> = {
  "the table's size": async (token, table) =>
    (await items(await get("/v1/tables", token))).some(
      (item) => item["name"] === table && item["bytes"] !== null,
    ),
  "the table's place": async (token, table) => {
    const response = await get(`/v1/tables/${table}`, token);
    return response.ok && ((await response.json()) as { location: unknown }).location !== null;
  },
  "bytes in the history": async (token, table) =>
    (await items(await get(`/v1/tables/${table}/history`, token))).some(
      (item) => item["bytes_added"] !== null || item["files_added"] !== null,
    ),
  verify: async (token, table) => (await get(`/v1/tables/${table}/verify`, token)).ok,
  diff: async (token, table) => (await get(`/v1/tables/${table}/diff`, token)).ok,
  books: async (token, table) => (await get(`/v1/books?event_type=${table}`, token)).ok,
  "books of all": async (token, table) =>
    (await items(await get("/v1/books", token))).some((item) => item["event_type"] === table),
  "the fate of an event": async (token, table) => {
    const response = await get(`/v1/events/${idOf(table, 1)}`, token);
    return ((await response.json()) as { fates: unknown[] }).fates.length > 0;
  },
  "dead letters": async (token, table) =>
    (await items(await get("/v1/dead-letters", token))).some((item) => item["event_type"] === table),
  duplicates: async (token, table) =>
    (await items(await get("/v1/duplicates", token))).some((item) => item["event_type"] === table),
};

describe.each(Object.keys(ROW_DOORS))("%s", (door) => {
  test("gives every cell that is declared, and no other", { timeout: SLOW_MS }, async () => {
    let cells = 0;
    for (const principal of principals)
      for (const table of TABLES) {
        const found = await ROW_DOORS[door]!(tokens.get(principal.name)!, table);
        const expected = expectedOf(principal, table, truths.get(table)!);
        const label = `${principal.name} ${table} ${JSON.stringify(principal.grants)}`;
        // NDJSON and Parquet rows tell their columns; without a row there is none to tell.
        const isSilent = found?.rows.length === 0 && /NDJSON|Parquet/.test(door);
        const columns = isSilent ? [] : expected?.columns;
        expect(found && sorted(found), label).toEqual(expected && sorted({ ...expected, columns: columns! }));
        cells += (found?.rows.length ?? 0) * (found?.columns.length ?? 0);
      }
    expect(cells).toBeGreaterThan(300);
  });
});

test(
  "shares give their tables to whoever may read them, and to nobody else",
  { timeout: SLOW_MS },
  async () => {
    for (const principal of principals)
      for (const table of TABLES) {
        const found = await readShare(stack, outletOf(table), tokens.get(principal.name)!);
        const expected = principal.shares.has(table) ? truths.get(table)! : undefined;
        expect(found && sorted(found), `${principal.name} ${table}`).toEqual(expected && sorted(expected));
      }
  },
);

test(
  "a share as granted gives every cell that is declared, and nothing else",
  { timeout: SLOW_MS },
  async () => {
    let hidden = 0;
    for (const principal of principals)
      for (const table of TABLES) {
        const truth = truths.get(table)!;
        const found = await readShare(stack, grantedOf(table), tokens.get(principal.name)!);
        const expected = expectedOf(principal, table, truth);
        const label = `${principal.name} ${table} ${JSON.stringify(principal.grants)}`;
        expect(found && sorted(found), label).toEqual(expected && sorted(expected));
        for (const text of found ? hiddenTexts(truth, expected) : []) {
          expect(found!.sent.includes(text), `${label}: ${text}`).toBe(false);
          hidden++;
        }
        // What is found is found by this search, too.
        const ids = expected?.rows.flatMap(({ event_id: id }) => id ?? []) ?? [];
        for (const id of ids) expect(found!.sent.includes(id), `${label}: ${id}`).toBe(true);
      }
    expect(hidden).toBeGreaterThan(100);
  },
);

test("a share of a part gives the part to whoever may read the share", { timeout: SLOW_MS }, async () => {
  const truth = truths.get(TABLES[0])!;
  for (const [i, scope] of SHARED_PARTS.entries()) {
    const rights = new Map([[TABLES[0] as string, [scope]]]);
    const expected = expectedOf({ ...principals[0]!, rights }, TABLES[0], truth)!;
    const found = (await readShare(stack, `part_${i}`, stack.token))!;
    expect(sorted(found), JSON.stringify(scope)).toEqual(sorted(expected));
    for (const text of hiddenTexts(truth, expected)) expect(found.sent.includes(text), text).toBe(false);
    for (const { name } of principals)
      // a right to the table is none to the share
      expect(await readShare(stack, `part_${i}`, tokens.get(name)!)).toBeUndefined();
  }
});

test("extracts are there for whoever may read them, and for nobody else", { timeout: SLOW_MS }, async () => {
  for (const principal of principals)
    for (const table of TABLES) {
      const token = tokens.get(principal.name)!;
      const feed = `/v1/extracts/${outletOf(table)}`;
      for (const place of ["", "/versions", "/receipts"])
        expect((await get(`${feed}${place}`, token)).status, `${principal.name} ${feed}${place}`).toBe(
          principal.extracts.has(table) ? 200 : 404,
        );
      const listed = (await items(await get("/v1/extracts", token))).map(
        (item) => item["feed"] ?? item["name"],
      );
      expect(listed.includes(outletOf(table))).toBe(principal.extracts.has(table));
    }
});

test("the model is not trivial: rights of every kind, rows and cells hidden and shown", () => {
  const all = principals.flatMap((principal) => TABLES.map((table) => [principal, table] as const));
  expect(all.filter(([principal, table]) => isWhole(principal, table)).length).toBeGreaterThan(1);
  expect(all.filter(([principal, table]) => !principal.rights.has(table)).length).toBeGreaterThan(1);
  const parts = all.map(([principal, table]) => expectedOf(principal, table, truths.get(table)!));
  expect(parts.some((part) => part && part.rows.length > 0 && part.rows.length < EVENTS)).toBe(true);
  for (const table of TABLES) expect(truths.get(table)!.rows).toHaveLength(EVENTS);
});

describe.each(Object.keys(WHOLE_DOORS))("%s", (door) => {
  test("is for whoever reads the whole table", { timeout: SLOW_MS }, async () => {
    for (const table of TABLES)
      expect(await WHOLE_DOORS[door]!(stack.token, table), "administrator").toBe(true);
    for (const principal of principals)
      for (const table of TABLES)
        expect(
          await WHOLE_DOORS[door]!(tokens.get(principal.name)!, table),
          `${principal.name} ${table} ${JSON.stringify(principal.grants)}`,
        ).toBe(isWhole(principal, table));
  });
});

test(
  "lists and descriptions have the tables and columns that exist for one",
  { timeout: SLOW_MS },
  async () => {
    for (const principal of principals) {
      const token = tokens.get(principal.name)!;
      const names = (await items(await get("/v1/tables", token))).map((item) => item["name"]);
      expect(names, principal.name).toEqual(TABLES.filter((table) => principal.rights.has(table)));
      for (const table of TABLES) {
        const response = await get(`/v1/tables/${table}`, token);
        const expected = expectedOf(principal, table, truths.get(table)!);
        expect(response.status).toBe(expected ? 200 : 404);
        if (!expected) continue;
        const { columns } = (await response.json()) as { columns: { name: string }[] };
        expect(
          columns.map(({ name }) => name),
          principal.name,
        ).toEqual(expected.columns);
      }
    }
  },
);

const read = (name: string, part = {}): object => ({ action: "read", kind: "table", name, ...part });

async function tokenOf(...grants: object[]): Promise<string> {
  const response = await post("/v1/tokens", { description: "t", grants });
  return ((await response.json()) as { token: string }).token;
}

describe("ledger tables", () => {
  test("show rows of event types that one reads as a whole", { timeout: SLOW_MS }, async () => {
    const letters = [read("dead_letters"), read("duplicates"), read("books")];
    const cases: readonly (readonly [readonly object[], readonly string[]])[] = [
      [[...letters, read(TABLES[0])], [TABLES[0]]],
      [[...letters, read(TABLES[0], { columns: ["total"] }), read(TABLES[1])], [TABLES[1]]],
      [[...letters, read(TABLES[0], { rows: "true" })], []],
      [letters, []],
      [[read("*")], [...TABLES]],
      [
        [
          read("dead_letters", { rows: `event_type = '${TABLES[1]}'` }),
          read("duplicates"),
          read("books"),
          read(TABLES[0]),
        ],
        [TABLES[0]],
      ],
    ];
    for (const [grants, types] of cases) {
      const token = await tokenOf(...grants);
      for (const table of ["dead_letters", "duplicates", "books"]) {
        const response = await post(
          "/v1/sql",
          { sql: `SELECT DISTINCT event_type FROM ${table} ORDER BY ALL` },
          token,
        );
        const { rows } = (await response.json()) as { rows: unknown[][] };
        const isBoth = table === "dead_letters" && grants === cases.at(-1)![0];
        expect(rows.flat(), `${table} ${JSON.stringify(grants)}`).toEqual(isBoth ? [] : types);
      }
    }
  });
});

describe("handing out rights", () => {
  test(
    "nobody gives what they do not have, by token or role; a change of a role counts at once",
    { timeout: SLOW_MS },
    async () => {
      const make = async (body: object, token = stack.token): Promise<Response> =>
        post("/v1/tokens", { description: "t", ...body }, token);
      const part = { action: "read", kind: "table", name: TABLES[0], columns: ["total"] };
      const other = { action: "read", kind: "table", name: TABLES[1], rows: "total < 40" };
      const steward = (
        (await (
          await make({
            grants: [
              { action: "admin", kind: "token", name: "*" },
              { action: "admin", kind: "table", name: TABLES[0] },
            ],
          })
        ).json()) as { token: string }
      ).token;
      expect((await make({ grants: [part] }, steward)).status).toBe(201);
      expect((await make({ grants: [other] }, steward)).status).toBe(403);
      expect((await post("/v1/roles/mine", { grants: [part] }, steward, "PUT")).status).toBe(201);
      expect((await post("/v1/roles/mine", { grants: [other] }, steward, "PUT")).status).toBe(403);
      const holder = ((await (await make({ roles: ["mine"] }, steward)).json()) as { token: string }).token;
      const columnsOf = async (table: string): Promise<number> => {
        const response = await post("/v1/sql", { sql: `SELECT * FROM "${table}" LIMIT 0` }, holder);
        return response.ok ? ((await response.json()) as { columns: unknown[] }).columns.length : 0;
      };
      expect(await columnsOf(TABLES[0])).toBe(1);
      expect(
        (
          await post(
            "/v1/roles/mine",
            { grants: [{ ...part, columns: ["total", "note"] }, other] },
            stack.token,
            "PUT",
          )
        ).status,
      ).toBe(200);
      expect(await columnsOf(TABLES[0])).toBe(2);
      expect(await columnsOf(TABLES[1])).toBeGreaterThan(10);
      // The role gives more now than the steward may.
      expect((await make({ roles: ["mine"] }, steward)).status).toBe(403);
      expect((await post("/v1/roles/mine", undefined, steward, "DELETE")).status).toBe(204);
      expect(await columnsOf(TABLES[0])).toBe(0);
      expect((await post("/v1/roles/x", { grants: [] }, holder, "PUT")).status).toBe(403);
    },
  );

  test.each([
    [{ name: "*", rows: "true" }, "/grants/0"],
    [{ action: "admin", columns: ["total"] }, "/grants/0"],
    [{ columns: ["nothing"] }, "/grants/0/columns"],
    [{ rows: "nothing = 1" }, "/grants/0/rows"],
    [{ rows: "total = (SELECT 1)" }, "/grants/0/rows"],
    [{ rows: "sales_ORDER.total = 1" }, "/grants/0/rows"],
    [{ name: "nowhere", rows: "true" }, "/grants/0/name"],
    [{ name: "sales_order", rows: "true" }, "/grants/0/name"],
  ])("a grant that cannot be applied is refused: %j", { timeout: SLOW_MS }, async (more, pointer) => {
    const grant = { action: "read", kind: "table", name: TABLES[0], ...more };
    const response = await post("/v1/tokens", { description: "t", grants: [grant] });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "request.malformed", pointer });
  });
});
