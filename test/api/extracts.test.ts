/** Extracts of the whole program: over HTTP and by the command line, from events to files in a folder. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Manifest } from "../../lake/extract/manifest.ts";
import { manifestHash } from "../../lake/extract/manifest.ts";
import { ask } from "../lake/extract/independent-rows.ts";
import { type CommandResult, runCommand } from "./run-command.ts";
import { orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "ORDER_PLACED";
const FEED = "orders_hourly";
const HOUR_MS = 3_600_000;
/** The hour before last: it is over, and so is the one after it. */
const HOUR = Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS;

let stack: Stack;
let folder: string;

function event(index: number, atMs: number): string {
  const eid = `aaaaaaaa-0000-4000-8000-${String(index).padStart(12, "0")}`;
  const metadata = `{"eid":"${eid}","occurred_at":"${new Date(atMs).toISOString()}"}`;
  return `{"metadata":${metadata},"number":${index},"note":"n${index}"}`;
}

async function send(events: readonly string[]): Promise<void> {
  const response = await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`);
  expect(response.status).toBe(200);
  await stack.settled(TYPE);
}

async function make(): Promise<Record<string, unknown>> {
  const response = await stack.call("POST", `/v1/extracts/${FEED}/make`);
  return (await response.json()) as Record<string, unknown>;
}

const muara = (...argv: string[]): Promise<CommandResult> =>
  runCommand(argv, { MUARA_URL: stack.url, MUARA_DATA: stack.data });

const manifestOf = (version: number, query = ""): Promise<Manifest> =>
  stack.get<Manifest>(`/v1/extracts/${FEED}/versions/${version}/manifest${query}`);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-extracts-"));
  stack = await startStack(undefined, {
    extract: { everyMs: 3_600_000 },
    query: { namespace: "off" },
    extracts: {
      [FEED]: {
        sql: `SELECT event_id, event_time, number, note FROM ${TYPE}`,
        window: "hour",
        time: "event_time",
        key: ["event_id"],
        totals: ["number"],
        checks: [{ notNull: ["event_id"] }, { unique: ["event_id"] }],
        description: "Orders, once each.",
        owner: "shop",
      },
      secret: { sql: `SELECT event_id, event_time FROM ${TYPE}`, time: "event_time", key: ["event_id"] },
    },
  });
  await stack.call("POST", "/event-types", orderType(TYPE, 1));
  // The last one moves the watermark past the hour.
  await send([event(1, HOUR + 1), event(2, HOUR + 2), event(3, HOUR + HOUR_MS + 60_000)]);
  const wanted = new Date(HOUR + HOUR_MS).toISOString();
  while ((await make())["complete_through"] !== wanted) await new Promise((wake) => setTimeout(wake, 200));
});

afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true, force: true });
});

const status = async (route: string) => (await stack.call("GET", `/v1/extracts/${FEED}${route}`)).status;

const files = async (): Promise<readonly string[]> =>
  (await readdir(path.join(folder, "out", FEED), { recursive: true }))
    .filter((name) => /\.parquet/.test(name))
    .sort();
const numbers = (): Promise<readonly string[]> =>
  ask(`SELECT number FROM '${path.join(folder, "out", FEED)}/*/*.parquet' ORDER BY number`);

describe("HTTP", () => {
  test("versions, manifest and file are what the lake has", async () => {
    const versions = await stack.get<{ items: object[]; newest: number }>(
      `/v1/extracts/${FEED}/versions?since=0`,
    );
    expect(versions).toMatchObject({
      newest: 1,
      next_since: null,
      items: [{ version: 1, rows: 2, ok: true }],
    });
    expect(await stack.get(`/v1/extracts/${FEED}/versions?since=1`)).toMatchObject({ items: [] });
    const manifest = await manifestOf(1);
    expect(manifestHash(manifest)).toBe(manifest.manifest_sha256);
    expect(manifest.partitions).toMatchObject([
      { hour: new Date(HOUR).toISOString().slice(0, 13), rows: 2, totals: { number: "3" }, reason: "first" },
    ]);
    const [file] = manifest.files;
    const response = await stack.call("GET", file!.url!);
    const bytes = Buffer.from(await response.arrayBuffer());
    const sha256 = createHash("sha256").update(bytes).digest();
    expect(sha256.toString("hex")).toBe(file!.sha256);
    expect(response.headers.get("etag")).toBe(`"${file!.sha256}"`);
    expect(response.headers.get("repr-digest")).toBe(`sha-256=:${sha256.toString("base64")}:`);
    const copy = path.join(folder, "one.parquet");
    await writeFile(copy, bytes);
    expect(await ask(`SELECT number, note FROM '${copy}' ORDER BY number`)).toEqual(["1|n1", "2|n2"]);
  });

  test("ranges, conditions and HEAD", async () => {
    const [file] = (await manifestOf(1)).files;
    const whole = Buffer.from(await (await stack.call("GET", file!.url!)).arrayBuffer());
    const part = async (headers: Record<string, string>, method = "GET") => {
      const response = await stack.call(method, file!.url!, undefined, headers);
      const body = Buffer.from(await response.arrayBuffer());
      return [response.status, response.headers.get("content-range"), body] as const;
    };
    const size = whole.length;
    expect(await part({ range: "bytes=0-3" })).toEqual([206, `bytes 0-3/${size}`, whole.subarray(0, 4)]);
    expect(await part({ range: "bytes=10-" })).toEqual([
      206,
      `bytes 10-${size - 1}/${size}`,
      whole.subarray(10),
    ]);
    expect(await part({ range: "bytes=-4" })).toEqual([
      206,
      `bytes ${size - 4}-${size - 1}/${size}`,
      whole.subarray(-4),
    ]);
    expect(await part({ range: `bytes=${size - 1}-${size + 9}` })).toEqual([
      206,
      `bytes ${size - 1}-${size - 1}/${size}`,
      whole.subarray(-1),
    ]);
    expect(await part({ range: `bytes=${size}-` })).toEqual([416, `bytes */${size}`, Buffer.alloc(0)]);
    expect((await part({ range: "bytes=-0" }))[0]).toBe(416);
    expect(await part({ range: "bytes=5-2" })).toEqual([200, null, whole]);
    expect(await part({ range: "bytes=0-1,3-4" })).toEqual([200, null, whole]);
    expect((await part({ range: "bytes=4-", "if-range": `"${file!.sha256}"` }))[0]).toBe(206);
    expect(await part({ range: "bytes=4-", "if-range": '"other"' })).toEqual([200, null, whole]);
    expect((await part({ "if-none-match": `"${file!.sha256}"` }))[0]).toBe(304);
    const head = await stack.call("HEAD", file!.url!);
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      String(size),
      "",
    ]);
  });

  test("receipts: equal, different with the partition named, and both are shown", async () => {
    const route = `/v1/extracts/${FEED}/versions/1/receipts`;
    const hour = new Date(HOUR).toISOString().slice(0, 13);
    const equal = await stack.call("POST", route, { rows: 2, totals: { number: "3.00" } });
    expect(equal.status).toBe(200);
    expect(await stack.get(`/v1/extracts/${FEED}`)).toMatchObject({
      reconciliation: { version: 1, equal: true },
    });
    expect((await muara("extract", "status", FEED)).code).toBe(0);
    const partitions = [{ partition: hour, rows: 1, totals: { number: "1" } }];
    const different = await stack.call("POST", route, { rows: 1, partitions });
    expect(different.status).toBe(409);
    expect(await different.json()).toMatchObject({
      code: "extract.receipt_differs",
      differences: [
        { partition: hour, what: "rows", expected: "2", reported: "1" },
        { partition: hour, what: "number", expected: "3", reported: "1" },
      ],
    });
    const { items } = await stack.get<{ items: object[] }>(`/v1/extracts/${FEED}/receipts`);
    expect(items).toMatchObject([{ equal: false }, { equal: true }]);
    expect((await muara("extract", "status", FEED)).code).toBe(6);
    expect((await stack.call("POST", route, { rows: -1 })).status).toBe(400);
  });

  test("only who may read a feed sees it; making takes write", async () => {
    const grants = [{ action: "read", kind: "extract", name: FEED }];
    const created = await stack.call("POST", "/v1/tokens", { description: "warehouse", grants });
    const { token } = (await created.json()) as { token: string };
    const as = (method: string, route: string, bearer = token): Promise<Response> =>
      stack.call(method, route, undefined, { authorization: `Bearer ${bearer}` });
    const { items } = (await (await as("GET", "/v1/extracts")).json()) as { items: { feed: string }[] };
    expect(items.map(({ feed }) => feed)).toEqual([FEED]);
    const routes = ["", "/versions", "/versions/1/manifest", "/versions/1/files/0", "/contract", "/receipts"];
    for (const route of [...routes, "/versions/1/ddl?target=oracle", "/versions/1/load?target=oracle"]) {
      expect([route, (await as("GET", `/v1/extracts/${FEED}${route}`)).status]).toEqual([route, 200]);
      expect([route, (await as("GET", `/v1/extracts/secret${route}`)).status]).toEqual([route, 404]);
      expect([route, (await as("GET", `/v1/extracts/${FEED}${route}`, "wrong")).status]).toEqual([
        route,
        401,
      ]);
    }
    expect((await as("POST", `/v1/extracts/${FEED}/make`)).status).toBe(403);
    expect((await as("POST", "/v1/extracts/secret/make")).status).toBe(404);
    // The extract was made with all rights; its reader still has none on the table.
    const sql = await stack.call(
      "POST",
      "/v1/sql",
      { sql: `SELECT 1 FROM ${TYPE}` },
      { authorization: `Bearer ${token}` },
    );
    expect(sql.status).toBe(404);
  });

  test("what does not exist, or cannot be asked, is told", async () => {
    expect(await status("/versions/2/manifest")).toBe(404);
    expect(await status("/versions/0/manifest")).toBe(404);
    expect(await status("/versions/x/manifest")).toBe(400);
    expect(await status("/versions/1/files/9")).toBe(404);
    expect(await status("/versions/1/ddl?target=db2")).toBe(400);
    expect(await status("/versions/1/load?target=oracle&table=a;b")).toBe(400);
    expect(await status("/versions/1/load?target=oracle&base=https://x/'||")).toBe(400);
    expect(await status("/versions/1/manifest?links=presigned")).toBe(400);
    // A consumer of another lake is ahead of this one: it has to start anew.
    expect(await status("/versions?since=7")).toBe(410);
  });
});

describe("muara extract", () => {
  test("get fetches, resumes, follows revisions, and does nothing twice", async () => {
    const to = path.join(folder, "out");
    const first = await muara("extract", "get", FEED, "--to", to, "-o", "json");
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(JSON.parse(first.out)).toMatchObject([{ version: 1, new_versions: 1, rows: 2, files_fetched: 1 }]);
    expect(await numbers()).toEqual(["1", "2"]);
    const again = await muara("extract", "get", FEED, "--to", to, "-o", "json");
    expect(JSON.parse(again.out)).toMatchObject([
      { version: 1, new_versions: 0, files_fetched: 0, bytes_fetched: 0 },
    ]);

    await send([event(4, HOUR + 4)]);
    expect(await make()).toMatchObject({ published: 1 });
    // Half of the file is there from a run that was killed.
    const [file] = (await manifestOf(2)).files;
    const whole = Buffer.from(await (await stack.call("GET", file!.url!)).arrayBuffer());
    await writeFile(path.join(to, `${file!.name}.part`), whole.subarray(0, 100));
    const late = await muara("extract", "get", FEED, "--to", to, "-o", "json");
    expect([late.code, late.err]).toEqual([0, ""]);
    expect(await numbers()).toEqual(["1", "2", "4"]);
    expect((await files()).length).toBe(1);
    expect((await stat(path.join(to, file!.name))).size).toBe(whole.length);
    // A half that is not of this file is found by its hash, and fetched anew.
    await rm(path.join(to, FEED, "_current.json"));
    await rm(path.join(to, file!.name));
    await writeFile(path.join(to, `${file!.name}.part`), Buffer.alloc(50));
    expect((await muara("extract", "get", FEED, "--to", to)).code).toBe(0);
    expect(await readFile(path.join(to, file!.name))).toEqual(whole);
    expect(await numbers()).toEqual(["1", "2", "4"]);
  });

  test("list, show, status, ddl, load and contract", async () => {
    expect((await muara("extract", "list")).out).toContain(FEED);
    expect(JSON.parse((await muara("extract", "show", FEED, "-o", "json")).out)).toMatchObject([
      { version: 1 },
      { version: 2 },
    ]);
    expect((await muara("extract", "ddl", FEED, "--target", "snowflake")).out).toContain(
      '"EVENT_TIME" TIMESTAMP_TZ(6)',
    );
    const load = await muara(
      "extract",
      "load",
      FEED,
      "--target",
      "bigquery",
      "--base",
      "gs://b/x",
      "--of",
      "1",
    );
    expect(load.out).toContain(`--job_id=muara_${FEED}_1`);
    expect(JSON.parse((await muara("extract", "contract", FEED)).out)).toMatchObject({
      apiVersion: "v3.1.0",
    });
    expect((await muara("extract", "status", "nothing")).code).toBe(3);
    expect((await muara("extract", "make", FEED)).code).toBe(0);
  });
});
