/** OpenAPI of what people look at: parts and lineage of tables, the schema for an editor, groups of dead letters. */
import {
  flag,
  full,
  list,
  listOf,
  object,
  path,
  query,
  read,
  reference,
  text,
  textOrNull,
  time,
  whole,
  wholeOrNull,
  type Json,
} from "./openapi-parts.ts";

const when: Json = { type: "string", format: "date-time" };

/** How far landing is behind, of a table and in the list of tables. */
export const FRESHNESS: Json = {
  lag_ms: {
    ...wholeOrNull,
    description:
      "How long the oldest event that was accepted and has not landed has been waiting; 0 where none does.",
  },
  freshness_target_ms: { ...wholeOrNull, description: "Declared by the annotation muara/freshness." },
  is_fresh: { type: ["boolean", "null"], description: "Whether the lag is within the target." },
};

export const VIEW_SCHEMAS: Json = {
  TablePartition: object({
    values: {
      type: "object",
      additionalProperties: textOrNull,
      description: "By partition column; empty for a table that has none.",
    },
    files: whole,
    bytes: whole,
    rows: wholeOrNull,
    newest_file_at: time,
  }),
  LogPartition: object({
    partition: whole,
    cursor: { ...whole, description: "The next offset to land." },
    end_offset: whole,
    lag_ms: wholeOrNull,
    newest_event_time: time,
    newest_ingest_time: time,
    idle: { ...flag, description: "Left out of the watermark's minimum, since nothing came for a while." },
  }),
  LineageNode: full({
    kind: {
      enum: [
        "table",
        "event_type",
        "capture",
        "job",
        "view",
        "extract",
        "delivery",
        "share",
        "rule",
        "process",
      ],
    },
    name: text,
    detail: textOrNull,
  }),
  SqlSchemaTable: full({
    name: text,
    alias: textOrNull,
    kind: text,
    columns: list(full({ name: text, type: text, description: textOrNull })),
  }),
  DeadLetterGroup: full({
    event_type: text,
    reason: text,
    count: whole,
    open: whole,
    landed: whole,
    duplicate: whole,
    dead_again: whole,
    first_seen: when,
    last_seen: when,
    sample: full({ dead_letter_id: text, event_id: textOrNull, pointer: textOrNull, detail: textOrNull }),
    help: { ...textOrNull, description: "What to do about this reason." },
  }),
};

export const VIEW_PATHS: Json = {
  "/v1/tables/{table}/partitions": {
    get: read(
      "tablePartitions",
      "Files, rows and bytes by table partition, the last first; freshness by log partition",
      object({
        table: text,
        version: wholeOrNull,
        as_of: time,
        partition_columns: list(text),
        count: whole,
        items: list(reference("TablePartition")),
        ...FRESHNESS,
        log_partitions: list(reference("LogPartition")),
      }),
      [path("table"), query("limit", whole)],
    ),
  },
  "/v1/tables/{table}/lineage": {
    get: read(
      "tableLineage",
      "What a table or view is made of and what is made of it, one hop, as far as the token may see it",
      full({
        table: text,
        upstream: list(reference("LineageNode")),
        downstream: list(reference("LineageNode")),
      }),
      [path("table")],
    ),
  },
  "/v1/sql/schema": {
    get: read(
      "sqlSchema",
      "Tables, columns, functions and limits, for an editor of SQL",
      full({
        tables: list(reference("SqlSchemaTable")),
        functions: list(text),
        limits: full({
          timeout_ms: whole,
          memory_bytes: whole,
          rows: whole,
          rows_max: whole,
          sql_bytes: whole,
          answer_bytes: whole,
        }),
      }),
    ),
  },
  "/v1/dead-letters/groups": {
    get: read(
      "groupDeadLetters",
      "Dead letters by event type and reason, the latest first, each with its newest as a sample",
      { ...listOf("DeadLetterGroup"), required: ["items"] },
      [
        query("event_type", text),
        query("reason", text),
        query("state", { enum: ["open", "landed", "duplicate", "dead_again"] }),
        query("since", when),
        query("until", when),
        query("limit", whole),
      ],
    ),
  },
};
