/**
 * The Delta Sharing protocol by hand: what its clients never ask, every refusal, every limit at its edge, and who gets
 * in. The client itself reads in test/e2e/sharing.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "order.created";
const BATCHES = 4;
const PREFIX = "/delta-sharing";
const ORDERS = `${PREFIX}/shares/sales/schemas/shop/tables/orders`;

let stack: Stack;
let profile: {
  endpoint: string;
  bearerToken: string;
  shareCredentialsVersion: number;
  expirationTime: string;
};
let recipientId: string;

beforeAll(async () => {
  stack = await startStack(undefined, {
    share: { filesMax: BATCHES, versionsMax: 3, pageItems: 2, bodyBytes: 1_000 },
    shares: {
      fixed: { tables: { [TYPE]: { as: "shop.orders" }, books: {}, dead_letters: {}, other: { as: "b.c" } } },
    },
  });
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status).toBe(201);
  for (let batch = 0; batch < BATCHES; batch++) {
    const body = `[${orderEvent(batch, String(batch))}]`;
    expect((await stack.call("POST", `/event-types/${TYPE}/events`, body)).status).toBe(200);
    await stack.settled(TYPE);
  }
  const declared = { name: "sales", tables: { [TYPE]: { as: "shop.orders", history: true } } };
  const created = await stack.call("POST", "/v1/shares", declared);
  expect(created.status, await created.text()).toBe(201);
  ({ profile, id: recipientId } = await recipientOf("sales"));
});
afterAll(() => stack.close());

async function recipientOf(share: string): Promise<{ profile: typeof profile; id: string }> {
  const body = { recipient: "finance", expires_at: new Date(Date.now() + 3_600_000).toISOString() };
  const answer = await stack.call("POST", `/v1/shares/${share}/recipients`, body);
  expect(answer.status).toBe(201);
  return (await answer.json()) as { profile: typeof profile; id: string };
}

/** As the recipient. */
const ask = (
  method: string,
  route: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> =>
  stack.call(method, route, body, { authorization: `Bearer ${profile.bearerToken}`, ...headers });

type Line = Record<string, Record<string, unknown>>;

async function lines(answer: Response): Promise<readonly Line[]> {
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

async function refusal(answer: Response, status: number, code: string): Promise<void> {
  const body = (await answer.json()) as Record<string, unknown>;
  expect({ status: answer.status, code: body["code"] }, JSON.stringify(body)).toEqual({ status, code });
  expect(body).toEqual(
    expect.objectContaining({ errorCode: expect.any(String), message: expect.any(String) }),
  );
}

async function newestVersion(): Promise<number> {
  return Number((await ask("GET", `${ORDERS}/version`)).headers.get("delta-table-version"));
}

async function filesOf(body: unknown = {}): Promise<readonly Record<string, unknown>[]> {
  const found = await lines(await ask("POST", `${ORDERS}/query`, body));
  return found.slice(2).map((line) => line["file"]!);
}

describe("lists", () => {
  test("a profile is what the clients expect", () => {
    expect(profile).toEqual({
      shareCredentialsVersion: 1,
      endpoint: `${stack.url}${PREFIX}`,
      bearerToken: expect.stringMatching(/^muara_/),
      expirationTime: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  test("a recipient sees its share and no other", async () => {
    expect(await json("/shares")).toEqual({ items: [{ name: "sales" }] });
    expect(await json("/shares/SALES")).toEqual({ share: { name: "sales" } });
    expect(await json("/shares/sales/schemas")).toEqual({ items: [{ name: "shop", share: "sales" }] });
    const tables = { items: [{ name: "orders", schema: "shop", share: "sales" }] };
    expect(await json("/shares/sales/schemas/shop/tables")).toEqual(tables);
    expect(await json("/shares/sales/all-tables")).toEqual(tables);
    for (const route of [
      "/shares/fixed",
      "/shares/fixed/all-tables",
      "/shares/nothing",
      "/shares/sales/schemas/b/tables",
    ])
      await refusal(await ask("GET", `${PREFIX}${route}`), 404, "share.not_found");
  });

  test("pages are no longer than the server allows, and end", async () => {
    const seen: string[] = [];
    let token = "";
    for (let page = 0; page < 3; page++) {
      const route = `${PREFIX}/shares/fixed/all-tables?maxResults=100&pageToken=${encodeURIComponent(token)}`;
      const { items, nextPageToken } = await stack.get<{
        items: { schema: string; name: string }[];
        nextPageToken?: string;
      }>(route);
      expect(items.length).toBeLessThanOrEqual(2);
      seen.push(...items.map((one) => `${one.schema}.${one.name}`));
      if (nextPageToken === undefined) break;
      token = nextPageToken;
    }
    expect(seen).toEqual(["b.c", "default.books", "default.dead_letters", "shop.orders"]);
    await refusal(await ask("GET", `${PREFIX}/shares?pageToken=x`), 400, "request.malformed");
    await refusal(await ask("GET", `${PREFIX}/shares?maxResults=-1`), 400, "request.malformed");
  });
});

describe("tables", () => {
  test("version and metadata, in both formats", async () => {
    const version = await newestVersion();
    expect(version).toBeGreaterThanOrEqual(BATCHES);
    const head = await ask("HEAD", ORDERS);
    expect([head.status, head.headers.get("delta-table-version")]).toEqual([200, String(version)]);
    const parquet = await ask("GET", `${ORDERS}/metadata`);
    expect(parquet.headers.get("delta-table-version")).toBe(String(version));
    expect(parquet.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    expect(parquet.headers.get("delta-sharing-capabilities")).toBe("responseformat=parquet");
    const [protocol, metadata, ...none] = await lines(parquet);
    expect([protocol, none]).toEqual([{ protocol: { minReaderVersion: 1 } }, []]);
    expect(metadata!["metaData"]).toMatchObject({
      name: "orders",
      format: { provider: "parquet" },
      partitionColumns: ["ingest_date"],
      version,
      numFiles: BATCHES,
    });
    expect(JSON.stringify(metadata)).not.toContain("idKey");
    const capabilities = {
      "delta-sharing-capabilities": "responseformat=delta;readerfeatures=deletionvectors",
    };
    const delta = await ask("GET", `${ORDERS}/metadata`, undefined, capabilities);
    expect(delta.headers.get("delta-sharing-capabilities")).toBe("responseformat=delta");
    const [first, second] = await lines(delta);
    expect(first).toEqual({ protocol: { deltaProtocol: { minReaderVersion: 1, minWriterVersion: 4 } } });
    expect(second!["metaData"]!["deltaMetadata"]).toMatchObject({ name: "orders" });
    expect(JSON.stringify(second)).not.toContain("idKey");
  });

  test("files keep their id from answer to answer, and it does not tell their path", async () => {
    const [a, b] = [await filesOf(), await filesOf()];
    expect(a).toHaveLength(BATCHES);
    expect(new Set(a.map((file) => file["id"])).size).toBe(BATCHES);
    expect(b.map((file) => file["id"])).toEqual(a.map((file) => file["id"]));
    for (const file of a) {
      expect(file["id"]).toMatch(/^[0-9a-f]{32}$/);
      expect(file["expirationTimestamp"]).toBeGreaterThan(Date.now());
      expect(file["expirationTimestamp"]).toBeLessThanOrEqual(Date.now() + 900_000);
      expect(JSON.parse(String(file["stats"]))).toMatchObject({ numRecords: 1 });
    }
  });

  test("hints and limits leave out files", async () => {
    expect(await filesOf({ limitHint: 0 })).toHaveLength(0);
    expect(await filesOf({ limitHint: 2 })).toHaveLength(2);
    expect(await filesOf({ limitHint: 100 })).toHaveLength(BATCHES);
    expect(await filesOf({ predicateHints: ["number >= 2", "number < 3"] })).toHaveLength(1);
    expect(await filesOf({ predicateHints: ["number < 2"], limitHint: 1 })).toHaveLength(1);
    expect(await filesOf({ version: null, limitHint: null, somethingNew: true })).toHaveLength(BATCHES);
    expect(await filesOf("")).toHaveLength(BATCHES);
  });

  test.each([
    ["{", 400, "request.malformed"],
    [{ version: -1 }, 400, "request.malformed"],
    [{ version: 1, timestamp: "2026-01-01T00:00:00Z" }, 400, "request.malformed"],
    [{ timestamp: "yesterday" }, 400, "request.malformed"],
    [{ version: 1_000_000 }, 404, "table.version_not_found"],
    [{ timestamp: "2020-01-01T00:00:00Z" }, 404, "table.version_not_found"],
    [{ predicateHints: Array.from({ length: 257 }, () => "") }, 400, "request.malformed"],
  ])("the query %j is refused with %i %s", async (body, status, code) => {
    await refusal(await ask("POST", `${ORDERS}/query`, body), status, code);
  });

  test("a body of the longest length is read, one byte more is not", async () => {
    expect((await ask("POST", `${ORDERS}/query`, padded(1_000))).status).toBe(200);
    await refusal(await ask("POST", `${ORDERS}/query`, padded(1_001)), 413, "request.too_large");
  });

  test("without history there are no old versions and no changes", async () => {
    const fixed = `${PREFIX}/shares/fixed/schemas/shop/tables/orders`;
    expect((await stack.call("POST", `${fixed}/query`, {})).status).toBe(200);
    const requests = [
      stack.call("POST", `${fixed}/query`, { version: 1 }),
      stack.call("POST", `${fixed}/query`, { timestamp: new Date().toISOString() }),
      stack.call("POST", `${fixed}/query`, { startingVersion: 1 }),
      stack.call("GET", `${fixed}/changes?startingVersion=1`),
      stack.call("GET", `${fixed}/version?startingTimestamp=2020-01-01T00:00:00Z`),
    ];
    for (const request of requests) await refusal(await request, 400, "share.history_off");
  });

  test("a shared table that nobody declared, or without a commit, is not found", async () => {
    await refusal(await asAdmin("schemas/b/tables/c/metadata"), 404, "table.not_found");
    await refusal(await asAdmin("schemas/b/tables/d/metadata"), 404, "share.not_found");
  });
});

describe("changes", () => {
  test("by version and by time, both ends included, in both ways to ask", async () => {
    const newest = await newestVersion();
    const range = `startingVersion=${newest - 2}&endingVersion=${newest}`;
    const found = await changes(range);
    expect(found.map((line) => line["add"]!["version"])).toEqual(
      [newest - 2, newest - 1, newest].filter((version) =>
        found.some((line) => line["add"]!["version"] === version),
      ),
    );
    expect(found.length).toBeGreaterThan(0);
    const posted = await lines(
      await ask("POST", `${ORDERS}/query`, { startingVersion: newest - 2, endingVersion: newest }),
    );
    expect(posted.slice(2).map((line) => line["add"]!["id"])).toEqual(
      found.map((line) => line["add"]!["id"]),
    );
    const one = found.at(-1)!["add"]!;
    const at = new Date(Number(one["timestamp"])).toISOString();
    const byTime = await changes(`startingTimestamp=${at}&endingTimestamp=${at}`);
    expect(byTime.map((line) => line["add"]!["id"])).toEqual([one["id"]]);
  });

  test("as many versions as allowed, and not one more", async () => {
    const newest = await newestVersion();
    expect((await ask("GET", `${ORDERS}/changes?startingVersion=${newest - 2}`)).status).toBe(200);
    await refusal(
      await ask("GET", `${ORDERS}/changes?startingVersion=${newest - 3}`),
      413,
      "share.too_large",
    );
    const until = `startingVersion=${newest - 3}&endingVersion=${newest - 1}`;
    expect((await ask("GET", `${ORDERS}/changes?${until}`)).status).toBe(200);
  });

  test.each([
    ["", 400, "request.malformed"],
    ["startingVersion=x", 400, "request.malformed"],
    ["startingVersion=2&endingVersion=1", 400, "request.malformed"],
    ["startingVersion=1000000", 404, "table.version_not_found"],
    ["startingTimestamp=2100-01-01T00:00:00Z", 404, "table.version_not_found"],
    ["startingTimestamp=now", 400, "request.malformed"],
  ])("the range %s is refused with %i %s", async (query, status, code) => {
    await refusal(await ask("GET", `${ORDERS}/changes?${query}`), status, code);
  });
});

describe("files", () => {
  test("are read whole and by range, without a token", async () => {
    const whole = await fetchFile();
    expect(whole.status).toBe(200);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(bytes.subarray(0, 4).toString()).toBe("PAR1");
    expect(whole.headers.get("content-length")).toBe(String(bytes.length));
    expect(whole.headers.get("accept-ranges")).toBe("bytes");
    expect((await filesOf())[0]!["size"]).toBe(bytes.length);
    const head = await fetchFile({}, "HEAD");
    expect([head.status, head.headers.get("content-length"), (await head.arrayBuffer()).byteLength]).toEqual([
      200,
      String(bytes.length),
      0,
    ]);
    const last = bytes.length - 1;
    const ranges: readonly (readonly [string, number, number])[] = [
      ["bytes=0-3", 0, 3],
      ["bytes=4-", 4, last],
      ["bytes=-8", last - 7, last],
      [`bytes=${last}-${last + 100}`, last, last],
      [`bytes=-${bytes.length + 10}`, 0, last],
    ];
    for (const [range, from, to] of ranges) {
      const part = await fetchFile({ range });
      expect([part.status, part.headers.get("content-range")], range).toEqual([
        206,
        `bytes ${from}-${to}/${bytes.length}`,
      ]);
      expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(from, to + 1)), range).toBe(true);
    }
    for (const range of [`bytes=${bytes.length}-`, "bytes=-0"]) {
      const part = await fetchFile({ range });
      expect([part.status, part.headers.get("content-range")], range).toEqual([
        416,
        `bytes */${bytes.length}`,
      ]);
    }
    for (const range of ["bytes=3-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-"])
      expect((await fetchFile({ range })).status, range).toBe(200);
  });

  test("nothing in an address can be changed, and another file cannot be asked for", async () => {
    const [first, second] = (await filesOf()).map((file) => new URL(String(file["url"])));
    const forged = [
      String(first).replace(/Signature=../, "Signature=zz"),
      String(first).replace(/expires=\d/, "expires=9"),
      String(first).replace(/for=\w+/, "for=anybody"),
      `${String(second).split("?")[0]!}${first!.search}`,
      String(first).split("?")[0]!,
    ];
    for (const address of forged) await refusal(await fetch(address), 403, "share.file_refused");
    expect((await fetch(String(first))).status).toBe(200);
  });
});

describe("who gets in", () => {
  test("nobody without a token, or with another one", async () => {
    const routes = [
      `${PREFIX}/shares`,
      `${ORDERS}/version`,
      `${ORDERS}/metadata`,
      `${ORDERS}/changes`,
      `${PREFIX}/x`,
    ];
    for (const route of routes) {
      await refusal(await fetch(`${stack.url}${route}`), 401, "auth.missing");
      await refusal(await ask("GET", route, undefined, { authorization: "Bearer x" }), 401, "auth.invalid");
    }
    await refusal(
      await fetch(`${stack.url}${ORDERS}/query`, { method: "POST", body: "{}" }),
      401,
      "auth.missing",
    );
    await refusal(await ask("GET", `${PREFIX}/x`), 404, "request.not_found");
  });

  test("a recipient reads nothing else of Muara, and manages nothing", async () => {
    expect(await (await ask("GET", "/v1/tables")).json()).toEqual({ items: [] });
    expect((await ask("POST", "/v1/sql", { sql: `SELECT * FROM "${TYPE}"` })).status).toBe(404);
    expect((await ask("POST", `/event-types/${TYPE}/events`, `[${orderEvent(99, "1")}]`)).status).toBe(403);
    expect((await ask("GET", "/v1/tokens")).status).toBe(403);
    const share = (await (await ask("GET", "/v1/shares/sales")).json()) as { recipients: unknown };
    expect(share.recipients).toBeNull();
    const body = { recipient: "x", expires_at: new Date(Date.now() + 1_000).toISOString() };
    expect((await ask("POST", "/v1/shares/sales/recipients", body)).status).toBe(403);
    expect((await ask("DELETE", "/v1/shares/sales")).status).toBe(403);
    expect((await ask("POST", "/v1/shares", { name: "mine", tables: {} })).status).toBe(403);
  });

  test("whoever reads a table without a share gets nothing, and cannot share what is not theirs", async () => {
    const grants = [
      { action: "read", kind: "table", name: "*" },
      { action: "admin", kind: "share", name: "*" },
    ];
    const created = await stack.call("POST", "/v1/tokens", { description: "reader", grants });
    const { token } = (await created.json()) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    const reader = { description: "reader", grants: grants.slice(0, 1) };
    const plain = (await (await stack.call("POST", "/v1/tokens", reader)).json()) as { token: string };
    const own = { authorization: `Bearer ${plain.token}` };
    expect(await (await stack.call("GET", `${PREFIX}/shares`, undefined, own)).json()).toEqual({ items: [] });
    const declared = { name: "theirs", tables: { [TYPE]: {} } };
    expect((await stack.call("POST", "/v1/shares", declared, headers)).status).toBe(403);
    const unknown = { name: "theirs", tables: { nothing: {} } };
    expect((await stack.call("POST", "/v1/shares", unknown)).status).toBe(404);
  });

  test("declarations are checked, and none hides another", async () => {
    const post = async (body: unknown): Promise<number> =>
      (await stack.call("POST", "/v1/shares", body)).status;
    const tables = { [TYPE]: { as: "a.b" } };
    expect(await post({ name: "sales", tables })).toBe(409);
    expect(await post({ name: "FIXED", tables })).toBe(409);
    expect(await post({ name: "a.b", tables })).toBe(400);
    expect(await post({ name: "x", tables: { [TYPE]: { as: "a" } } })).toBe(400);
    expect(await post({ name: "x", tables: { [TYPE]: { as: "a.b" }, books: { as: "A.B" } } })).toBe(422);
    expect((await stack.call("DELETE", "/v1/shares/fixed")).status).toBe(409);
    const late = { recipient: "x", expires_at: new Date(Date.now() + 401 * 86_400_000).toISOString() };
    expect((await stack.call("POST", "/v1/shares/sales/recipients", late)).status).toBe(400);
    const never = { recipient: "x" };
    expect((await stack.call("POST", "/v1/shares/sales/recipients", never)).status).toBe(400);
  });

  test("a recipient that is revoked is out at once, with the addresses that it has", async () => {
    const kept = await recipientOf("sales");
    const url = String((await filesOf())[0]!["url"]);
    expect((await fetch(url)).status).toBe(200);
    expect((await stack.call("DELETE", `/v1/shares/sales/recipients/${recipientId}`)).status).toBe(204);
    await refusal(await fetch(url), 401, "auth.invalid");
    await refusal(await ask("GET", `${PREFIX}/shares`), 401, "auth.invalid");
    profile = kept.profile;
    expect((await ask("GET", `${ORDERS}/version`)).status).toBe(200);
  });

  test("a share that is revoked is gone for all, also when one of its name comes again", async () => {
    const url = String((await filesOf())[0]!["url"]);
    expect((await stack.call("DELETE", "/v1/shares/sales")).status).toBe(204);
    await refusal(await fetch(url), 401, "auth.invalid");
    const declared = { name: "sales", tables: { [TYPE]: { as: "shop.orders" } } };
    expect((await stack.call("POST", "/v1/shares", declared)).status).toBe(201);
    await refusal(await ask("GET", `${PREFIX}/shares`), 401, "auth.invalid");
    await refusal(await fetch(url), 401, "auth.invalid");
  });
});

test("a table with more files than one answer may name is refused, with a hint at less it is not", async () => {
  ({ profile } = await recipientOf("sales"));
  expect(await filesOf()).toHaveLength(BATCHES);
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, `[${orderEvent(50, "50")}]`)).status).toBe(
    200,
  );
  await stack.settled(TYPE);
  await refusal(await ask("POST", `${ORDERS}/query`, {}), 413, "share.too_large");
  expect(await filesOf({ limitHint: BATCHES })).toHaveLength(BATCHES);
});

async function json(route: string): Promise<unknown> {
  return (await ask("GET", `${PREFIX}${route}`)).json();
}

function padded(length: number): string {
  return `{"x":"${"y".repeat(length - 8)}"}`;
}

function asAdmin(route: string): Promise<Response> {
  return stack.call("GET", `${PREFIX}/shares/fixed/${route}`);
}

async function changes(query: string): Promise<readonly Line[]> {
  return (await lines(await ask("GET", `${ORDERS}/changes?${query}`))).slice(2);
}

async function fetchFile(headers: Record<string, string> = {}, method = "GET"): Promise<Response> {
  return fetch(String((await filesOf())[0]!["url"]), { method, headers });
}
