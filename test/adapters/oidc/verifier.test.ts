/**
 * Tokens of an issuer against the attacks on them (RFC 8725, `jose` knows most; the rest is ours): every one is a
 * refusal, and none makes a request to where a token points.
 */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOutgoing } from "../../../adapters/http/outgoing.ts";
import { createOidcVerifier } from "../../../adapters/oidc/verifier.ts";
import { ManualClock } from "../../../core/clock.ts";
import { resolveConfig } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { BearerVerifier } from "../../../core/ports/bearer-verifier.ts";
import { encoded, hashed, type LocalIssuer, makeKey, published, signed, startIssuer } from "./issuer.ts";

const NOW_S = 1_900_000_000;
const rsa = makeKey("RS256", "rsa");
const ec = makeKey("ES256", "ec");
const stranger = makeKey("RS256", "rsa");
const rotated = makeKey("RS256", "rotated");

let issuer: LocalIssuer;
let other: LocalIssuer;
let clock: ManualClock;
let verifier: BearerVerifier;

const claims = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  iss: issuer.url,
  sub: "alice",
  aud: "muara",
  exp: NOW_S + 600,
  iat: NOW_S,
  scope: "openid nakadi.event_stream.read",
  roles: ["analysts", "unknown"],
  ...more,
});
const header = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  alg: "RS256",
  kid: "rsa",
  ...more,
});
const byNew = (): string => signed(rotated, header({ kid: "rotated" }), claims());
const fetches = (): number => issuer.asked.filter((path) => path === "/keys").length;
const good = (): string => signed(rsa, header(), claims());

function makeVerifier(more: Record<string, unknown> = {}): BearerVerifier {
  const settings = { audience: "muara", roles: { "*": ["everyone"], analysts: ["reader"] }, ...more };
  const file = {
    issuers: { corp: { issuer: issuer.url, ...settings }, rival: { issuer: other.url, ...settings } },
  };
  const { config } = resolveConfig({ environment: {}, file });
  const outgoing = createOutgoing({ allow: ["127.0.0.1"] });
  return createOidcVerifier(config.issuers, { outgoing, clock, logger: silentLogger });
}

beforeAll(async () => {
  [issuer, other] = await Promise.all([startIssuer(), startIssuer()]);
});
afterAll(() => Promise.all([issuer.stop(), other.stop()]));
beforeEach(() => {
  issuer.keys = [published(rsa), published(ec)];
  other.keys = [published(stranger)];
  for (const one of [issuer, other]) {
    one.asked.length = 0;
    one.instead.clear();
  }
  clock = new ManualClock(NOW_S * 1_000);
  verifier = makeVerifier();
});

test("a good token stands for its subject, scopes and mapped roles", async () => {
  const bearer = {
    issuer: "corp",
    subject: "alice",
    scopes: ["openid", "nakadi.event_stream.read"],
    roles: ["everyone", "reader"],
    expiresMs: (NOW_S + 600) * 1_000 + 30_000,
  };
  expect(await verifier.verify(good())).toEqual(bearer);
  const listed = claims({
    aud: ["x", "muara"],
    scope: ["openid", "nakadi.event_stream.read"],
    roles: "analysts",
  });
  expect(await verifier.verify(signed(ec, { alg: "ES256", kid: "ec", typ: "at+jwt" }, listed))).toEqual(
    bearer,
  );
  expect(issuer.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
});

const publicPem = rsa.publicKey.export({ format: "pem", type: "spki" }) as string;
const publicDer = rsa.publicKey.export({ format: "der", type: "spki" });
const twice = (): string => JSON.stringify(claims()).replace("{", '{"sub":"mallory",');
const escapedTwice = (): string => JSON.stringify(claims()).replace("{", '{"s\\u0075b":"mallory",');

const ATTACKS: readonly (readonly [string, () => string, RegExp])[] = [
  ["no algorithm", () => `${encoded(header({ alg: "none" }))}.${encoded(claims())}.`, /algorithm/],
  ["no algorithm, in other letters", () => signed(rsa, header({ alg: "nOnE" }), claims()), /algorithm/],
  ["no signature", () => good().replace(/[^.]+$/, ""), /signature/],
  ["no algorithm at all", () => signed(rsa, { kid: "rsa" }, claims()), /algorithm/],
  ["a list as the algorithm", () => signed(rsa, header({ alg: ["RS256"] }), claims()), /algorithm/],
  [
    "HMAC with the public key as PEM",
    () => hashed(publicPem, header({ alg: "HS256" }), claims()),
    /algorithm/,
  ],
  [
    "HMAC with the public key as DER",
    () => hashed(publicDer, header({ alg: "HS256" }), claims()),
    /algorithm/,
  ],
  ["HMAC with an empty key", () => hashed("", header({ alg: "HS256" }), claims()), /algorithm/],
  ["HMAC that says RS256", () => hashed(publicPem, header(), claims()), /signature/],
  [
    "an algorithm that nobody listed",
    () => signed({ ...rsa, alg: "PS256" }, header({ alg: "PS256" }), claims()),
    /alg/,
  ],
  ["another's key of the same name", () => signed(stranger, header(), claims()), /signature/],
  ["a key of another kind", () => signed(ec, header(), claims()), /signature/],
  [
    "another issuer's token as ours",
    () => signed(stranger, header(), claims({ iss: other.url + "/" })),
    /issuer/,
  ],
  [
    "our issuer's key for the rival's name",
    () => signed(rsa, header(), claims({ iss: other.url })),
    /signature/,
  ],
  ["an unknown key", () => signed(rsa, header({ kid: "x" }), claims()), /no key/],
  ["a path as the key's name", () => signed(rsa, header({ kid: "../../dev/null" }), claims()), /no key/],
  ["SQL as the key's name", () => signed(rsa, header({ kid: "x' UNION SELECT 'k" }), claims()), /no key/],
  ["a key's name with a line break", () => signed(rsa, header({ kid: "rsa\n" }), claims()), /key name/],
  ["an object as the key's name", () => signed(rsa, header({ kid: { a: 1 } }), claims()), /key name/],
  ["__proto__ as the key's name", () => signed(rsa, header({ kid: "__proto__" }), claims()), /no key/],
  [
    "its own key in the header",
    () => signed(stranger, header({ jwk: published(stranger) }), claims()),
    /"jwk"/,
  ],
  ["a link to its keys", () => signed(stranger, header({ jku: `${other.url}/keys` }), claims()), /"jku"/],
  [
    "a link to its certificates",
    () => signed(stranger, header({ x5u: `${other.url}/c` }), claims()),
    /"x5u"/,
  ],
  ["its own certificates", () => signed(stranger, header({ x5c: ["MIIB"] }), claims()), /"x5c"/],
  ["an unknown critical header", () => signed(rsa, header({ crit: ["exp"] }), claims()), /"crit"/],
  ["an unencoded payload", () => signed(rsa, header({ b64: false, crit: ["b64"] }), claims()), /"crit"/],
  ["another kind of token", () => signed(rsa, header({ typ: "logout+jwt" }), claims()), /type/],
  ["expired", () => signed(rsa, header(), claims({ exp: NOW_S - 30 })), /expired/],
  ["without expiry", () => signed(rsa, header(), claims({ exp: undefined })), /expiry/],
  ["an expiry as text", () => signed(rsa, header(), claims({ exp: String(NOW_S + 600) })), /expiry/],
  ["not valid yet", () => signed(rsa, header(), claims({ nbf: NOW_S + 31 })), /not valid yet/],
  ["for somebody else", () => signed(rsa, header(), claims({ aud: "other" })), /audience/],
  ["for nobody", () => signed(rsa, header(), claims({ aud: undefined })), /audience/],
  ["for us by a part of the name", () => signed(rsa, header(), claims({ aud: "muara2" })), /audience/],
  ["of an unknown issuer", () => signed(rsa, header(), claims({ iss: "https://evil.test" })), /issuer/],
  ["of no issuer", () => signed(rsa, header(), claims({ iss: undefined })), /issuer/],
  ["a list as the issuer", () => signed(rsa, header(), claims({ iss: [issuer.url] })), /issuer/],
  ["of nobody", () => signed(rsa, header(), claims({ sub: "" })), /names nobody/],
  ["without a subject", () => signed(rsa, header(), claims({ sub: undefined })), /lacks a claim/],
  ["a subject with a line break", () => signed(rsa, header(), claims({ sub: "a\nb" })), /names nobody/],
  [
    "a subject that is too long",
    () => signed(rsa, header(), claims({ sub: "a".repeat(256) })),
    /names nobody/,
  ],
  ["an object as the subject", () => signed(rsa, header(), claims({ sub: { id: 1 } })), /names nobody/],
  ["roles that are numbers", () => signed(rsa, header(), claims({ roles: [1] })), /scopes or roles/],
  ["a claim twice", () => signed(rsa, header(), twice()), /twice/],
  ["a claim twice, once escaped", () => signed(rsa, header(), escapedTwice()), /twice/],
  [
    "a header's member twice",
    () => signed(rsa, '{"alg":"none","alg":"RS256","kid":"rsa"}', claims()),
    /twice/,
  ],
  ["a list as claims", () => signed(rsa, header(), "[]"), /not a signed JWT/],
  ["claims that are no UTF-8", () => good().replace(/\.[^.]+\./, ".gICA."), /not a signed JWT/],
  ["changed claims", () => good().replace(/\.[^.]+\./, `.${encoded(claims({ sub: "bob" }))}.`), /signature/],
  ["padding", () => good().replace(/\./, "=."), /not a signed JWT/],
  [
    "another alphabet",
    () => good().replace(/\.[^.]+\./, `.${btoa(JSON.stringify(claims()))}+/.`),
    /not a signed/,
  ],
  ["encrypted", () => "a.b.c.d.e", /not a signed JWT/],
  ["a part", () => "eyJhbGciOiJub25lIn0", /not a signed JWT/],
  ["nothing", () => "", /not a signed JWT/],
  ["too long", () => signed(rsa, header(), claims({ pad: randomBytes(6_000).toString("hex") })), /longer/],
];

describe("refused", () => {
  test.each(ATTACKS)("%s", async (_name, make, reason) => {
    const error = await verifier.verify(make()).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "auth.invalid", message: expect.stringMatching(reason) as string });
    const { message } = error as Error;
    for (const leak of ["alice", "mallory", issuer.url, "BEGIN", "UNION"])
      expect(message).not.toContain(leak);
    expect(other.asked.filter((path) => path === "/c")).toEqual([]);
  });
});

test("the leeway holds to the millisecond, on both sides", async () => {
  const soon = signed(rsa, header(), claims({ nbf: NOW_S + 30 }));
  const past = signed(rsa, header(), claims({ exp: NOW_S - 29 }));
  expect((await verifier.verify(soon)).subject).toBe("alice");
  expect((await verifier.verify(past)).subject).toBe("alice");
  const strict = makeVerifier({ leewayMs: 0, maxAgeMs: 60_000 });
  for (const one of [soon, past])
    await expect(strict.verify(one)).rejects.toMatchObject({ code: "auth.invalid" });
  expect((await strict.verify(signed(rsa, header(), claims({ iat: NOW_S - 60 })))).subject).toBe("alice");
  for (const iat of [NOW_S - 61, undefined])
    await expect(strict.verify(signed(rsa, header(), claims({ iat })))).rejects.toMatchObject({
      code: "auth.invalid",
    });
});

test("a token that was known stops with its expiry, and with its key", async () => {
  const token = good();
  await verifier.verify(token);
  clock.advance(629_999);
  expect((await verifier.verify(token)).subject).toBe("alice");
  clock.advance(1);
  await expect(verifier.verify(token)).rejects.toMatchObject({ message: expect.stringContaining("expired") });

  const long = signed(rsa, header(), claims({ exp: NOW_S + 100_000 }));
  await verifier.verify(long);
  issuer.keys = [published(rotated)];
  clock.advance(600_001);
  await expect(verifier.verify(long)).rejects.toMatchObject({ code: "auth.invalid" });
});

describe("keys", () => {
  test("a new one is found at once, but made-up ones cost one request per cooldown", async () => {
    await verifier.verify(good());
    issuer.keys.push(published(rotated));
    await expect(verifier.verify(byNew())).rejects.toMatchObject({ code: "auth.invalid" });
    expect(fetches()).toBe(1); // within the cooldown of the first
    clock.advance(30_000);
    const unknown = Array.from({ length: 20 }, (_, i) =>
      signed(rsa, header({ kid: `made-up-${i}` }), claims()),
    );
    const outcomes = await Promise.allSettled([byNew(), ...unknown].map((token) => verifier.verify(token)));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", ...unknown.map(() => "rejected")]);
    expect(fetches()).toBe(2);
  });

  test("old ones go on for a day while the issuer does not answer, and then no more", async () => {
    const long = (): string =>
      signed(rsa, header(), claims({ exp: NOW_S + 1e6, jti: String(clock.nowMs()) }));
    await verifier.verify(long());
    issuer.instead.set("/keys", { status: 500, body: "" });
    for (const ms of [700_000, 22 * 3_600_000]) {
      clock.advance(ms);
      expect((await verifier.verify(long())).subject).toBe("alice");
    }
    clock.advance(2 * 3_600_000);
    await expect(verifier.verify(long())).rejects.toMatchObject({ code: "auth.unavailable", status: 503 });
    issuer.instead.clear();
    clock.advance(5_000);
    expect((await verifier.verify(long())).subject).toBe("alice");
  });

  test.each([
    ["a redirect", "/keys", { status: 302, body: "", headers: { location: "/keys" } }],
    ["too much", "/keys", { status: 200, body: JSON.stringify({ keys: [], pad: "x".repeat(300_000) }) }],
    ["no JSON", "/keys", { status: 200, body: "<html>" }],
    ["no list", "/keys", { status: 200, body: '{"keys":{}}' }],
    ["another issuer's discovery", "/.well-known/openid-configuration", "foreign"],
    ["keys by plain HTTP elsewhere", "/.well-known/openid-configuration", "plain"],
  ] as const)("%s is no answer", async (_name, route, answer) => {
    const documents = {
      foreign: { issuer: "https://evil.test", jwks_uri: `${issuer.url}/keys` },
      plain: { issuer: issuer.url, jwks_uri: "http://keys.test/keys" },
    };
    const made =
      typeof answer === "string" ? { status: 200, body: JSON.stringify(documents[answer]) } : answer;
    issuer.instead.set(route, made);
    await expect(verifier.verify(good())).rejects.toMatchObject({ code: "auth.unavailable" });
  });

  test("a token that names no key is taken only where there is one that it can be", async () => {
    const nameless = (): string => signed(rsa, { alg: "RS256" }, claims({ jti: String(clock.nowMs()) }));
    expect((await verifier.verify(nameless())).subject).toBe("alice");
    issuer.keys.push(published(rotated));
    clock.advance(600_001);
    await expect(verifier.verify(nameless())).rejects.toMatchObject({ code: "auth.invalid" });
  });

  test("shared secrets in the set open nothing", async () => {
    const secret = randomBytes(32);
    issuer.keys = [{ kty: "oct", k: secret.toString("base64url"), kid: "rsa", alg: "RS256" }];
    await expect(verifier.verify(hashed(secret, header(), claims()))).rejects.toMatchObject({
      code: "auth.invalid",
    });
  });
});
