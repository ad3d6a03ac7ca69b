/**
 * The edge door as it is deployed: bundled, in real workerd isolates, appending to a log on a real S3 server, which
 * an ordinary process lands.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { startStack, type Stack } from "../api/stack.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";
import { type Bundle, bundleEdge, KERNEL_NAME } from "./bundle.ts";

const ISOLATES = 2;
const REQUESTS = 24;
const EVENTS = 20;
const TYPE = "shop.sale";

let server: S3Server;
let bundle: Bundle;
let address: string;
let stack: Stack;
let isolates: Miniflare[];
const chance = seededRandomness(31);

beforeAll(async () => {
  [server, bundle] = await Promise.all([startS3(), bundleEdge()]);
  address = await server.freshAddress("log");
  process.env["AWS_ACCESS_KEY_ID"] = server.credentials.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = server.credentials.secretAccessKey;
  stack = await startStack(["land", "api"], { log: address });
  const kernel = await readFile(new URL("../../core-as/kernel.wasm", import.meta.url));
  isolates = Array.from({ length: ISOLATES }, () => isolateOf(kernel, { MUARA_LOG: address }));
}, 120_000);

afterAll(async () => {
  await Promise.all(isolates.map((isolate) => isolate.dispose()));
  await stack.close();
  await server.stop();
  delete process.env["AWS_ACCESS_KEY_ID"];
  delete process.env["AWS_SECRET_ACCESS_KEY"];
});

function isolateOf(kernel: Uint8Array<ArrayBuffer>, variables: Record<string, string>): Miniflare {
  return new Miniflare({
    cf: false,
    compatibilityDate: "2026-07-01",
    modules: [
      { type: "ESModule", path: "edge.js", contents: bundle.code },
      { type: "CompiledWasm", path: KERNEL_NAME, contents: kernel },
    ],
    bindings: {
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      ...variables,
    },
  });
}

interface Call {
  readonly token?: string | null;
  readonly body?: unknown;
  readonly isolate?: number;
  readonly signal?: AbortSignal;
}

async function call(path: string, { token = stack.token, body, isolate = 0, signal }: Call = {}) {
  const response = await isolates[isolate]!.dispatchFetch(`https://edge.example${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
  const text = await response.text();
  return {
    status: response.status,
    answer: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text,
  };
}

const schema = {
  type: "object",
  properties: {
    id: { type: "string" },
    article: { type: "string", pattern: "^[A-Z]{2}-[0-9]+$" },
    quantity: { type: "integer", minimum: 1 },
  },
  required: ["id", "article", "quantity"],
};
const declaration = {
  name: TYPE,
  owning_application: "shop",
  category: "undefined",
  schema: { type: "json_schema", schema: JSON.stringify(schema) },
  default_statistic: { read_parallelism: 3, write_parallelism: 3 },
  annotations: { "muara/event-id-path": "/id" },
};

interface Sale {
  readonly id: string;
  readonly article: string;
  readonly quantity: number;
}

function sale(): Sale {
  return { id: chance.uuid(), article: "AB-7", quantity: 1 + Math.floor(chance.fraction() * 9) };
}

describe("the bundle", () => {
  test("needs web APIs only: no module of Node, nothing native, no engine", () => {
    expect(bundle.imports.filter((path) => !path.endsWith(KERNEL_NAME))).toEqual([]);
    expect(bundle.imports).toHaveLength(1);
    expect(bundle.code).not.toMatch(/["']node:/);
    expect(bundle.modules.length).toBeGreaterThan(50);
    expect(
      bundle.modules.filter((path) => /duckdb|node-server|\.node$|adapters\/(file|open)/.test(path)),
    ).toEqual([]);
  });

  test("is small enough for the smallest plan of such runtimes", () => {
    const bytes = gzipSync(bundle.code).length;
    console.log(`edge bundle: ${bundle.code.length} bytes, ${bytes} compressed`);
    expect(bytes).toBeLessThan(200_000);
  });
});

describe("the door in workerd", () => {
  test("is closed: 401 without a token, with a wrong one, and for everything but its health", async () => {
    expect(await call("/health", { token: null })).toEqual({ status: 200, answer: "OK" });
    for (const token of [null, "nonsense", `muara_0123456789ab_${"x".repeat(43)}`]) {
      expect((await call("/event-types", { token })).status).toBe(401);
      expect((await call(`/event-types/${TYPE}/events`, { token, body: [] })).status).toBe(401);
      expect((await call("/nowhere", { token })).status).toBe(401);
    }
  });

  test("declares an event type, and refuses what its schema refuses", async () => {
    const bad = {
      ...declaration,
      schema: { type: "json_schema", schema: '{"properties":{"a":{"type":"strin"}}}' },
    };
    expect((await call("/event-types", { body: bad })).status).toBe(422);
    expect((await call("/event-types", { body: declaration })).status).toBe(201);
    expect((await call("/event-types", { body: declaration, isolate: 1 })).status).toBe(409);
    const refused = await call(`/event-types/${TYPE}/events`, {
      body: [sale(), { ...sale(), article: "7" }, { ...sale(), quantity: 0 }],
    });
    expect(refused.status).toBe(422);
    expect(refused.answer.map((item: { detail?: string }) => item.detail)).toEqual([
      "",
      expect.stringContaining('must match pattern "^[A-Z]{2}-[0-9]+$"'),
      expect.stringContaining("must be >= 1"),
    ]);
  });

  test(
    "what isolates accept at the same time lands once, and the books balance",
    { timeout: 60_000 },
    async () => {
      const batches = Array.from({ length: REQUESTS }, () => Array.from({ length: EVENTS }, sale));
      const repeated = batches.slice(0, REQUESTS / 4);
      const answers = await Promise.all(
        [...batches, ...repeated].map((body, i) =>
          call(`/event-types/${TYPE}/events`, { body, isolate: i % ISOLATES }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      await stack.settled(TYPE);
      const sql = `SELECT count(*), count(DISTINCT event_id), sum(quantity) FROM "${TYPE}"`;
      const { rows } = (await (await stack.call("POST", "/v1/sql", { sql })).json()) as { rows: unknown[][] };
      const sold = batches.flat().reduce((sum, { quantity }) => sum + quantity, 0);
      expect(rows[0]!.map(String)).toEqual([REQUESTS * EVENTS, REQUESTS * EVENTS, sold].map(String));
      const books = await stack.get<{ items: Record<string, number>[] }>(`/v1/books?event_type=${TYPE}`);
      expect(books.items[0]).toMatchObject({
        accepted: (REQUESTS + repeated.length) * EVENTS,
        landed: REQUESTS * EVENTS,
        duplicates: repeated.length * EVENTS,
        dead_letters: 0,
        in_flight: 0,
      });
    },
  );

  test("a client that leaves takes nobody's events along", { timeout: 60_000 }, async () => {
    const before = await stack.get<{ items: { accepted: number }[] }>(`/v1/books?event_type=${TYPE}`);
    const posts = Array.from({ length: 30 }, async (_, i) => {
      const leave = new AbortController();
      const post = call(`/event-types/${TYPE}/events`, { body: [sale()], signal: leave.signal });
      if (i % 3 === 0) setTimeout(() => leave.abort(), i);
      return post.then(
        ({ status }) => status,
        () => "left",
      );
    });
    const statuses = await Promise.all(posts);
    expect(statuses.filter((_, i) => i % 3 !== 0)).toEqual(Array.from({ length: 20 }, () => 200));
    await stack.settled(TYPE);
    const after = await stack.get<{ items: { accepted: number }[] }>(`/v1/books?event_type=${TYPE}`);
    const accepted = after.items[0]!.accepted - before.items[0]!.accepted;
    expect(accepted).toBeGreaterThanOrEqual(statuses.filter((status) => status === 200).length);
    expect((await call(`/event-types/${TYPE}/events`, { body: [sale()] })).status).toBe(200);
  });
});
