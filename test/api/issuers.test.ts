/**
 * Tokens of an issuer at the doors of the whole program: made by a library that is not ours (PyJWT) for every
 * algorithm, and what they may do by their roles and scopes.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalIssuer, makeKey, published, signed, startIssuer } from "../adapters/oidc/issuer.ts";
import { runPython } from "../services/python.ts";
import { orderType, startStack, type Stack } from "./stack.ts";

const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const keys = ALGORITHMS.map((alg) => makeKey(alg, `key-${alg}`));
const MAKER = `
import sys, json, jwt
jobs = json.loads(sys.argv[1])
print(json.dumps([jwt.encode(j["claims"], j["pem"], algorithm=j["alg"], headers={"kid": j["kid"]}) for j in jobs]))
`;

let issuer: LocalIssuer;
let stack: Stack;
const claims = (more: Record<string, unknown> = {}): Record<string, unknown> => {
  const now = Math.floor(Date.now() / 1_000);
  return {
    iss: issuer.url,
    sub: "alice",
    aud: "muara",
    exp: now + 600,
    iat: now,
    scope: "",
    roles: [],
    ...more,
  };
};
const token = (more: Record<string, unknown> = {}): string =>
  signed(keys[0]!, { alg: "RS256", kid: "key-RS256" }, claims(more));
const call = (method: string, path: string, bearer: string, body?: unknown): Promise<Response> =>
  stack.call(method, path, body, { authorization: `Bearer ${bearer}` });

beforeAll(async () => {
  issuer = await startIssuer();
  issuer.keys = keys.map(published);
  stack = await startStack(undefined, {
    outgoing: { allow: ["127.0.0.1"] },
    issuers: {
      service: {
        issuer: issuer.url,
        audience: ["muara"],
        algorithms: ALGORITHMS as never,
        roles: { "*": ["everyone"], publishers: ["publisher"], admins: ["platform"] },
      },
    },
    roles: {
      everyone: { grants: [] },
      publisher: { grants: [{ action: "write", kind: "event_type", name: "issued" }] },
      platform: { grants: [{ action: "admin", kind: "*", name: "*" }] },
    },
  });
  expect((await stack.call("POST", "/event-types", orderType("issued", 1))).status).toBe(201);
});
afterAll(async () => {
  await stack.close();
  await issuer.stop();
});

test("PyJWT's tokens of every algorithm open the doors of their roles", async () => {
  const jobs = keys.map(({ alg, kid, privateKey }) => ({
    alg,
    kid,
    pem: privateKey.export({ type: "pkcs8", format: "pem" }),
    claims: claims({ sub: `service-${alg}`, roles: ["publishers"], scope: "nakadi.event_stream.write" }),
  }));
  const tokens = (await runPython(MAKER, [JSON.stringify(jobs)], { set: "tokens" })) as string[];
  for (const [i, bearer] of tokens.entries()) {
    const event = {
      metadata: { eid: crypto.randomUUID(), occurred_at: new Date().toISOString() },
      number: i,
    };
    const answer = await call("POST", "/event-types/issued/events", bearer, [event]);
    expect([ALGORITHMS[i], answer.status, await answer.text()]).toEqual([ALGORITHMS[i], 200, ""]);
    expect((await call("GET", "/event-types/issued/events", bearer)).status).toBe(403);
    expect((await call("GET", "/v1/tokens", bearer)).status).toBe(403);
  }
});

test("without the scope a role does not help, and the answer names the scope", async () => {
  const bearer = token({ roles: ["admins"], scope: "nakadi.event_stream.read" });
  expect((await call("GET", "/v1/tables", bearer)).status).toBe(200);
  for (const [method, path, scope] of [
    ["POST", "/event-types/issued/events", "nakadi.event_stream.write"],
    ["PUT", "/event-types/issued", "nakadi.event_type.write"],
    ["GET", "/v1/tokens", "nakadi.config.write"],
  ] as const) {
    const answer = await call(method, path, bearer, method === "GET" ? undefined : {});
    expect([path, answer.status]).toEqual([path, 403]);
    const challenge = `Bearer realm="muara", error="insufficient_scope", scope="${scope}"`;
    expect(answer.headers.get("www-authenticate")).toBe(challenge);
  }
  const all = "nakadi.event_stream.read nakadi.config.write";
  expect((await call("GET", "/v1/tokens", token({ roles: ["admins"], scope: all }))).status).toBe(200);
});

test("every door refuses a bad token and says why, without what is in it", async () => {
  const bad = [
    [token({ exp: 1 }), "it has expired"],
    [token({ aud: "other" }), "it is for another audience"],
    [`${token().slice(0, -8)}AAAAAAAA`, "its signature does not hold"],
  ] as const;
  for (const path of ["/event-types", "/subscriptions", "/v1/tables", "/metrics", "/delta-sharing/shares"])
    for (const [bearer, reason] of bad) {
      const answer = await call("GET", path, bearer);
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get("www-authenticate")).toContain(`error="invalid_token"`);
      expect(answer.headers.get("www-authenticate")).toContain(reason);
      expect(await answer.text()).not.toContain("alice");
    }
  const none = await stack.call("GET", "/event-types", undefined, { authorization: "" });
  expect([none.status, none.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="muara"']);
});

test("a token of Muara's own works beside, and longer headers than any token are refused", async () => {
  expect((await call("GET", "/event-types", stack.token)).status).toBe(200);
  expect((await call("GET", "/event-types", "x".repeat(9_000))).status).toBe(401);
});
