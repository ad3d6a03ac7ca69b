/**
 * What can be said of declared feeds without tables: whether the SQL parses, passes the gate, reads tables at all, and
 * calls nothing whose answer is another one each time. An extract made twice must have the same rows.
 */
import type { Feed } from "../../core/extract-feed.ts";
import { judge } from "../query/gate.ts";
import { invalid } from "./feed-plan.ts";

const ENGINE_BYTES = 67_108_864;
const IMPURE = new Set(
  `now random uuid uuidv4 uuidv7 gen_random_uuid today current_date current_localtime current_localtimestamp
  get_current_time get_current_timestamp transaction_timestamp current_timestamp`.split(/\s+/),
);
const IMPURE_WORDS = new Set([
  "current_date",
  "current_time",
  "current_timestamp",
  "localtime",
  "localtimestamp",
]);

/** @returns names of the tables that each feed reads, as written @throws config.invalid */
export async function judgeFeeds(feeds: readonly Feed[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const tables = new Map<string, readonly string[]>();
  if (feeds.length === 0) return tables;
  const { lock, openEngine, serializeSql } = await import("../query/session.ts");
  const engine = await openEngine({ memoryBytes: ENGINE_BYTES, threads: 1 });
  try {
    await lock(engine, []);
    for (const feed of feeds) {
      tables.set(feed.name, tablesOf(feed, "sql", await serializeSql(engine, feed.sql)));
      for (const check of feed.checks) {
        if (!("sql" in check)) continue;
        const where = `check "${check.name}"`;
        const read = tablesOf(feed, where, await serializeSql(engine, check.sql));
        if (read.some((name) => name.toLowerCase() !== "extract"))
          throw invalid(feed, `${where}: it may read extract, the rows of the window, and nothing else`);
      }
    }
  } finally {
    engine.closeSync();
  }
  return tables;
}

function tablesOf(feed: Feed, where: string, serialized: string): readonly string[] {
  const judged = judge(serialized);
  if (judged.kind === "syntax" || judged.kind === "refused")
    throw invalid(feed, `${where}: ${judged.reason}`);
  if (judged.kind !== "query" || judged.tables.length === 0)
    throw invalid(feed, `${where}: it reads no table`);
  for (const name of functionsOf(JSON.parse(serialized)))
    if (IMPURE.has(name)) throw invalid(feed, `${where}: ${name} has another answer each time`);
  return judged.tables.map((table) => table.name);
}

function functionsOf(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(functionsOf);
  if (typeof node !== "object" || node === null) return [];
  const {
    function_name: name,
    class: kind,
    children,
    column_names: names,
  } = node as Readonly<Record<string, unknown>>;
  // With one argument, age is the distance from now.
  const isAge = name === "age" && Array.isArray(children) && children.length === 1;
  const own = typeof name === "string" && kind === "FUNCTION" ? [isAge ? "now" : name.toLowerCase()] : [];
  // Without parentheses they are parsed as columns, and become functions where no column is called so.
  const word = kind === "COLUMN_REF" && Array.isArray(names) ? String(names.at(-1)).toLowerCase() : "";
  if (IMPURE_WORDS.has(word)) own.push("now");
  return [...own, ...Object.values(node).flatMap(functionsOf)];
}
