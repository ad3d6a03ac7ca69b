/** A feed as a data contract of the Open Data Contract Standard 3.1.0 (ODCS). JSON, which is YAML as well. */
import type { Feed, FeedCheck } from "../../core/extract-feed.ts";
import { isRequired, type PlannedColumn } from "./feed-plan.ts";
import { logicalType } from "./targets.ts";

type Json = Readonly<Record<string, unknown>>;

/** @param server where the files lie, as the lake's store names it */
export function dataContract(feed: Feed, columns: readonly PlannedColumn[], server: string): Json {
  return {
    apiVersion: "v3.1.0",
    kind: "DataContract",
    id: `muara:extracts:${feed.name}`,
    name: feed.name,
    version: feed.version,
    status: "active",
    ...(feed.description === "" ? {} : { description: { purpose: feed.description } }),
    servers: [serverOf(server, feed)],
    ...(feed.owner === "" ? {} : { team: { name: feed.owner, members: [] } }),
    schema: [
      {
        name: feed.name,
        physicalName: feed.name,
        logicalType: "object",
        physicalType: "parquet",
        dataGranularityDescription: `One row per ${feed.key.join(", ")}; a partition per ${feed.window}.`,
        properties: columns.map((column) => property(feed, column)),
        quality: feed.checks.flatMap((check) => qualityOf(check, feed)),
      },
    ],
    slaProperties: [
      { property: "frequency", value: 1, unit: feed.window === "day" ? "d" : "h" },
      { property: "retention", value: feed.retentionDays, unit: "d" },
    ],
  };
}

function serverOf(location: string, feed: Feed): Json {
  const path = `${location}/${feed.name}/*/*.parquet`;
  if (location.startsWith("s3://"))
    return { server: "extracts", type: "s3", location: path, format: "parquet" };
  return { server: "extracts", type: "local", path, format: "parquet" };
}

function property(feed: Feed, { name, type }: PlannedColumn): Json {
  const { description, length } = feed.columns[name] ?? {};
  const place = feed.key.indexOf(name);
  const logical = logicalType(type);
  const item = type.endsWith("]") ? type.slice(0, -2) : undefined;
  return {
    name,
    logicalType: logical,
    physicalType: type,
    required: isRequired(feed, name),
    unique: feed.checks.some(
      (check) => "unique" in check && check.unique.length === 1 && check.unique[0] === name,
    ),
    ...(place < 0 ? {} : { primaryKey: true, primaryKeyPosition: place + 1 }),
    ...(description === undefined ? {} : { description }),
    ...(length === undefined || logical !== "string" ? {} : { logicalTypeOptions: { maxLength: length } }),
    ...(item === undefined
      ? {}
      : { items: { name: "item", logicalType: logicalType(item), physicalType: item } }),
  };
}

/** ODCS 3.1's library metrics where there is one, else SQL. */
function qualityOf(check: FeedCheck, feed: Feed): readonly Json[] {
  const { severity } = check;
  if ("sql" in check)
    return [
      {
        type: "sql",
        name: check.name,
        query: check.sql.replaceAll(/\bextract\b/gi, feed.name),
        mustBe: 0,
        severity,
      },
    ];
  if ("rows" in check) {
    const { min, max } = check.rows;
    const bound: Json =
      min !== undefined && max !== undefined
        ? { mustBeBetween: [min, max] }
        : max !== undefined
          ? { mustBeLessOrEqualTo: max }
          : { mustBeGreaterOrEqualTo: min ?? 0 };
    return [{ type: "library", metric: "rowCount", name: "rows of a window", ...bound, severity }];
  }
  if ("unique" in check)
    return [
      {
        type: "library",
        metric: "duplicateValues",
        name: `${check.unique.join(", ")} unique`,
        arguments: { properties: check.unique },
        mustBe: 0,
        severity,
      },
    ];
  // Of a whole table, the standard has no metric for nulls of several columns: it is said of each.
  return check.notNull.map((column) => ({
    type: "sql",
    name: `${column} not null`,
    query: `SELECT count(*) FROM ${feed.name} WHERE ${column} IS NULL`,
    mustBe: 0,
    severity,
  }));
}
