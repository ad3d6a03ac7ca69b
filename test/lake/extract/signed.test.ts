/**
 * Files of an extract by signed addresses: S3 is shown nobody's token, an address that is over is asked for again, what
 * broke off goes on from there, and no wrong byte gets a file's name. The routes are the real ones; S3's edge is played
 * here, because a real one neither breaks off nor lets an address run out when a test wants it. A real S3 is in
 * test/e2e/extracts.test.ts.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createApiApp } from "../../../api/app.ts";
import { Client } from "../../../api/cli/client.ts";
import type { Session } from "../../../api/cli/command.ts";
import { getExtract } from "../../../api/cli/extract-get.ts";
import { configSchema } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Registry } from "../../../core/registry.ts";
import { rowsOfFiles, rowsOfTable } from "./independent-rows.ts";
import { DAY_MS, FIRST_MS, makeSalesLake, salesFeed, salesOf, type SalesLake } from "./sales-lake.ts";

const EDGE = "https://s3.example";
const feed = salesFeed();
const signal = new AbortController().signal;

type Mood = "well" | "over" | "breaks off" | "wrong" | "nothing there" | "too far";
let lake: SalesLake;
let out: string;
/** What S3 was asked, and how it answers, one after the other; "well" from then on. */
let asked: { readonly name: string; readonly range: string | null; readonly signature: string | null }[];
let moods: Mood[];
let signatures = 0;

beforeAll(async () => {
  lake = await makeSalesLake();
  await lake.land([...salesOf(0, 40), ...salesOf(1, 40)], FIRST_MS + 2 * DAY_MS);
  await (await lake.maker(feed)).pass(signal);
});
afterAll(() => lake.close());
beforeEach(async () => {
  out = await mkdtemp(path.join(os.tmpdir(), "muara-signed-"));
  asked = [];
  moods = [];
});
afterEach(() => rm(out, { recursive: true, force: true }));

const presign = async (name: string): Promise<string> => `${EDGE}/${name}?signature=${signatures++}`;

function get(): ReturnType<typeof getExtract> {
  const store = { ...lake.store, presign };
  const extracts = { feeds: [feed], tables: new Map(), linkMs: 1_000 };
  const services = { registry: {} as Registry, authenticator: null, logger: silentLogger, log: {} as never };
  const config = { sqlBytes: 1, version: "0", sharing: configSchema.parse({}) };
  const app = createApiApp({ ...lake, ...services, store, extracts }, config);
  const io = {
    signal,
    clock: lake.clock,
    stderr: { write: () => true },
    environment: {},
    fetch: async (url: URL, init: RequestInit) =>
      url.origin === EDGE ? edge(url, new Headers(init.headers)) : app.fetch(new Request(url, init)),
  };
  const client = new Client(io as never, { url: "http://x", token: "secret", data: "." });
  return getExtract({ io, say: () => {}, flags: {}, client } as unknown as Session, feed.name, out, true);
}

async function edge(url: URL, headers: Headers): Promise<Response> {
  const name = url.pathname.slice(1);
  const range = headers.get("range");
  asked.push({ name, range, signature: url.searchParams.get("signature") });
  expect([...headers.keys()].filter((key) => key !== "range")).toEqual([]);
  const mood = moods.shift() ?? "well";
  if (mood === "over") return new Response("<Code>AccessDenied</Code>", { status: 403 });
  if (mood === "nothing there") return new Response(null, { status: 404 });
  if (mood === "too far") return new Response(null, { status: 416 });
  const whole = Buffer.from((await lake.store.get(name))!);
  if (mood === "wrong") whole[whole.length >> 1]! ^= 1;
  const from = Number(/\d+/.exec(range ?? "")?.[0] ?? 0);
  const bytes = whole.subarray(from);
  const half = bytes.subarray(0, bytes.length >> 1);
  return new Response(mood === "breaks off" ? breakingOff(half) : bytes, { status: range ? 206 : 200 });
}

function breakingOff(bytes: Uint8Array): ReadableStream {
  let isSent = false;
  return new ReadableStream({
    pull: (controller) => {
      if (isSent) return controller.error(new TypeError("terminated"));
      isSent = true;
      controller.enqueue(bytes);
    },
  });
}

async function filesThere(): Promise<readonly string[]> {
  const names = await readdir(path.join(out, feed.name), { recursive: true });
  return names.filter((name) => /\.parquet(?:\.part)?$/.test(name)).sort();
}

async function expectRows(): Promise<void> {
  const files = (await filesThere()).map((name) => path.join(out, feed.name, name));
  expect(await rowsOfFiles(files)).toEqual(await rowsOfTable(lake, FIRST_MS, FIRST_MS + 2 * DAY_MS));
}

test("all goes well: one request a file, and nothing the second time", async () => {
  expect(await get()).toMatchObject({ rows: 80, files_fetched: 2 });
  expect(asked.map(({ range }) => range)).toEqual([null, null]);
  await expectRows();
  expect(await get()).toMatchObject({ rows: 80, files_fetched: 0 });
  expect(asked).toHaveLength(2);
});

test("what breaks off goes on from there, also with an address that is over by then", async () => {
  moods = ["breaks off", "over", "breaks off", "well"];
  expect(await get()).toMatchObject({ rows: 80, files_fetched: 2 });
  await expectRows();
  const [first, second, third, fourth] = asked;
  expect(first!.range).toBeNull();
  expect(second!.range).toMatch(/^bytes=[1-9]\d*-$/);
  expect([third!.range, third!.signature]).not.toEqual([second!.range, second!.signature]);
  expect(third!.signature).not.toBe(second!.signature);
  expect(third!.range).toBe(second!.range);
  expect(fourth!.range).not.toBe(third!.range);
});

test("wrong bytes get no name: they are fetched again, and given up after five times", async () => {
  moods = ["wrong", "breaks off", "too far", "well"];
  expect(await get()).toMatchObject({ rows: 80 });
  await expectRows();
  await rm(out, { recursive: true });
  moods = Array.from({ length: 5 }, () => "wrong");
  await expect(get()).rejects.toMatchObject({ exitCode: 6 });
  expect(await filesThere()).toEqual([]);
});

test("a file that is there with other bytes is fetched again, before the folder has a version", async () => {
  await get();
  const [name] = await filesThere();
  const damaged = path.join(out, feed.name, name!);
  const bytes = await readFile(damaged);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(damaged, bytes);
  await rm(path.join(out, feed.name, "_current.json"));
  expect(await get()).toMatchObject({ files_fetched: 1 });
  await expectRows();
});

test("a file that is gone, and a store that refuses fresh addresses, are told apart", async () => {
  moods = ["nothing there"];
  await expect(get()).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/no longer kept/),
  });
  moods = ["over", "over"];
  await expect(get()).rejects.toMatchObject({ exitCode: 4, message: expect.stringMatching(/s3\.example/) });
});
