/**
 * What can be said of declared feeds without tables: whether the SQL parses, passes the gate, reads tables at all, and
 * calls nothing whose answer is another one each time. An extract made twice must have the same rows.
 */
import type { Feed } from "../../core/extract-feed.ts";
import { judge } from "../query/gate.ts";
import { impureFunction } from "../query/purity.ts";
import { invalid } from "./feed-plan.ts";

const ENGINE_BYTES = 67_108_864;

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
  const impure = impureFunction(serialized);
  if (impure !== undefined) throw invalid(feed, `${where}: ${impure} has another answer each time`);
  return judged.tables.map((table) => table.name);
}
