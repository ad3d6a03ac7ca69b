/** The edge door called as a function, on Node and on Deno, over a real S3 server. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EVERYTHING } from "../../../core/authorize.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import type { Log } from "../../../core/ports/log.ts";
import { Registry } from "../../../core/registry.ts";
import { createToken } from "../../../core/token.ts";
import { openS3Log } from "../../../adapters/s3/log.ts";
import { createEdgeDoor, type EdgeDoor } from "../../../workers/ingest/edge.ts";
import { payloadsOf } from "../../conformance/log-harness.ts";
import { type S3Server, startS3 } from "../../services/versitygw.ts";

let server: S3Server;
let address: string;
let kernel: WebAssembly.Module;

beforeAll(async () => {
  server = await startS3();
  address = await server.freshAddress("log");
  const bytes = await readFile(new URL("../../../core-as/kernel.wasm", import.meta.url));
  kernel = await WebAssembly.compile(bytes);
});
afterAll(() => server.stop());

function environment(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    MUARA_LOG: address,
    MUARA_LOG_LEVEL: "error",
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    A_BINDING: { of: "another kind" },
    ...more,
  };
}

async function openLog(): Promise<{ log: Log; registry: Registry }> {
  const services = { clock: systemClock, randomness: systemRandomness };
  const log = await openS3Log({ store: server.store(address), ...services, freshMs: 0 });
  return { log, registry: await Registry.open(log, "test", systemClock) };
}

function post(path: string, token: string | undefined, body: unknown): Request {
  return new Request(`https://edge.example${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
  });
}

async function statusOf(
  door: EdgeDoor,
  request: Request,
  more: Record<string, unknown> = {},
): Promise<number> {
  const waiting: Promise<unknown>[] = [];
  const response = await door.fetch(request, environment(more), {
    waitUntil: (work) => void waiting.push(work),
  });
  expect(waiting).toHaveLength(1);
  return response.status;
}

test("on an empty log nobody is let in; tokens and event types come from the log", async () => {
  const door = createEdgeDoor(kernel);
  const { log, registry } = await openLog();
  const { text, declared } = await createToken("edge", EVERYTHING, systemClock.nowMs(), null);
  expect(await statusOf(door, post("/event-types", text, {}))).toBe(401);
  await registry.put("token", declared.id, 0, declared);

  const fresh = createEdgeDoor(() => Promise.resolve(kernel));
  const type = {
    name: "edge.test",
    owning_application: "test",
    category: "undefined",
    schema: { type: "json_schema", schema: "{}" },
  };
  expect(await statusOf(fresh, post("/event-types", text, type))).toBe(201);
  expect(await statusOf(fresh, post("/event-types/edge.test/events", undefined, [{}]))).toBe(401);
  expect(await statusOf(fresh, post("/event-types/edge.test/events", text, [{ n: 1 }, { n: 2 }]))).toBe(200);
  expect(await statusOf(fresh, post("/event-types/edge.test/events", text, "x".repeat(9_000_000)))).toBe(413);
  expect(await payloadsOf(log, "edge.test", 0)).toEqual(['{"n":1}', '{"n":2}']);
  await log.close();
});

test("a token that is revoked is refused within seconds", async () => {
  const { log, registry } = await openLog();
  const { text, declared } = await createToken("short", EVERYTHING, systemClock.nowMs(), null);
  await registry.put("token", declared.id, 0, declared);
  const door = createEdgeDoor(kernel);
  const list = (): Request =>
    new Request("https://edge.example/event-types", { headers: { authorization: `Bearer ${text}` } });
  expect(await statusOf(door, list())).toBe(200);
  await registry.put("token", declared.id, 1, null);
  const endMs = systemClock.monotonicMs() + 20_000;
  let status = 200;
  while (status === 200 && systemClock.monotonicMs() < endMs) {
    await systemClock.sleep(500);
    status = await statusOf(door, list());
  }
  expect(status).toBe(401);
  await log.close();
});

test.each<[string, Record<string, unknown>]>([
  ["no log", { MUARA_LOG: undefined }],
  ["a log of another kind", { MUARA_LOG: "memory:" }],
  ["no credentials", { AWS_ACCESS_KEY_ID: undefined }],
  ["no authentication", { MUARA_AUTH: "none" }],
  ["an unknown key", { MUARA_NONSENSE: "1" }],
])("a wrong configuration is answered, never served: %s", async (_name, more) => {
  const door = createEdgeDoor(kernel);
  const response = await door.fetch(post("/event-types", undefined, {}), environment(more));
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ code: "config.invalid" });
});

test("a store that does not answer is 503, and the next request tries again", async () => {
  const door = createEdgeDoor(kernel);
  const gone = { MUARA_LOG: "s3://gone/log?endpoint=http://127.0.0.1:1" };
  expect(await statusOf(door, post("/event-types", undefined, {}), gone)).toBe(503);
  expect(await statusOf(door, post("/event-types", undefined, {}))).toBe(401);
});
