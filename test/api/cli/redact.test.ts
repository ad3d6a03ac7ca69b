/** What is taken out of a text that leaves the machine, and what stays in it. */
import { describe, expect, test } from "vitest";
import { redactor, secretsOfEnvironment, withoutPaths, withoutSecretKeys } from "../../../api/cli/redact.ts";

describe("redaction", () => {
  test.each([
    ["postgres://u:p%40ss@db:5432/x?sslmode=require", "postgres://[redacted]@db:5432/x?sslmode=require"],
    [
      "s3://b/x?endpoint=http%3A%2F%2Fu%3Ap%40s3%3A9000",
      "s3://b/x?endpoint=http%3A%2F%2F[redacted]%40s3%3A9000",
    ],
    ["Authorization: Bearer abcdefgh", "Authorization: Bearer [redacted]"],
    ["?X-Amz-Signature=abc&x=1", "?X-Amz-Signature=[redacted]&x=1"],
    [`{"password":"a\\"b","x":1}`, `{"password":"[redacted]","x":1}`],
    ["muara_job_behind_seconds 3", "muara_job_behind_seconds 3"],
    [`muara_${"0".repeat(12)}_${"A".repeat(43)}`, "[redacted]"],
    ["known-value here", "[redacted] here"],
    ["the end", "the end"],
    ["a known%20value%2Fof it", "a [redacted] it"],
    ["basic dXNlcjpwYXNz and more", "basic [redacted] and more"],
    ["id AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE.", "id [redacted], [redacted]."],
    ["got eyJhbGciOi.eyJzdWIi.c2ln now", "got [redacted] now"],
    ["got eyJhbGciOi.eyJzdWIi now", "got [redacted] now"],
    [`client_secret = 'a b' x="1"`, 'client_secret = [redacted] x="1"'],
    [`DB_PASSWORD="a b";next`, "DB_PASSWORD=[redacted];next"],
    [`{"api_key" : "a", "apikeys": 1}`, `{"api_key" : "[redacted]", "apikeys": 1}`],
    ["a\n-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\nb", "a\n[redacted]\nb"],
    ["https://user:p@ss@host/x and me@home", "https://[redacted]@host/x and me@home"],
    ["time 12:00:00Z at http://127.0.0.1:8080", "time 12:00:00Z at http://127.0.0.1:8080"],
  ])("%s", (text, expected) => {
    expect(redactor(["known-value", "known value/of", "the", " \n"])(text)).toBe(expected);
  });

  test("of a secret that is a part of another one nothing is left, whatever their order", () => {
    for (const known of [
      ["secret-1", "secret-1-and-more"],
      ["secret-1-and-more", "secret-1"],
    ])
      expect(redactor(known)("x secret-1-and-more y secret-1 z")).toBe("x [redacted] y [redacted] z");
  });

  test.each([
    ["http://h:1/hooks/abc?x=1 then", "http://h:1/… then"],
    ["https://h/", "https://h/…"],
    ["https://h", "https://h"],
    ["s3://b/f", "s3://b/f"],
  ])("an address keeps where it is, not what for: %s", (text, expected) => {
    expect(withoutPaths(text)).toBe(expected);
  });

  test("what an environment holds of secrets is known, by its names and in its addresses", () => {
    const environment = {
      HOME: "/root",
      GITHUB_TOKEN: "t",
      PGPASS: "p",
      LAKE: "s3://b?endpoint=http%3A%2F%2Fu%3Aa%2540b%40s3",
      DATABASE_DSN: "x://u:d@h",
      EMPTY: undefined,
    };
    const known = new Set(secretsOfEnvironment(environment));
    expect(known).toEqual(new Set(["t", "p", "x://u:d@h", "d", "a%40b", "a@b"]));
  });

  test("takes what stands under a name that says it is secret, but not where one is kept", () => {
    const kept = {
      bearer: { file: "/run/secret" },
      secret: { env: "NAME" },
      tokens: [1],
      sasl: { password: "x" },
    };
    expect(withoutSecretKeys(kept)).toEqual({
      bearer: { file: "/run/secret" },
      secret: { env: "NAME" },
      tokens: "[redacted]",
      sasl: { password: "[redacted]" },
    });
    expect(withoutSecretKeys({ secret: { env: "NAME", value: "s3cret" } })).toEqual({ secret: "[redacted]" });
  });
});
