/** The part of the OpenAPI document that is about extracts. */
import { z } from "zod";
import {
  flag,
  type Json,
  list,
  listOf,
  object,
  path,
  problem,
  query,
  read,
  reference,
  send,
  text,
  textOrNull,
  time,
  whole,
} from "./openapi-parts.ts";
import { receiptSchema } from "./routes/extracts.ts";

export const EXTRACT_SCHEMAS: Json = {
  Feed: object({
    feed: text,
    description: text,
    owner: text,
    kind: { enum: ["replace_partition", "append"] },
    window: { enum: ["day", "hour"] },
    version: whole,
    created: time,
    complete_through: { ...time, description: "Every window that ends by then is published." },
    windows: whole,
    rows: whole,
    state: { enum: ["ready", "waiting", "withheld", "failing"] },
    problem: textOrNull,
    withheld: {
      ...list({ type: "object" }),
      description: "Windows that a check keeps from being published.",
    },
    rows_without_time: whole,
    rows_too_late: whole,
    retention_days: whole,
    contract: object({ version: text, href: text }),
    reconciliation: { type: ["object", "null"], description: "The newest receipt." },
  }),
  ExtractVersion: object({
    version: whole,
    created: time,
    complete_through: time,
    retained_until: time,
    rows: whole,
    partitions: whole,
    files: whole,
    bytes: whole,
    ok: { ...flag, description: "Whether every check held; those of severity warning may not." },
    manifest: text,
  }),
  Manifest: {
    ...object({ feed: text, version: whole, full: flag, manifest_sha256: text }),
    description: "docs/EXTRACTS.md has all of it.",
  },
  Fetch: object({
    version: whole,
    full: flag,
    by: text,
    manifest: flag,
    links: { ...flag, description: "Was given addresses of S3: files that came from there are not counted." },
    files: { ...whole, description: "Files of the version that were fetched here." },
    first_at: time,
    last_at: time,
  }),
  ReceiptRequest: z.toJSONSchema(receiptSchema, { io: "input" }),
  Receipt: object({
    feed: text,
    version: whole,
    received_at: time,
    by: text,
    rows: whole,
    equal: flag,
    differences: list(object({ partition: textOrNull, what: text, expected: text, reported: text })),
  }),
};

export const EXTRACT_PATHS: Json = {
  "/v1/extracts": { get: read("listFeeds", "Feeds that the token may read", listOf("Feed")) },
  "/v1/extracts/{feed}": {
    get: read("showFeed", "How a feed is doing", reference("Feed"), [path("feed")]),
  },
  "/v1/extracts/{feed}/versions": {
    get: read(
      "extractVersions",
      "Versions after the one seen last; 410 with the full version to start from where they are gone",
      listOf("ExtractVersion"),
      [path("feed"), query("since", { anyOf: [whole, { const: "newest" }] }), query("limit", whole)],
    ),
  },
  "/v1/extracts/{feed}/versions/{version}/manifest": {
    get: read("extractManifest", "What a version brings", reference("Manifest"), [
      path("feed"),
      path("version"),
      query("full", flag),
      query("links", { enum: ["presigned"] }),
      { ...query("look", flag), description: "Somebody looks at it: that is not noted as a fetch." },
    ]),
  },
  "/v1/extracts/{feed}/versions/{version}/files/{id}": {
    get: {
      ...read("extractFile", "A file; ranges, HEAD, ETag = SHA-256", text, [
        path("feed"),
        path("version"),
        path("id"),
      ]),
      responses: {
        "200": {
          description: "The file.",
          content: { "application/vnd.apache.parquet": { schema: { type: "string", format: "binary" } } },
        },
        "206": { description: "A range of it." },
        default: problem(),
      },
    },
  },
  "/v1/extracts/{feed}/versions/{version}/ddl": { get: scriptOf("extractDdl", "CREATE TABLE") },
  "/v1/extracts/{feed}/versions/{version}/load": { get: scriptOf("extractLoad", "SQL that loads a version") },
  "/v1/extracts/{feed}/versions/{version}/receipts": {
    post: send(
      "sendReceipt",
      "Say what was loaded; 409 names the partition that differs",
      "ReceiptRequest",
      ["200", "It is equal.", "Receipt"],
      [path("feed"), path("version")],
    ),
  },
  "/v1/extracts/{feed}/receipts": {
    get: read("listReceipts", "Receipts, newest first", listOf("Receipt"), [
      path("feed"),
      query("limit", whole),
    ]),
  },
  "/v1/extracts/{feed}/fetches": {
    get: read("listFetches", "Who fetched what of the newest versions", listOf("Fetch"), [
      path("feed"),
      query("limit", whole),
    ]),
  },
  "/v1/extracts/{feed}/contract": {
    get: {
      operationId: "extractContract",
      summary: "The feed as a data contract (ODCS 3.1.0)",
      parameters: [path("feed")],
      responses: {
        "200": {
          description: "JSON, which is YAML.",
          content: { "application/yaml": { schema: object({}) } },
        },
        default: problem(),
      },
    },
  },
  "/v1/extracts/{feed}/make": {
    post: {
      operationId: "makeExtract",
      summary: "Look at a feed now",
      parameters: [path("feed")],
      responses: {
        "200": {
          description: "What was found.",
          content: { "application/json": { schema: object({ published: whole }) } },
        },
        default: problem(),
      },
    },
  },
};

function scriptOf(operationId: string, summary: string): Json {
  const content = { "application/sql": { schema: text } };
  const parameters = [
    path("feed"),
    path("version"),
    query("target", { enum: ["oracle", "snowflake", "bigquery", "redshift"] }),
    query("table", text),
    query("base", text),
  ];
  return {
    operationId,
    summary,
    parameters,
    responses: { "200": { description: "SQL.", content }, default: problem() },
  };
}
