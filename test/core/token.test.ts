/** Tokens: only the whole, current text of a declared token opens anything, and its secret is nowhere at rest. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import type { Grant } from "../../core/authorize.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { META_STREAM, Registry } from "../../core/registry.ts";
import { Authenticator, createToken } from "../../core/token.ts";

const GRANTS: readonly Grant[] = [{ action: "read", kind: "table", name: "a" }];

async function setUp(expiresMs: number | null = null) {
  const clock = new ManualClock(1_000);
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const registry = await Registry.open(log, "w", clock);
  const { text, declared } = await createToken("for tests", GRANTS, 1_000, expiresMs);
  await registry.put("token", declared.id, 0, declared);
  return { clock, log, registry, text, declared, authenticator: new Authenticator(registry, clock) };
}

test("a token stands for its grants", async () => {
  const { authenticator, text, declared } = await setUp();
  for (const scheme of ["Bearer", "bearer", "BEARER"])
    expect(await authenticator.authenticate(`${scheme} ${text}`)).toEqual({
      id: `token:${declared.id}`,
      grants: GRANTS,
    });
});

test.each([null, undefined, ""])("%j is missing", async (header) => {
  const { authenticator } = await setUp();
  await expect(authenticator.authenticate(header)).rejects.toMatchObject({
    code: "auth.missing",
    status: 401,
  });
});

test("every other text is invalid", async () => {
  const { authenticator, text } = await setUp();
  await authenticator.authenticate(`Bearer ${text}`); // known and cached: still only this text
  // By length: the secret itself may hold a "_".
  const [id, secret] = [text.slice(6, 18), text.slice(19)];
  const last = secret.endsWith("A") ? "E" : "A";
  for (const header of [
    text,
    `Basic ${text}`,
    `Bearer  ${text}`,
    `Bearer ${text} `,
    `Bearer ${text} x`,
    `Bearer ${text.slice(0, -1)}`,
    `Bearer ${text}A`,
    `Bearer ${text.slice(0, -1)}${last}`,
    `Bearer ${text.toUpperCase()}`,
    `Bearer muara_${id}_${"A".repeat(43)}`,
    `Bearer muara_${"0".repeat(12)}_${secret}`,
    `Bearer muara_${"__proto__".padEnd(12, "0")}_${secret}`,
    `Bearer ${"x".repeat(10_000)}`,
  ])
    await expect(authenticator.authenticate(header)).rejects.toMatchObject({ code: "auth.invalid" });
});

test("it ends when it expires, at once, also for who has used it", async () => {
  const { authenticator, clock, text } = await setUp(2_000);
  await authenticator.authenticate(`Bearer ${text}`);
  clock.advance(999);
  await authenticator.authenticate(`Bearer ${text}`);
  clock.advance(1);
  await expect(authenticator.authenticate(`Bearer ${text}`)).rejects.toMatchObject({ code: "auth.invalid" });
});

test("it ends when it is revoked", async () => {
  const { authenticator, registry, text, declared } = await setUp();
  await authenticator.authenticate(`Bearer ${text}`);
  await registry.put("token", declared.id, 1, null);
  await expect(authenticator.authenticate(`Bearer ${text}`)).rejects.toMatchObject({ code: "auth.invalid" });
});

test("its grants follow its declaration", async () => {
  const { authenticator, registry, text, declared } = await setUp();
  await authenticator.authenticate(`Bearer ${text}`);
  await registry.put("token", declared.id, 1, { ...declared, grants: [] });
  expect((await authenticator.authenticate(`Bearer ${text}`)).grants).toEqual([]);
});

test("a new secret under the same id ends the old one", async () => {
  const { authenticator, registry, text, declared } = await setUp();
  await authenticator.authenticate(`Bearer ${text}`);
  const next = await createToken("next", GRANTS, 1_000, null);
  await registry.put("token", declared.id, 1, { ...declared, hash: next.declared.hash });
  await expect(authenticator.authenticate(`Bearer ${text}`)).rejects.toMatchObject({ code: "auth.invalid" });
  const rotated = `muara_${declared.id}_${next.text.slice(-43)}`;
  expect((await authenticator.authenticate(`Bearer ${rotated}`)).id).toBe(`token:${declared.id}`);
});

test("the log holds no secret", async () => {
  const { log, text } = await setUp();
  const { bytes } = await log.read(META_STREAM, 0, 0, 1_000_000);
  const stored = new TextDecoder().decode(bytes);
  const [id, secret] = [text.slice(6, 18), text.slice(19)];
  expect(stored).toContain(id);
  expect(stored).not.toContain(secret);
});

test("no two are alike", async () => {
  const made = await Promise.all(Array.from({ length: 200 }, () => createToken("", [], 0, null)));
  expect(new Set(made.map(({ text }) => text)).size).toBe(200);
  for (const { text } of made) expect(text).toMatch(/^muara_[0-9a-f]{12}_[0-9A-Za-z_-]{43}$/);
});
