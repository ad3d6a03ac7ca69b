/**
 * What a feed's SQL gives, and the queries around it. The declared SQL is judged by the gate of lake/query as anybody's
 * is, runs in a query process, and stands as a subquery in each of these texts.
 *
 * The order is total: by the key, then by every other column, so rows that are left equal are the same in everything.
 * Types that Parquet or the warehouses would round, or not know, are cast to those that hold them exactly.
 */
import { createHash } from "node:crypto";
import type { Feed } from "../../core/extract-feed.ts";
import { MuaraError } from "../../core/errors.ts";
import { quoteName } from "../query/view.ts";
import { windowLength } from "./window.ts";

export interface PlannedColumn {
  readonly name: string;
  /** DuckDB's name of the type in the files. */
  readonly type: string;
}

export interface FeedPlan {
  readonly feed: Feed;
  readonly columns: readonly PlannedColumn[];
  /** Of everything that decides on the rows. */
  readonly definition: string;
  /** SQL of one row per window: start in ms, rows, and two sums of hashes; the row without a start has no time. */
  readonly scan: string;
  /** SQL of one window's rows, in order. */
  window(startMs: number): string;
  /** SQL of a check over one window's rows. */
  check(sql: string, startMs: number): string;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const PLAIN = new Set(
  `BOOLEAN SMALLINT INTEGER BIGINT FLOAT DOUBLE VARCHAR BLOB DATE TIMESTAMP`
    .split(/\s+/)
    .concat("TIMESTAMP WITH TIME ZONE"),
);
const CASTS: Readonly<Record<string, string>> = {
  TINYINT: "SMALLINT",
  UTINYINT: "SMALLINT",
  USMALLINT: "INTEGER",
  UINTEGER: "BIGINT",
  UBIGINT: "DECIMAL(20,0)",
  HUGEINT: "DECIMAL(38,0)",
  UUID: "VARCHAR",
  JSON: "VARCHAR",
  TIMESTAMP_S: "TIMESTAMP",
  TIMESTAMP_MS: "TIMESTAMP",
};
/** Inside lists and structs nothing is cast. */
const INEXACT = /\b(?:U?HUGEINT|UBIGINT|INTERVAL|TIME|BIT|UNION|TIMESTAMP_NS|TIME_NS|VARINT|BIGNUM|UUID)\b/;
/** What is no type of its own in there: instants, and quoted names of fields. */
const NO_TYPE = /"(?:[^"]|"")*"|TIMESTAMP WITH TIME ZONE/g;
const TIME_LITERALS: Readonly<Record<string, string>> = {
  DATE: "DATE",
  TIMESTAMP: "TIMESTAMP",
  "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
};

/** SQL that only tells the columns. */
export function describeSql(feed: Feed): string {
  return `SELECT * FROM (\n${bare(feed.sql)}\n) AS muara_rows LIMIT 0`;
}

/** @param given columns of the declared SQL @throws config.invalid naming the feed and what does not fit */
export function planFeed(feed: Feed, given: readonly PlannedColumn[]): FeedPlan {
  const columns = given.map(({ name, type }) => ({ name, type: fileType(feed, name, type) }));
  checkNames(feed, columns);
  const time = columns.find(({ name }) => name === feed.time)!;
  const literal = TIME_LITERALS[time.type];
  if (!literal || (literal === "DATE" && feed.window !== "day"))
    throw invalid(
      feed,
      `time: "${time.name}" is a ${time.type}, and must be a timestamp (or a date, by day)`,
    );
  checkTotals(feed, columns);
  const lengthMs = windowLength(feed.window);
  const rows = `(\n${bare(feed.sql)}\n) AS muara_rows`;
  const list = columns.map(({ name, type }, i) =>
    given[i]!.type === type ? quoteName(name) : `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`,
  );
  const isIn = (startMs: number): string =>
    `muara_rows.${quoteName(time.name)} >= ${literal} '${instant(literal, startMs)}' ` +
    `AND muara_rows.${quoteName(time.name)} < ${literal} '${instant(literal, startMs + lengthMs)}'`;
  const order = [...feed.key, ...columns.map(({ name }) => name).filter((name) => !feed.key.includes(name))];
  const selected = (startMs: number): string =>
    `SELECT ${list.join(", ")} FROM ${rows} WHERE ${isIn(startMs)}`;
  const micros = `epoch_us(CAST(${quoteName(time.name)} AS ${literal === "DATE" ? "TIMESTAMP" : time.type}))`;
  const lengthUs = lengthMs * 1_000;
  return {
    feed,
    columns,
    definition: definitionOf(feed, columns),
    scan:
      `SELECT start_ms, count(*), bit_xor(h), sum(h) FROM (SELECT ` +
      `(${micros} - ((${micros} % ${lengthUs}) + ${lengthUs}) % ${lengthUs}) // 1000 AS start_ms, ` +
      `hash(${columns.map(({ name }) => quoteName(name)).join(", ")}) AS h FROM ${rows}) GROUP BY start_ms`,
    window: (startMs) => `${selected(startMs)} ORDER BY ${order.map(quoteName).join(", ")}`,
    check: (sql, startMs) => `WITH extract AS (${selected(startMs)}) SELECT * FROM (\n${bare(sql)}\n)`,
  };
}

export function definitionOf(feed: Feed, columns: readonly PlannedColumn[]): string {
  const { sql, kind, window, time, key, totals } = feed;
  const decisive = JSON.stringify({ sql: bare(sql), kind, window, time, key, totals, columns });
  return createHash("sha256").update(decisive).digest("hex");
}

/** `distinct COLUMN` or a sum. */
export function totalName(total: string): {
  readonly name: string;
  readonly column: string;
  readonly isSum: boolean;
} {
  const column = total.replace(/^distinct /, "");
  return column === total
    ? { name: column, column, isSum: true }
    : { name: `distinct_${column}`, column, isSum: false };
}

export function isRequired(feed: Feed, column: string): boolean {
  return feed.checks.some(
    (check) => "notNull" in check && check.severity === "error" && check.notNull.includes(column),
  );
}

/** A text that stands in a subquery. */
function bare(sql: string): string {
  return sql.trim().replace(/(?:\s*;)+$/, "");
}

function fileType(feed: Feed, name: string, type: string): string {
  if (PLAIN.has(type) || /^DECIMAL\(\d+,\d+\)$/.test(type)) return type;
  const cast = type.startsWith("ENUM(") ? "VARCHAR" : CASTS[type];
  if (cast) return cast;
  const isNested = type.endsWith("]") || /^(?:STRUCT|MAP)\(/.test(type);
  if (isNested && !INEXACT.test(type.replaceAll(NO_TYPE, ""))) return type;
  throw invalid(
    feed,
    `sql: the column "${name}" has the type ${type}, which files cannot hold exactly; cast it`,
  );
}

function checkNames(feed: Feed, columns: readonly PlannedColumn[]): void {
  const odd = columns.find(({ name }) => !NAME.test(name));
  if (odd) throw invalid(feed, `sql: name the column "${odd.name}" with letters, digits and _ (AS …)`);
  const lower = columns.map(({ name }) => name.toLowerCase());
  const twice = lower.find((name, i) => lower.indexOf(name) !== i);
  if (twice !== undefined) throw invalid(feed, `sql: two columns are called "${twice}"`);
  const known = new Set(columns.map(({ name }) => name));
  const used = [
    ...[feed.time].map((name) => ["time", name] as const),
    ...feed.key.map((name) => ["key", name] as const),
    ...feed.totals.map((total) => ["totals", totalName(total).column] as const),
    ...Object.keys(feed.columns).map((name) => ["columns", name] as const),
    ...feed.checks.flatMap((check) =>
      ("notNull" in check ? check.notNull : "unique" in check ? check.unique : []).map(
        (name) => ["checks", name] as const,
      ),
    ),
  ];
  for (const [where, name] of used)
    if (!known.has(name)) throw invalid(feed, `${where}: the SQL gives no column "${name}"`);
}

function checkTotals(feed: Feed, columns: readonly PlannedColumn[]): void {
  for (const total of feed.totals) {
    const { column, isSum } = totalName(total);
    const { type } = columns.find(({ name }) => name === column)!;
    if (isSum && !/^(?:SMALLINT|INTEGER|BIGINT|DECIMAL\(.*)$/.test(type))
      throw invalid(feed, `totals: "${column}" is a ${type}, whose sum is not exact`);
  }
}

function instant(literal: string, ms: number): string {
  const text = new Date(ms).toISOString();
  if (literal === "DATE") return text.slice(0, 10);
  const time = text.slice(0, 19).replace("T", " ");
  return literal === "TIMESTAMP" ? time : `${time}+00`;
}

export function invalid(feed: Feed, message: string): MuaraError {
  return new MuaraError("config.invalid", `extracts.${feed.name}: ${message}`, {
    details: { key: `extracts.${feed.name}` },
  });
}
