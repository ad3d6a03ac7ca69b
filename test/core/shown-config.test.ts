/** What of a configuration may be seen: everything but what an address carries. */
import { expect, test } from "vitest";
import { entriesOf, resolveConfig } from "../../core/config.ts";
import { shownEntry, shownValue } from "../../core/shown-config.ts";

test.each([
  ["kafka://user:pass@h:9092/p", "", "kafka://***@h:9092/p"],
  ["s3://bucket/lake?endpoint=http://127.0.0.1:9000", "", "s3://bucket/lake?endpoint=http://127.0.0.1:9000"],
  ["https://hooks.chat/T1/secret?x=1", "webhook", "https://hooks.chat/***"],
  ["https://hooks.chat/", "webhook", "https://hooks.chat/"],
  ["https://u:p@hooks.chat/T1", "webhook", "https://hooks.chat/***"],
  ["mail me@home", "", "mail me@home"],
  ["kafka://user:p@ss@h:9092/p?x=1", "", "kafka://***@h:9092/p?x=1"],
  ["https://h/path?mail=me@home", "", "https://h/path?mail=me@home"],
  ["s3://b/x?endpoint=http://u:p@s3:9000", "", "s3://b/x?endpoint=http://***@s3:9000"],
  ["s3://b/x?endpoint=http%3A%2F%2Fu%3Ap%40s3%3A9000", "", "s3://b/x?endpoint=http%3A%2F%2F***%40s3%3A9000"],
])("%s as %s", (text, key, shown) => {
  expect(shownValue(text, key)).toBe(shown);
});

test("what lies within lists and objects is shown the same way, numbers and null as they are", () => {
  const value = {
    chat: { webhook: "https://h/secret", bearer: { file: "/run/b" } },
    urls: ["x://a:b@c", 1, null],
  };
  expect(shownValue(value)).toEqual({
    chat: { webhook: "https://h/***", bearer: { file: "/run/b" } },
    urls: ["x://***@c", 1, null],
  });
});

test("a configuration keeps where its values came from", () => {
  const { config } = resolveConfig({ environment: { MUARA_PORT: "81" }, file: { data: "here" } });
  const told = new Map(entriesOf(config).map((entry) => [entry.path.join("."), shownEntry(entry)]));
  expect([told.get("port")?.origin, told.get("port")?.value]).toEqual(["environment", 81]);
  expect([told.get("data")?.origin, told.get("data")?.value]).toEqual(["file", "here"]);
  expect([told.get("host")?.origin, told.get("log")?.value]).toEqual(["default", null]);
  expect(entriesOf({ ...config })).toEqual([]);
});
