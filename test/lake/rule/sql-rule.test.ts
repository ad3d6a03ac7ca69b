/** What a rule's text and its rows are made into. */
import { describe, expect, test } from "vitest";
import { ruleRequestSchema } from "../../../core/rule.ts";
import { checkQuery, queryAt } from "../../../lake/rule/rule-text.ts";
import { resultsOf, type SqlRuleRequest } from "../../../lake/rule/sql-rule.ts";

const AT_MS = Date.UTC(2026, 10, 22, 20);
const NOW = "TIMESTAMPTZ '2026-11-22T20:00:00.000Z'";

describe("$now", () => {
  test.each([
    ["SELECT $now", `SELECT ${NOW}`],
    ["SELECT $NOW, $now", `SELECT ${NOW}, ${NOW}`],
    ["SELECT '$now', \"$now\"", "SELECT '$now', \"$now\""],
    ["SELECT 1 -- $now\n, $now", `SELECT 1 -- $now\n, ${NOW}`],
    ["SELECT 1 /* $now */", "SELECT 1 /* $now */"],
    ["SELECT $nowhere", "SELECT $nowhere"],
    ["SELECT $ now", "SELECT $ now"],
  ])("%s", (text, expected) => expect(queryAt(text, AT_MS)).toBe(expected));

  test.each([
    ["SELECT now()", "now has another answer each time"],
    ["SELECT current_date", "another answer each time"],
    ["SELECT random()", "random has another answer each time"],
    ["SELECT 'open", "refused"],
    ["SHOW TABLES", "no SELECT"],
  ])("%s is refused", async (text, reason) => {
    await expect(checkQuery(text)).rejects.toMatchObject({ code: "rule.refused" });
    await expect(checkQuery(text)).rejects.toThrow(reason);
  });

  test("what is no query is refused as by every query", async () => {
    await expect(checkQuery("DROP TABLE x")).rejects.toMatchObject({
      code: expect.stringMatching(/^sql\./) as string,
    });
    await expect(checkQuery("SELECT * FROM read_csv('/etc/passwd')")).rejects.toMatchObject({
      code: "sql.refused",
    });
    await expect(checkQuery("SELECT a FROM t WHERE b > $now")).resolves.toBeUndefined();
  });
});

function rule(sql: object = {}, annotations: Record<string, string> = {}): SqlRuleRequest["rule"] {
  return ruleRequestSchema.parse({
    name: "R",
    sql: { query: "SELECT 1", ...sql },
    annotations,
  }) as SqlRuleRequest["rule"];
}

describe("rows", () => {
  const columns = ["card", "value", "first"].map((name) => ({ name, type: "VARCHAR" }));

  test("columns are labels, one is the value, all can be told", () => {
    const texts = { summary: "{{ value }} of {{card}} since {{ first }}" };
    expect(resultsOf(rule({ labels: ["card"] }, texts), { columns, rows: [["4711", "4", null]] })).toEqual([
      { labels: { card: "4711" }, annotations: { summary: "4 of 4711 since " }, value: 4 },
    ]);
    const all = resultsOf(rule(), { columns, rows: [[1, 2.5, { a: 1 }]] });
    expect(all).toEqual([{ labels: { card: "1", first: '{"a":1}' }, annotations: {}, value: 2.5 }]);
    const none = resultsOf(rule({ value: "absent" }), { columns: [columns[0]!], rows: [["x"]] });
    expect(none).toEqual([{ labels: { card: "x" }, annotations: {}, value: 1 }]);
  });

  test.each([
    ["a column that is not there", { labels: ["shop"] }, {}, columns, []],
    ["a name that no label has", {}, {}, [{ name: "a b", type: "VARCHAR" }], []],
    ["the rule's own label", {}, {}, [{ name: "alertname", type: "VARCHAR" }], []],
    ["a column twice", {}, {}, [columns[0]!, columns[0]!], []],
    ["a text that names nothing", {}, { summary: "{{ shop }}" }, columns, []],
    ["a value that is none", {}, {}, columns, [["1", null, ""]]],
    ["a value that is a word", {}, {}, columns, [["1", "many", ""]]],
    ["a value that is endless", {}, {}, columns, [["1", "Infinity", ""]]],
  ])("%s is refused", (_name, sql, texts, given, rows) => {
    expect(() => resultsOf(rule(sql, texts), { columns: given, rows })).toThrow(
      expect.objectContaining({ code: "rule.refused" }),
    );
  });
});
