/**
 * The OpenAPI 3.1 document of the whole origin, the door included. Request bodies come from the schemas that the routes
 * check with; the rest is written here, and a test holds the router to it: every route is documented, every documented
 * one exists.
 */
import { z } from "zod";
import { ACCESS_PATHS, ACCESS_SCHEMAS } from "./openapi-access.ts";
import { CAPTURE_PATHS, CAPTURE_SCHEMAS } from "./openapi-captures.ts";
import { RECONCILIATION_PATHS, RECONCILIATION_SCHEMAS } from "./openapi-reconciliations.ts";
import { ERASURE_PATHS, ERASURE_SCHEMAS } from "./openapi-erasures.ts";
import { EVENT_TYPE_PATHS, EVENT_TYPE_SCHEMAS } from "./openapi-event-types.ts";
import { EXTRACT_PATHS, EXTRACT_SCHEMAS } from "./openapi-extracts.ts";
import {
  flag,
  json,
  list,
  listOf,
  object,
  open,
  path,
  problem,
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
import { ALERT_PATHS, ALERT_SCHEMAS } from "./openapi-alerts.ts";
import { DELIVERY_PATHS, DELIVERY_SCHEMAS } from "./openapi-deliveries.ts";
import { LIVE_PATHS } from "./openapi-live.ts";
import { JOB_PATHS, JOB_SCHEMAS } from "./openapi-jobs.ts";
import { PROCESS_VIEW_PATHS, PROCESS_VIEW_SCHEMAS } from "./openapi-process-views.ts";
import { PROCESS_PATHS, PROCESS_SCHEMAS } from "./openapi-processes.ts";
import { SHARE_PATHS, SHARE_SCHEMAS } from "./openapi-shares.ts";
import { SYSTEM_PATHS, SYSTEM_SCHEMAS } from "./openapi-system.ts";
import { SUBSCRIPTION_PATHS, SUBSCRIPTION_SCHEMAS } from "./openapi-subscriptions.ts";
import { FRESHNESS, VIEW_PATHS, VIEW_SCHEMAS } from "./openapi-views.ts";
import { REFERENCE_PATHS } from "./openapi-reference.ts";
import { replayRequestSchema } from "./routes/dead-letters.ts";
import { sqlRequestSchema } from "./routes/sql.ts";
import { expireRequestSchema, rollbackRequestSchema, sweepRequestSchema } from "./routes/table-removals.ts";
import { pauseRequestSchema } from "./routes/table-upkeep.ts";

export function openapiDocument(version: string): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Muara",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description:
        "The door: event types, publishing, streams and subscriptions as in Nakadi's API, and the CloudEvents HTTP " +
        "binding. The read side: SQL over the lake, tables, books, fates of events, dead letters, shares and tokens.",
    },
    security: [{ bearer: [] }],
    paths: PATHS,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      schemas: SCHEMAS,
      responses: {
        Problem: {
          description: "RFC 9457 problem; `code` is stable; `type` is the address of its page.",
          content: { "application/problem+json": { schema: reference("Problem") } },
        },
      },
    },
  };
}

const SCHEMAS: Json = {
  ...SUBSCRIPTION_SCHEMAS,
  Problem: object({ type: text, title: text, status: whole, detail: text, code: text, hint: text }),
  SqlRequest: z.toJSONSchema(sqlRequestSchema, { io: "input" }),
  SqlAnswer: object({
    columns: list(object({ name: text, type: text })),
    rows: {
      ...list({ type: "array" }),
      description: "64-bit integers and decimals are strings.",
    },
    complete_through: { ...time, description: "Lowest watermark of the tables read." },
    versions: { type: "object", additionalProperties: whole },
    truncated: { ...flag, description: "Whether the row limit cut the answer off." },
  }),
  Verification: object({
    table: text,
    version: whole,
    files: whole,
    bytes: whole,
    holds: flag,
    checks: list(object({ check: text, state: { enum: ["holds", "broken", "skipped"] }, note: text })),
    faults: list(object({ check: text, path: textOrNull, problem: text })),
    fault_count: whole,
  }),
  TableDiff: object({
    table: text,
    from: whole,
    to: whole,
    added: object({ files: whole, bytes: whole, rows: wholeOrNull }),
    removed: object({ files: whole, bytes: whole, rows: wholeOrNull }),
    columns: list(object({ name: text, from: textOrNull, to: textOrNull })),
    properties: list(object({ name: text, from: textOrNull, to: textOrNull })),
    counters: list(object({ name: text, from: textOrNull, to: textOrNull })),
  }),
  ExpireRequest: z.toJSONSchema(expireRequestSchema, { io: "input" }),
  Expired: object({
    table: text,
    before: time,
    dry_run: flag,
    version: { ...wholeOrNull, description: "The version without the rows; null where none went." },
    rows: whole,
    files: whole,
    bytes: whole,
  }),
  RollbackRequest: z.toJSONSchema(rollbackRequestSchema, { io: "input" }),
  RolledBack: object({
    table: text,
    to: whole,
    from: whole,
    dry_run: flag,
    version: { ...wholeOrNull, description: "The version without the rows; null where none went." },
    rows: whole,
    files: whole,
    rewritten: { ...whole, description: "Of the files: replaced by what stays of them." },
    bytes: whole,
  }),
  ...ERASURE_SCHEMAS,
  ...EVENT_TYPE_SCHEMAS,
  SweepRequest: z.toJSONSchema(sweepRequestSchema, { io: "input" }),
  Swept: object({
    table: text,
    version: whole,
    dry_run: flag,
    files: whole,
    expired: { ...whole, description: "Data files that the log removed." },
    orphans: { ...whole, description: "Data files that no version names." },
    side_files: whole,
    removed_ids: whole,
    bytes: whole,
    waiting: { ...whole, description: "Not live, and kept for now." },
  }),
  Table: object({
    name: text,
    alias: textOrNull,
    kind: { enum: ["event_type", "current", "ledger", "job", "other", "view"] },
    version: wholeOrNull,
    rows: wholeOrNull,
    files: {
      ...wholeOrNull,
      description: "null with bytes, and rows where some are hidden: a part is read.",
    },
    bytes: wholeOrNull,
    committed_at: time,
    freshness_ms: wholeOrNull,
    watermark: time,
    ...FRESHNESS,
    paused_until: { ...time, description: "Until then others write the table, and Muara does not." },
    landing: {
      enum: ["landing", "retrying", "paused", "waiting", "stopped", null],
      description: "null: not by this process",
    },
    problem: { ...textOrNull, description: "Why landing of the table does not go on." },
    commit_interval_ms: {
      ...wholeOrNull,
      description: "How long after a commit the next one comes while events arrive; 0 during a backlog.",
    },
    commit_interval_reason: { ...textOrNull, description: "Why it is that long." },
    current: {
      ...object({ of: text, unmerged: whole, complete: { type: ["boolean", "null"] } }),
      description:
        "Of a current state: the captured event type; offsets that have landed and are laid over it until they are " +
        "merged; whether what was there before the capture is copied (null: no capture feeds it).",
    },
    duplicates: {
      ...object({ identical: whole, different: whole, unknown: whole }),
      description: "Of an event type: how what came again compares with what landed.",
    },
    iceberg: {
      ...object({ version: whole, behind_versions: whole, behind_ms: whole }),
      type: ["object", "null"],
      description: "Of one table: its export as Iceberg, and how far that is behind; null: none.",
    },
    retention: {
      ...object({
        log_ms: wholeOrNull,
        rows_ms: { ...wholeOrNull, description: "How long rows are kept; null: for ever." },
        table: { type: "object", additionalProperties: text },
      }),
      description:
        "Of one table; with the table's own properties: Delta's, its owner, retention and contract.",
    },
  }),
  Commit: object({
    version: whole,
    committed_at: time,
    operation: text,
    files_added: wholeOrNull,
    files_removed: wholeOrNull,
    rows_added: wholeOrNull,
    bytes_added: wholeOrNull,
    watermark: time,
    changes_schema: { type: ["boolean", "null"] },
  }),
  PauseRequest: z.toJSONSchema(pauseRequestSchema, { io: "input" }),
  Pause: object({ table: text, version: whole, paused_until: time }),
  Compaction: object({
    table: text,
    files_before: whole,
    files_after: whole,
    bytes_before: whole,
    bytes_after: whole,
    rows: whole,
    elsewhere: { ...flag, description: "Another process is at it: nothing was done." },
  }),
  Account: object({
    event_type: text,
    accepted: whole,
    landed: whole,
    duplicates: whole,
    dead_letters: whole,
    in_flight: whole,
    balanced: flag,
    duplicates_different: { ...whole, description: "Of the duplicates: other bytes than what landed." },
    removed: {
      ...object({ retention: whole, erasure: whole, rollback: whole }),
      description: "Of the landed rows, those that are not there any more, and why.",
    },
    rows: { ...wholeOrNull, description: "Live rows: landed less removed." },
  }),
  Fate: object({
    fate: { enum: ["landed", "duplicate", "dead_letter", "waiting"] },
    event_type: text,
    partition: whole,
    offset: whole,
  }),
  DeadLetter: object({
    dead_letter_id: text,
    event_type: text,
    event_id: textOrNull,
    reason: text,
    pointer: textOrNull,
    detail: text,
    ingest_time: time,
    state: { enum: ["open", "landed", "duplicate", "dead_again"] },
    replayed_by: textOrNull,
    replayed_at: time,
    corrected: { type: ["boolean", "null"] },
    replay_partition: textOrNull,
    replay_offset: textOrNull,
  }),
  Duplicate: object({
    duplicate_id: text,
    event_type: text,
    event_id: textOrNull,
    verdict: {
      enum: ["identical", "different", "unknown"],
      description: "Compared with the bytes that landed.",
    },
    ingest_time: time,
  }),
  ReplayRequest: z.toJSONSchema(replayRequestSchema, { io: "input" }),
  Replayed: object({
    dead_letter_id: text,
    event_type: textOrNull,
    event_id: textOrNull,
    outcome: { enum: ["accepted", "would_land", "would_be_duplicate", "refused"] },
    code: { ...textOrNull, description: "Why it is refused; `pointer` and `detail` say where and what." },
    pointer: textOrNull,
    detail: textOrNull,
  }),
  ...VIEW_SCHEMAS,
  ...SHARE_SCHEMAS,
  ...DELIVERY_SCHEMAS,
  ...JOB_SCHEMAS,
  ...PROCESS_SCHEMAS,
  ...PROCESS_VIEW_SCHEMAS,
  ...SYSTEM_SCHEMAS,
  ...ALERT_SCHEMAS,
  ...CAPTURE_SCHEMAS,
  ...RECONCILIATION_SCHEMAS,
  ...EXTRACT_SCHEMAS,
  ...ACCESS_SCHEMAS,
};

const PATHS: Json = {
  ...SUBSCRIPTION_PATHS,
  "/v1/sql": {
    post: {
      operationId: "sql",
      summary: "Run one SELECT, VALUES, DESCRIBE, SUMMARIZE or SHOW TABLES",
      requestBody: { required: true, content: json("SqlRequest") },
      responses: {
        "200": {
          description: "The rows, in the form that Accept asks for.",
          content: {
            ...json("SqlAnswer"),
            "application/x-ndjson": { schema: text },
            "text/csv": { schema: text },
            "application/vnd.apache.parquet": { schema: { type: "string", format: "binary" } },
            "application/vnd.apache.arrow.stream": { schema: { type: "string", format: "binary" } },
          },
        },
        default: problem(),
      },
    },
  },
  "/v1/tables": {
    get: read("listTables", "Tables that the token may read", listOf("Table"), [query("lag", flag)]),
  },
  "/v1/tables/{table}": {
    get: read("showTable", "Schema, place, size and freshness of a table", reference("Table"), [
      path("table"),
    ]),
  },
  "/v1/tables/{table}/history": {
    get: read("tableHistory", "Commits, newest first", listOf("Commit"), [
      path("table"),
      query("limit", whole),
      query("before", whole),
    ]),
  },
  "/v1/tables/{table}/verify": {
    get: read(
      "verifyTable",
      "Whether files and counters are what the table's log says; deep reads every byte",
      reference("Verification"),
      [path("table"), query("deep", flag)],
    ),
  },
  "/v1/tables/{table}/diff": {
    get: read(
      "diffTable",
      "What changed between two versions; by default the newest and the one before",
      reference("TableDiff"),
      [path("table"), query("from", whole), query("to", whole)],
    ),
  },
  "/v1/tables/{table}/iceberg": {
    post: read(
      "exportIceberg",
      "Write Iceberg metadata of the newest version beside the table",
      object({ table: text, version: whole, metadata_location: text, files: whole, rows: whole }),
      [path("table")],
    ),
    delete: {
      operationId: "dropIceberg",
      summary: "End the export as Iceberg",
      parameters: [path("table")],
      responses: { "204": { description: "It is ended." }, default: problem() },
    },
  },
  "/v1/tables/{table}/expire": {
    post: act("expireTable", "Remove rows that were accepted long enough ago", "Expired", "ExpireRequest"),
  },
  "/v1/tables/{table}/rollback": {
    post: act(
      "rollBackTable",
      "A new version without the rows that landed since an older one",
      "RolledBack",
      "RollbackRequest",
    ),
  },
  "/v1/tables/{table}/sweep": {
    post: act("sweepTable", "Delete files that no version needs any more", "Swept", "SweepRequest"),
  },
  ...ERASURE_PATHS,
  ...EVENT_TYPE_PATHS,
  "/v1/tables/{table}/compact": {
    post: act("compactTable", "Put small files together; needs admin", "Compaction"),
  },
  "/v1/tables/{table}/pause": {
    post: act("pauseTable", "Keep Muara from committing to the table; needs admin", "Pause", "PauseRequest"),
  },
  "/v1/tables/{table}/resume": { post: act("resumeTable", "End a pause; needs admin", "Pause") },
  "/v1/books": {
    get: read("books", "accepted = landed + duplicates + dead letters + in flight", listOf("Account"), [
      query("by", { enum: ["event_type", "partition", "hour"] }),
      query("event_type", text),
    ]),
  },
  "/v1/events/{event_id}": {
    get: read(
      "traceEvent",
      "Every fate of an event id",
      object({ event_id: text, fates: list(reference("Fate")), complete: flag }),
      [path("event_id"), query("event_type", text)],
    ),
  },
  "/v1/dead-letters": {
    get: read("listDeadLetters", "What could not land, newest first", listOf("DeadLetter"), [
      query("event_type", text),
      query("reason", text),
      query("state", { enum: ["open", "landed", "duplicate", "dead_again"] }),
      query("since", { type: "string", format: "date-time" }),
      query("until", { type: "string", format: "date-time" }),
      query("limit", whole),
      query("cursor", text),
    ]),
  },
  "/v1/dead-letters/replay": {
    post: {
      operationId: "replayDeadLetters",
      summary: "Publish dead letters again, corrected or as they are; each once",
      requestBody: { required: true, content: json("ReplayRequest") },
      responses: {
        "200": {
          description: "What became of each, or in a dry run would.",
          content: {
            "application/json": {
              schema: object({
                dry_run: flag,
                counts: { type: "object", additionalProperties: whole },
                items: list(reference("Replayed")),
                next_cursor: textOrNull,
              }),
            },
          },
        },
        default: problem(),
      },
    },
  },
  "/v1/dead-letters/{id}": {
    get: read("showDeadLetter", "One dead letter with its bytes", reference("DeadLetter"), [path("id")]),
  },
  "/v1/duplicates": {
    get: read("listDuplicates", "What came again under a known id, newest first", listOf("Duplicate"), [
      query("event_type", text),
      query("event_id", text),
      query("verdict", { enum: ["identical", "different", "unknown"] }),
      query("since", { type: "string", format: "date-time" }),
      query("until", { type: "string", format: "date-time" }),
      query("limit", whole),
      query("cursor", text),
    ]),
  },
  "/v1/duplicates/{id}": {
    get: read("showDuplicate", "One duplicate beside what landed", reference("Duplicate"), [path("id")]),
  },
  ...VIEW_PATHS,
  ...SHARE_PATHS,
  ...DELIVERY_PATHS,
  ...JOB_PATHS,
  ...LIVE_PATHS,
  ...PROCESS_PATHS,
  ...PROCESS_VIEW_PATHS,
  ...SYSTEM_PATHS,
  ...ALERT_PATHS,
  ...CAPTURE_PATHS,
  ...RECONCILIATION_PATHS,
  ...EXTRACT_PATHS,
  ...ACCESS_PATHS,
  "/health/live": { get: open("live", "Whether the process answers") },
  "/health/ready": { get: open("ready", "Whether log and lake are reachable") },
  "/metrics": {
    get: {
      operationId: "metrics",
      summary: "OpenMetrics of what the token may read as a whole, and of the process",
      responses: {
        "200": {
          description: "Every metric with its help.",
          content: { "application/openmetrics-text": { schema: text }, "text/plain": { schema: text } },
        },
        default: problem(),
      },
    },
  },
  ...REFERENCE_PATHS,
};

/** A table is worked on. @param request schema of the body, where it takes one */
function act(operationId: string, summary: string, answer: string, request?: string): Json {
  const responses = { "200": { description: "Done.", content: json(answer) }, default: problem() };
  const body = request === undefined ? {} : { requestBody: { required: false, content: json(request) } };
  return { operationId, summary, parameters: [path("table")], ...body, responses };
}
