/** The fold in SQL against the one in plain TypeScript, over random histories, in one go and in any number of cuts. */
import { isDeepStrictEqual, inspect } from "node:util";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changeId } from "../../../core/change.ts";
import { foldQuery, type FoldColumn } from "../../../lake/current/fold.ts";
import { foldInParts } from "../../../lake/current/fold-parts.ts";
import type { Change } from "./changes.ts";
import { history, Model, type ModelRow } from "./model.ts";

const RUNS = Number(process.env["FOLD_RUNS"] ?? 60);

/** The field `source` has no column here: `data_source` may be either of two. */
const COLUMNS: readonly FoldColumn[] = [
  ...["event_id", "event_time", "ingest_time", "event_key", "source"].map((name) => ({ name, fields: [] })),
  { name: "id", fields: ["id"] },
  { name: "bio", fields: ["bio"] },
  { name: "amount", fields: ["amount"] },
  { name: "data_source", fields: ["data_source", "source"] },
  { name: "extra", fields: [] },
];
const STRUCTURE = JSON.stringify([
  {
    event_id: "VARCHAR",
    event_time: "TIMESTAMPTZ",
    ingest_time: "TIMESTAMPTZ",
    event_key: "VARCHAR",
    source: {
      shard: "VARCHAR",
      incarnation: "BIGINT",
      lsn: "BIGINT",
      index: "BIGINT",
      xid: "BIGINT",
      change: "VARCHAR",
      unchanged: ["VARCHAR"],
    },
    id: "BIGINT",
    bio: "VARCHAR",
    amount: "DECIMAL(12,2)",
    data_source: "VARCHAR",
    extra: "VARCHAR",
    log_partition: "BIGINT",
    log_offset: "BIGINT",
  },
]);
const TYPED = new Set(["id", "bio", "amount", "data_source"]);

let instance: DuckDBInstance;
let connection: DuckDBConnection;
beforeAll(async () => {
  instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  connection = await instance.connect();
});
afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

/** As landing would make a row of it. */
function rowOf(
  { shard, incarnation, lsn, index, change, key, data = {}, unchanged }: Change,
  offset: number,
): object {
  const { source: _, ...others } = data;
  const beside = Object.entries(others).filter(([name]) => !TYPED.has(name));
  const typed = Object.fromEntries(Object.entries(others).filter(([name]) => TYPED.has(name)));
  return {
    event_id: changeId({ incarnation: incarnation!, lsn: BigInt(lsn), index: index! }),
    event_time: "2026-03-01T10:00:00Z",
    ingest_time: "2026-03-01T10:00:00Z",
    event_key: key ? JSON.stringify(key) : null,
    source: { shard, incarnation, lsn, index, xid: 1, change, unchanged: unchanged ?? null },
    ...typed,
    log_partition: 0,
    log_offset: offset,
    extra: beside.length > 0 ? JSON.stringify({ data: Object.fromEntries(beside) }) : null,
  };
}

async function fold(base: boolean, changes: readonly Change[], parts = 1): Promise<void> {
  const text = JSON.stringify(changes.map(rowOf)).replaceAll("'", "''");
  const rows = `SELECT unnest(from_json('${text}', '${STRUCTURE}'), max_depth := 2)`;
  const input = { base: base ? "FROM state" : null, changes: rows, columns: COLUMNS };
  if (parts === 1) return void (await connection.run(`CREATE OR REPLACE TABLE state AS ${foldQuery(input)}`));
  const { statements, select } = foldInParts(input, parts, "0");
  for (const statement of statements) await connection.run(statement);
  await connection.run(`CREATE OR REPLACE TABLE state AS ${select}`);
  await connection.run("DROP TABLE muara_folded_0; DROP TABLE muara_keys_0; DROP TABLE muara_cuts_0");
  await connection.run("DROP TABLE muara_linked_0");
}

async function seen(): Promise<readonly ModelRow[]> {
  const answer = await connection.runAndReadAll("FROM state");
  const rows = answer.getRowObjectsJson() as unknown as Readonly<Record<string, string | null>>[];
  const found = rows.map((row): ModelRow => {
    const { shard, lsn, index, unchanged } = row["source"] as unknown as {
      shard: string;
      lsn: string;
      index: string;
      unchanged: string[] | null;
    };
    const extra = JSON.parse(row["extra"] ?? "{}") as { data?: Record<string, unknown> };
    const typed = Object.fromEntries([...TYPED].map((name) => [name, row[name] ?? null]));
    const values = { ...typed, ...extra.data };
    const key = row["event_key"]!;
    return { key, shard, lsn: Number(lsn), index: Number(index), values, unknown: unchanged ?? [] };
  });
  return found.toSorted((a, b) => (`${a.shard}${a.key}` < `${b.shard}${b.key}` ? -1 : 1));
}

function expected(changes: readonly Change[]): readonly ModelRow[] {
  const model = new Model();
  for (const change of changes) model.apply(change);
  return model.rows().map((row) => {
    const { source: _, ...values } = row.values;
    const typed = Object.fromEntries([...TYPED].map((name) => [name, textOf(values[name])]));
    return { ...row, values: { ...values, ...typed } };
  });
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : `${value as string | number | bigint}`;
}

function check(actual: readonly ModelRow[], wanted: readonly ModelRow[], where: string): void {
  if (isDeepStrictEqual(actual, wanted)) return;
  throw new Error(`${where}: ${inspect(actual, { depth: 9 })} is not ${inspect(wanted, { depth: 9 })}`);
}

/** A range never ends between a delete and what may follow it of the same shard. */
function mayCut(changes: readonly Change[], at: number): boolean {
  const last = new Map<string, Change>();
  for (const change of changes.slice(0, at)) last.set(change.shard!, change);
  return [...last.values()].every(({ change }) => change !== "delete");
}

test("is what the plain fold makes of it, however the history is cut", async () => {
  let filled = 0;
  await fc.assert(
    fc.asyncProperty(history, fc.array(fc.nat({ max: 120 }), { maxLength: 4 }), async (changes, places) => {
      const wanted = expected(changes);
      filled += wanted.filter(({ values }) => Object.keys(values).length > 4).length;
      await fold(false, changes);
      check(await seen(), wanted, "in one go");
      await fold(false, changes, 3);
      check(await seen(), wanted, "in parts");
      const cuts = places.filter((at) => at > 0 && at < changes.length && mayCut(changes, at));
      let from = 0;
      for (const to of [...cuts.toSorted((a, b) => a - b), changes.length]) {
        if (to === from) continue;
        await fold(from > 0, changes.slice(from, to), 1 + (to % 3));
        from = to;
      }
      if (changes.length > 0) check(await seen(), wanted, `cut at ${cuts.join()}`);
      // Whatever comes again changes nothing.
      await fold(true, changes.slice(0, changes.findIndex(({ change }) => change === "delete") + 1));
      check((await seen()).filter(isIn(wanted)), wanted.filter(isIn(wanted)), "again");
    }),
    { numRuns: RUNS },
  );
  expect(filled).toBeGreaterThan(RUNS);
}, 120_000);

function isIn(rows: readonly ModelRow[]): (row: ModelRow) => boolean {
  const keys = new Set(rows.map(({ shard, key }) => `${shard}${key}`));
  return ({ shard, key }) => keys.has(`${shard}${key}`);
}
