/** Codes of the object store, its tables, queries over them and extracts from them. */
import type { ErrorEntry } from "./error-entry.ts";

export const LAKE_ERRORS = {
  // the store and the table
  "store.unavailable": {
    status: 503,
    retryable: true,
    help: "The object store does not answer. Check it; Muara tries again by itself.",
  },
  "store.full": {
    status: 507,
    retryable: true,
    help: "The disk of the lake has no room. Free some; landing goes on by itself, accepted events wait in the log.",
  },
  "store.sync_failed": {
    status: 500,
    retryable: false,
    help: "The disk refused to make a name durable. Check the disk, then start again.",
  },
  "store.not_atomic": {
    status: 500,
    retryable: false,
    help: "The store lets two writers win the same name. Run one process, or change the store.",
  },
  "store.path": {
    status: 500,
    retryable: false,
    help: "A path would leave the store's root, or is a name that others gave and that is only read.",
  },
  "table.not_found": { status: 404, retryable: false, help: "No such table. GET /v1/tables lists them." },
  "table.version_not_found": {
    status: 404,
    retryable: false,
    help: "The table has no such version, or its log was cleaned up. See its history.",
  },
  "table.commit_conflict": {
    status: 409,
    retryable: true,
    help: "Another commit came first and changes what this one decided on.",
  },
  "table.commit_unknown": {
    status: 503,
    retryable: true,
    help: "The outcome of a commit is not known yet. It is settled by reading back.",
  },
  "erasure.field": { status: 422, retryable: false, help: "`muara table show` lists the fields of a table." },
  "erasure.too_large": {
    status: 422,
    retryable: false,
    help: "An erasure is of a person or an order, not of a class of events: use retention, or a narrower value.",
  },
  "table.no_current_state": {
    status: 409,
    retryable: false,
    help: "Rows that change need a key: give the table a primary key, declare the capture anew, or read its changes.",
  },
  "table.no_retention": { status: 409, retryable: false, help: "Declare `muara/retention`, or give a time." },
  "table.paused": {
    status: 409,
    retryable: true,
    help: "Somebody else writes the table for now. Muara goes on when the pause ends; `muara table resume` ends it.",
  },
  "table.rewrite_failed": {
    status: 500,
    retryable: true,
    help: "Memory, disk or time did not suffice to write files anew; nothing changed. See upkeep in the configuration.",
  },
  "table.verifying": {
    status: 429,
    retryable: true,
    help: "One table is verified at a time. Wait as Retry-After says.",
  },
  "table.unsupported": {
    status: 422,
    retryable: false,
    help: "The table needs a Delta feature beyond reader 1 / writer 2.",
  },
  "table.corrupt": {
    status: 500,
    retryable: false,
    help: "The table's log contradicts itself. Do not delete anything; run `muara verify`.",
  },
  "land.fenced": {
    status: 500,
    retryable: false,
    help: "The table moved in a way that landing cannot explain. Read the message; nothing was skipped.",
  },
  "land.schema_unknown": {
    status: 503,
    retryable: true,
    help: "Events or table are of a schema version that this process has not read yet. Landing goes on once it has.",
  },
  "share.not_found": {
    status: 404,
    retryable: false,
    help: "No such share or shared table, or this token may not read it. `muara share list` shows them.",
  },
  "share.invalid": {
    status: 422,
    retryable: false,
    help: "Correct the declaration of the share as the message says.",
  },
  "share.fixed": {
    status: 409,
    retryable: false,
    help: "The share is declared in the configuration; change it there and start again.",
  },
  "share.history_off": {
    status: 400,
    retryable: false,
    help: "Old versions and changes are not shared. Whoever shares the table can do so with history: true.",
  },
  "share.too_large": {
    status: 413,
    retryable: false,
    help: "Ask for less: a predicate, an earlier endingVersion. Compaction makes tables of fewer files.",
  },
  "share.preparing": {
    status: 503,
    retryable: true,
    help: "Files of the shared part of the table are being made. The same request finds more of them made.",
  },
  "share.busy": {
    status: 429,
    retryable: true,
    help: "Too many parts of tables are being made, or no room is left for more (share.partsBytes). Try later.",
  },
  "share.changes_gone": {
    status: 410,
    retryable: false,
    help: "The changes are no longer kept. Read the table anew and go on with the version after it.",
  },
  "share.changes_erased": {
    status: 410,
    retryable: false,
    help: "Rows were erased there. Read the table anew and go on with the version after it.",
  },
  "share.file_refused": {
    status: 403,
    retryable: false,
    help: "Addresses of files expire, and end with the token or the share. Ask for the table again.",
  },
  // queries
  "sql.syntax": { status: 400, retryable: false, help: "The SQL cannot be parsed at the position given." },
  "sql.refused": {
    status: 403,
    retryable: false,
    help: "Only one SELECT, DESCRIBE or SHOW over granted tables and listed functions is allowed.",
  },
  "sql.failed": { status: 422, retryable: false, help: "The query failed while running." },
  "sql.too_large": { status: 413, retryable: false, help: "The SQL text exceeds 64 kB." },
  "sql.timeout": {
    status: 408,
    retryable: false,
    help: "The query ran into its time limit. Narrow it by ingest_date, or raise timeout_ms.",
  },
  "sql.memory": {
    status: 422,
    retryable: false,
    help: "The query ran into its memory limit. Narrow or pre-aggregate it.",
  },
  "sql.answer_too_large": {
    status: 422,
    retryable: false,
    help: "The answer exceeds query.answerBytes. Ask for fewer rows or columns, or aggregate.",
  },
  "sql.cache_too_small": {
    status: 422,
    retryable: false,
    help: "The query reads more than the local cache may hold. Narrow it by ingest_date, or raise query.cacheBytes.",
  },
  "sql.unavailable": {
    status: 503,
    retryable: false,
    help: "query.namespace is required, but this machine allows no namespaces. Allow them, or set it to auto.",
  },
  "sql.busy": { status: 429, retryable: true, help: "All query slots are in use. Wait as Retry-After says." },
  // extracts
  "extract.not_found": {
    status: 404,
    retryable: false,
    help: "No such feed, version or file, or none that you may read. GET /v1/extracts lists the feeds.",
  },
  "extract.expired": {
    status: 410,
    retryable: false,
    help: "Versions after `since` are no longer kept. Load the full version that `full_version` names, then go on.",
  },
  "extract.gone": {
    status: 410,
    retryable: false,
    help: "The file is no longer kept: its window has a newer revision. Ask for the versions again.",
  },
  "extract.receipt_differs": {
    status: 409,
    retryable: false,
    help: "What was loaded is not what was published. `differences` names the partition; load it again.",
  },
  "extract.receipts_full": { status: 409, retryable: false, help: "A version takes 1,000 receipts." },
  "extract.failed": {
    status: 500,
    retryable: false,
    help: "A window could not be made. The log has the cause.",
  },
  "extract.corrupt": {
    status: 500,
    retryable: false,
    help: "A manifest in the store is damaged. Restore it from a backup; do not delete it.",
  },
} as const satisfies Record<string, ErrorEntry>;
