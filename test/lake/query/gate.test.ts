/** The gate over the engine's own syntax trees: what must pass does, what must not does not, nor what is unknown. */
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { judge, type Judged } from "../../../lake/query/gate.ts";
import { ALLOWED } from "./allowed.ts";
import { escapeList } from "./escape-list.ts";

let engine: DuckDBConnection;

beforeAll(async () => {
  engine = await (await DuckDBInstance.create(":memory:")).connect();
});

async function serialize(sql: string): Promise<string> {
  const answer = await engine.runAndReadAll(
    "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)",
    [sql],
  );
  return String(answer.getRows()[0]![0]);
}

const judgeSql = async (sql: string): Promise<Judged> => judge(await serialize(sql));
const ESCAPE_LIST = escapeList({
  file: "/outside/secret.csv",
  lake: "/lake/orders/part-0.parquet",
  other: "/lake/secret/part-0.parquet",
  out: "/outside/out",
});
const GRANTED = new Set(["orders", "order.placed"]);

/** Through the gate and, beyond it, naming nothing but granted tables. */
function passes(judged: Judged): boolean {
  return (
    judged.kind === "show_tables" ||
    (judged.kind === "query" && judged.tables.every((table) => GRANTED.has(table.name.toLowerCase())))
  );
}

describe("the gate", () => {
  test("knows 250 escapes and more", () => {
    console.log(
      `${ESCAPE_LIST.length} escapes in ${new Set(ESCAPE_LIST.map(([what]) => what)).size} classes`,
    );
    expect(new Set(ESCAPE_LIST.map(([, sql]) => sql)).size).toBeGreaterThanOrEqual(250);
  });

  test.each(ESCAPE_LIST.map(([what, sql]) => [what, sql.slice(0, 120), sql] as const))(
    "%s: %s",
    async (_what, _start, sql) => {
      expect(passes(await judgeSql(sql))).toBe(false);
    },
  );

  test.each(ALLOWED)("lets through %s", async (sql, tables) => {
    const judged = await judgeSql(sql);
    expect(judged.kind === "query" ? judged.tables.map((table) => table.name) : judged).toEqual(tables);
  });

  test("answers SHOW TABLES itself, and only when it is the whole statement", async () => {
    expect(await judgeSql("SHOW TABLES")).toEqual({ kind: "show_tables" });
    expect(await judgeSql("show tables;")).toEqual({ kind: "show_tables" });
    expect((await judgeSql("FROM (SHOW TABLES)")).kind).toBe("refused");
  });

  test("gives the place of a mistake", async () => {
    // The parser counts characters, the tree counts bytes.
    expect(await judgeSql("SELECT 'ä' fro m")).toMatchObject({ kind: "syntax", character: 15 });
    expect(await judgeSql("SELECT 'ä', read_text('x')")).toMatchObject({ kind: "refused", byte: 13 });
    expect(await judgeSql("")).toMatchObject({ kind: "syntax" });
    expect(await judgeSql("-- nothing")).toMatchObject({ kind: "syntax" });
  });

  test("names the nearest function that is allowed", async () => {
    const judged = await judgeSql("SELECT list_transfrom([1], x -> x)");
    expect(judged).toMatchObject({ kind: "refused", reason: expect.stringContaining("list_transform") });
  });

  test("refuses a tree with any key or node type that it does not know", async () => {
    const statements = ALLOWED.filter(([sql]) => !/^(?:SHOW|DESCRIBE)/.test(sql));
    const trees = await Promise.all(statements.map(([sql]) => serialize(sql)));
    const places = trees.flatMap((text) => nodesOf(JSON.parse(text)).map((path) => [text, path] as const));
    expect(places.length).toBeGreaterThan(300);
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.boolean(), ([text, path], changesType) => {
        const tree = JSON.parse(text) as Node;
        const node = path.reduce<Node>((at, key) => at[key] as Node, tree);
        if (changesType) node["class" in node ? "class" : "type"] = "SOMETHING_NEW";
        else node["something_new"] = { type: "SIDE_EFFECT" };
        return judge(JSON.stringify(tree)).kind === "refused";
      }),
      { numRuns: 500 },
    );
  });
});

type Node = Record<string, unknown>;
/** Data of constants and types: nothing in it is looked up by name. */
const DATA = new Set([
  "value",
  "cast_type",
  "type",
  "sample",
  "values",
  "rename_list",
  "qualified_exclude_list",
]);

/** Paths of every query, relation, expression and modifier in a tree. */
function nodesOf(tree: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof tree !== "object" || tree === null) return [];
  const own = !Array.isArray(tree) && typeof (tree as Node)["type"] === "string" ? [path] : [];
  const isRows = path.at(-1) === "values" && path.at(-2) === "from_table";
  return [
    ...own,
    ...Object.entries(tree).flatMap(([key, value]) => {
      const isCommonTable = key === "value" && path.at(-2) === "map";
      if (DATA.has(key) && !isCommonTable && !isRows) return [];
      return nodesOf(value, [...path, key]);
    }),
  ];
}
