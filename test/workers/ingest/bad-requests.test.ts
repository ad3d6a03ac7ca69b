/** Every bad request has one answer, nothing of it is written, and the door stays usable. */
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { bytes, declareTypes, metadata, TYPE, valid } from "./bodies.ts";
import { createDoor, type Door, NOW_MS } from "./door.ts";

let door: Door;

beforeAll(async () => {
  door = await createDoor();
  await declareTypes(door);
});

const BAD_REQUESTS: readonly [string, string, BodyInit, Record<string, string>, number, string][] = [
  ["an empty body", TYPE, "", {}, 400, "request.malformed"],
  ["no JSON", TYPE, "hello", {}, 400, "request.malformed"],
  ["an object", TYPE, valid, {}, 400, "request.malformed"],
  ["a body that breaks off", TYPE, `[${valid}`, {}, 400, "request.malformed"],
  ["a comma too many", TYPE, `[${valid},]`, {}, 400, "request.malformed"],
  ["text behind the array", TYPE, `[${valid}]x`, {}, 400, "request.malformed"],
  ["two arrays", TYPE, `[${valid}][${valid}]`, {}, 400, "request.malformed"],
  ["a broken event", TYPE, `[${valid},{"a":tru},${valid}]`, {}, 400, "request.malformed"],
  ["a byte order mark", TYPE, `\ufeff[${valid}]`, {}, 400, "request.malformed"],
  ["NUL", TYPE, `[${valid}\u0000]`, {}, 400, "request.malformed"],
  ["NaN", TYPE, `[{${metadata()},"a":NaN}]`, {}, 400, "request.malformed"],
  ["a million brackets", TYPE, "[".repeat(1_000_000), {}, 400, "request.malformed"],
  ["no event", TYPE, "[]", {}, 422, "batch.empty"],
  ["no event, in white space", TYPE, " [ \n ] ", {}, 422, "batch.empty"],
  ["10,001 events", TYPE, `[${Array(10_001).fill("{}").join()}]`, {}, 413, "batch.too_many"],
  ["10,001 long events", TYPE, `[${Array(10_001).fill(valid).join()}]`, {}, 413, "batch.too_many"],
  [
    "8 MiB and a byte",
    TYPE,
    `[${valid}${" ".repeat(8_388_608 - valid.length - 1)}]`,
    {},
    413,
    "request.too_large",
  ],
  ["8 MiB and a byte, inflated", TYPE, gzip(" ".repeat(8_388_609)), GZIP(), 413, "request.too_large"],
  ["a gzip bomb", TYPE, gzip(Buffer.alloc(600_000_000, 32)), GZIP(), 413, "request.too_large"],
  ["gzip that breaks off", TYPE, gzip(`[${valid}]`).subarray(0, -9), GZIP(), 400, "request.malformed"],
  ["gzip without its checksum", TYPE, gzip(`[${valid}]`).subarray(0, -8), GZIP(), 400, "request.malformed"],
  [
    "gzip with rubbish behind",
    TYPE,
    bytes([...gzip(`[${valid}]`)], "rubbish"),
    GZIP(),
    400,
    "request.malformed",
  ],
  ["two gzip members", TYPE, bytes([...gzip(`[${valid}`)], [...gzip("]")]), GZIP(), 400, "request.malformed"],
  ["gzip that is none", TYPE, `[${valid}]`, GZIP(), 400, "request.malformed"],
  ["empty gzip", TYPE, "", GZIP(), 400, "request.malformed"],
  ["gzip unannounced", TYPE, gzip(`[${valid}]`), {}, 400, "request.malformed"],
  ["brotli", TYPE, `[${valid}]`, { "content-encoding": "br" }, 415, "request.encoding"],
  ["deflate", TYPE, `[${valid}]`, { "content-encoding": "deflate" }, 415, "request.encoding"],
  [
    "gzip twice",
    TYPE,
    gzip(gzip(`[${valid}]`)),
    { "content-encoding": "gzip, gzip" },
    415,
    "request.encoding",
  ],
  ["text/plain", TYPE, `[${valid}]`, { "content-type": "text/plain" }, 415, "request.media_type"],
  [
    "a form",
    TYPE,
    `[${valid}]`,
    { "content-type": "application/x-www-form-urlencoded" },
    415,
    "request.media_type",
  ],
  [
    "UTF-16",
    TYPE,
    `[${valid}]`,
    { "content-type": "application/json; charset=utf-16" },
    415,
    "request.media_type",
  ],
  ["an unknown type", "shop.unknown", `[${valid}]`, {}, 404, "event_type.not_found"],
  ["a type in other case", "Shop.Order", `[${valid}]`, {}, 404, "event_type.not_found"],
  ["a name that is none", "%2e%2e%2f%3Cscript%3E", `[${valid}]`, {}, 404, "event_type.not_found"],
  ["no token", TYPE, `[${valid}]`, { authorization: "" }, 401, "auth.missing"],
  ["a malformed token", TYPE, `[${valid}]`, { authorization: "Bearer x" }, 401, "auth.invalid"],
  ["another scheme", TYPE, `[${valid}]`, { authorization: "Basic eDp5" }, 401, "auth.invalid"],
  [
    "an unknown token",
    TYPE,
    `[${valid}]`,
    { authorization: `Bearer muara_${"0".repeat(12)}_${"A".repeat(43)}` },
    401,
    "auth.invalid",
  ],
  [
    "a huge token",
    TYPE,
    `[${valid}]`,
    { authorization: `Bearer ${"A".repeat(100_000)}` },
    401,
    "auth.invalid",
  ],
];

function gzip(body: string | Buffer): Buffer<ArrayBuffer> {
  return gzipSync(body);
}
function GZIP(): Record<string, string> {
  return { "content-encoding": "gzip" };
}

describe("a request", () => {
  test.each(BAD_REQUESTS)("%s", async (_name, type, body, headers, status, code) => {
    const before = await door.stored(TYPE);
    const answer = await door.publish(type, body, headers);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    const problem = (await answer.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({ status, code, title: expect.any(String), detail: expect.any(String) });
    expect(JSON.stringify(problem)).not.toMatch(/script|[A-Za-z0-9]{50}/);
    expect(await door.stored(TYPE)).toEqual(before);
    expect((await door.publish(TYPE, `[${valid}]`)).status).toBe(200);
  });

  test("says where a body is broken", async () => {
    const answer = await door.publish(TYPE, `[${valid},x]`);
    expect(await answer.json()).toMatchObject({ code: "request.malformed", at: valid.length + 2 });
  });

  test("an inflating bomb takes neither memory nor time", async () => {
    const bomb = gzip(Buffer.alloc(600_000_000, 32));
    const before = process.memoryUsage().rss;
    const started = process.cpuUsage();
    expect((await door.publish(TYPE, bomb, GZIP())).status).toBe(413);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1e3).toBeLessThan(2_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });

  test("an expired token, a revoked one, one without the grant", async () => {
    const write = { action: "write", kind: "event_type", name: TYPE } as const;
    const send = async (token: string): Promise<number> =>
      (await door.publish(TYPE, `[${valid}]`, { authorization: `Bearer ${token}` })).status;
    expect(await send(await door.token([write], NOW_MS))).toBe(401);
    expect(await send(await door.token([write], NOW_MS + 1))).toBe(200);
    expect(await send(await door.token([{ ...write, name: "shop.other" }]))).toBe(403);
    expect(await send(await door.token([{ ...write, action: "read" }]))).toBe(403);
    expect(await send(await door.token([]))).toBe(403);
    const token = await door.token([write]);
    expect(await send(token)).toBe(200);
    await door.registry.put("token", token.split("_")[1]!, 1, null);
    expect(await send(token)).toBe(401);
  });

  test("a body that the client breaks off", async () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("[{"));
        controller.error(new Error("connection reset"));
      },
    });
    const answer = await door.publish(TYPE, body);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      400,
      "request.malformed",
    ]);
    expect((await door.publish(TYPE, `[${valid}]`)).status).toBe(200);
  });
});

test("no payload and no token in the log lines", async () => {
  const secret = "c4n4ry";
  await door.publish(TYPE, `[{"${secret}":"${secret}"}]`);
  await door.publish(TYPE, `[{"${secret}":${secret}}]`);
  await door.publish(secret, `[${secret}]`, { authorization: `Bearer ${secret}` });
  const text = door.lines.join("\n");
  expect(text).not.toContain(secret);
  // The secret may have underscores in it.
  expect(text).not.toContain(door.admin.slice("muara_0123456789ab_".length));
});
