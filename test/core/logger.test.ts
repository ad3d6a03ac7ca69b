/** Log lines: names of members, order, levels, both formats, and what never gets into one. */
import { expect, test } from "vitest";
import { MuaraError } from "../../core/errors.ts";
import { createLogger, type LogFields, type LogFormat } from "../../core/logger.ts";

const AT_MS = Date.UTC(2026, 2, 1, 12);
const TOKEN = `muara_0123456789ab_${"x".repeat(43)}`;

function logged(format: LogFormat, message: string, fields: LogFields, bound: LogFields = {}): string {
  const lines: string[] = [];
  createLogger(
    (line) => lines.push(line),
    "info",
    () => AT_MS,
    {},
    format,
  )
    .with(bound)
    .warn(message, fields);
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

test("members have their names and their order, and nobody takes their place", () => {
  const fields = { table: "t", count: 3n, error: new Error("no"), level: "none", time: 1, message: "other" };
  expect(logged("json", "it happens", fields, { service: "land", flow_id: "f" })).toBe(
    '{"time":"2026-03-01T12:00:00.000Z","level":"warn","message":"it happens","service":"land",' +
      '"flow_id":"f","table":"t","count":"3","error":"no"}',
  );
  expect(JSON.parse(logged("json", "x", {}))).toMatchObject({ service: "muara" });
});

test("of an error of Muara its code is told, unless the line has one already", () => {
  const error = new MuaraError("store.unavailable", "no answer", { details: { path: "a" } });
  const told = (fields: LogFields): unknown => JSON.parse(logged("json", "x", fields));
  expect(told({ table: "t", error })).toMatchObject({ code: "store.unavailable", error: "no answer" });
  expect(told({ code: "table.corrupt", error })).toMatchObject({ code: "table.corrupt" });
  expect(told({ error: new Error("no") })).not.toHaveProperty("code");
  expect(logged("text", "x", { error })).toMatch(/ code=store\.unavailable error="no answer"$/);
});

test("text is one line, whatever is said", () => {
  expect(
    logged("text", "it\nhappens", { table: "a.b", problem: 'is "so"\nwrong', n: 1 }, { service: "land" }),
  ).toBe('2026-03-01T12:00:00.000Z WARN  land: it happens table=a.b problem="is \\"so\\"\\nwrong" n=1');
});

test("levels below are not written", () => {
  const lines: string[] = [];
  const logger = createLogger(
    (line) => lines.push(line),
    "warn",
    () => AT_MS,
  );
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(["c", "d"]);
});

test.each([
  ["by its name", { apiToken: "s3cret", deep: { password: "s3cret", list: [{ client_secret: "s3cret" }] } }],
  ["a token of ours", { problem: `got ${TOKEN.replace("x", "s3cret").slice(0, TOKEN.length)} here` }],
  ["a bearer's", { problem: "authorization was Bearer s3cret" }],
  ["a JWT", { error: new Error("eyJs3cret.eyJ0.abc is no token") }],
  ["a password in an address", { url: "postgres://user:s3cret@host/db" }],
])("a secret is left out: %s", (_, fields) => {
  for (const format of ["json", "text"] as const) {
    const line = logged(format, "x", fields);
    expect(line).not.toContain("s3cret");
    expect(line).toContain("[redacted]");
  }
});

test("a text ends at its bound", () => {
  const { problem } = JSON.parse(logged("json", "x", { problem: "y".repeat(4_001) })) as { problem: string };
  expect(problem).toBe(`${"y".repeat(4_000)}…`);
  const whole = JSON.parse(logged("json", "x", { problem: "y".repeat(4_000) })) as { problem: string };
  expect(whole.problem).toBe("y".repeat(4_000));
});
