/**
 * Every route of the read side × whoever asks, generated from the OpenAPI document: nobody, a stranger, an
 * administrator whose token may only read, an administrator. What a stranger gets never tells of what is there; what
 * changes something is closed to whoever may only read.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openapiDocument } from "../../api/openapi.ts";
import { isDoorPath } from "../../workers/ingest/open-door.ts";
import { type LocalIssuer, makeKey, published, signed, startIssuer } from "../adapters/oidc/issuer.ts";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const CANARY = "canary.type";
/** Without a token. */
const OPEN = new Set([
  "GET /openapi.json",
  "GET /api",
  "GET /api/{file}",
  "GET /errors",
  "GET /errors/{code}",
  "GET /health/live",
  "GET /health/ready",
]);
/** By the signature in their address, and by nothing else. */
const SIGNED = /^GET \/delta-sharing\/files\//;
/** Not GET, but only reading. */
const READS = /^POST (\/v1\/sql|\/v1\/sql\/.*|\/delta-sharing\/.*\/query)$/;

const document = openapiDocument("0") as { paths: Record<string, Record<string, unknown>> };
/** The door's have a matrix of their own (test/workers/ingest/rights.test.ts). */
const routes = Object.entries(document.paths)
  .filter(([path]) => !isDoorPath(path))
  .flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path] as const));

let issuer: LocalIssuer;
let stack: Stack;
const key = makeKey("ES256", "k");
const tokens = new Map<string, string>();
beforeAll(async () => {
  issuer = await startIssuer();
  issuer.keys = [published(key)];
  stack = await startStack(undefined, {
    outgoing: { allow: ["127.0.0.1"] },
    issuers: { corp: { issuer: issuer.url, audience: "muara", roles: { "*": ["platform"] } } },
    roles: { platform: { grants: [{ action: "admin", kind: "*", name: "*" }] } },
  });
  expect((await stack.call("POST", "/event-types", orderType(CANARY, 1))).status).toBe(201);
  const sent = await stack.call("POST", `/event-types/${CANARY}/events`, `[${orderEvent(1, "1")}]`);
  expect(sent.status).toBe(200);
  await stack.settled(CANARY);
  const grants = [{ action: "read", kind: "table", name: "other" }];
  const made = await stack.call("POST", "/v1/tokens", { description: "stranger", grants });
  tokens.set("stranger", ((await made.json()) as { token: string }).token);
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: issuer.url, sub: "auditor", aud: "muara", exp: now + 3_600 };
  const scope = "nakadi.event_stream.read";
  tokens.set("reads only", signed(key, { alg: "ES256", kid: "k" }, { ...claims, scope }));
  tokens.set("administrator", stack.token);
});
afterAll(async () => {
  await stack.close();
  await issuer.stop();
});

async function ask(
  method: string,
  path: string,
  who: string | undefined,
): Promise<{ status: number; text: string }> {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    ["name", "table", "event_type"].includes(name) ? CANARY : "0".repeat(12),
  );
  const body = path === "/v1/sql" ? { sql: `SELECT note FROM "${CANARY}"` } : {};
  const authorization = who === undefined ? "" : `Bearer ${tokens.get(who)!}`;
  const answer = await stack.call(method, filled, method === "GET" ? undefined : body, { authorization });
  return { status: answer.status, text: await answer.text() };
}

test.each(routes.filter(([method, path]) => !SIGNED.test(`${method} ${path}`)))(
  "%s %s",
  async (method, path) => {
    const route = `${method} ${path}`;
    const nobody = await ask(method, path, undefined);
    expect(nobody.status === 401, `nobody: ${nobody.status}`).toBe(!OPEN.has(route));
    const stranger = await ask(method, path, "stranger");
    expect([401, 500, 503]).not.toContain(stranger.status);
    const isPublic = route === "GET /openapi.json";
    // Its own name comes back in a refusal, which says the same of what there is and what there is not.
    expect(
      stranger.status < 300 && !isPublic && stranger.text.includes(CANARY),
      stranger.text.slice(0, 300),
    ).toBe(false);
    const reader = await ask(method, path, "reads only");
    const changes = method !== "GET" && method !== "HEAD" && !READS.test(route);
    expect(changes && reader.status < 300, `reads only: ${reader.status} ${reader.text.slice(0, 300)}`).toBe(
      false,
    );
    if (changes) return;
    const administrator = await ask(method, path, "administrator");
    expect([401, 403, 500]).not.toContain(administrator.status);
  },
);

test("an address that is signed opens by its signature alone", async () => {
  const found = routes.filter(([method, path]) => SIGNED.test(`${method} ${path}`));
  const askers = [undefined, ...tokens.keys()];
  const answers = found.flatMap(([method, path]) => askers.map((who) => ask(method, path, who)));
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(statuses).toEqual(askers.map(() => 403));
});

test("a stranger's refusal is the same for what is there and what is not", async () => {
  for (const [method, path] of routes) {
    if (!path.includes("{name}") || !path.startsWith("/v1/tables")) continue;
    const there = await ask(method, path, "stranger");
    const nothing = await ask(method, path.replace("{name}", "no.such"), "stranger");
    expect([method, path, there.status, there.text.replaceAll(CANARY, "no.such")]).toEqual([
      method,
      path,
      nothing.status,
      nothing.text,
    ]);
  }
});
