/**
 * Every error that Muara reports, in one closed table: HTTP status, whether trying the same again can help,
 * and a sentence for the person who has to act. `docs/ERRORS.md` is generated from it; HTTP renders it as
 * RFC 9457 (`core/problem.ts`).
 */

export interface ErrorEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly help: string;
}

const TABLE = {
  // requests
  "request.malformed": {
    status: 400,
    retryable: false,
    help: "The request cannot be read. Compare it with /openapi.json.",
  },
  "request.too_large": {
    status: 413,
    retryable: false,
    help: "Send less per request, or raise the limit that the message names.",
  },
  "request.encoding": {
    status: 415,
    retryable: false,
    help: "Send the body plain or with Content-Encoding: gzip.",
  },
  "request.media_type": {
    status: 415,
    retryable: false,
    help: "Send JSON with Content-Type: application/json.",
  },
  "request.not_acceptable": {
    status: 406,
    retryable: false,
    help: "Ask for application/json, application/x-ndjson, text/csv or application/vnd.apache.parquet.",
  },
  "request.method": {
    status: 405,
    retryable: false,
    help: "The address exists, but not for this method. The header Allow lists those that it knows.",
  },
  "request.timeout": {
    status: 408,
    retryable: true,
    help: "The request did not arrive in time. Check the connection and send it again.",
  },
  "request.not_found": {
    status: 404,
    retryable: false,
    help: "Nothing lives at this address. /openapi.json lists what does.",
  },
  // who may do what
  "auth.missing": {
    status: 401,
    retryable: false,
    help: "Send `Authorization: Bearer TOKEN`. `muara dev` writes one to DIR/token.",
  },
  "auth.invalid": {
    status: 401,
    retryable: false,
    help: "The token is malformed, unknown, expired or revoked. Create one with `muara token create`.",
  },
  "auth.forbidden": {
    status: 403,
    retryable: false,
    help: "The token is valid but grants no such access. Ask an administrator for a grant.",
  },
  // declared things
  "event_type.not_found": {
    status: 404,
    retryable: false,
    help: "Declare the event type first: POST /event-types.",
  },
  "event_type.exists": {
    status: 409,
    retryable: false,
    help: "An event type of this name (ignoring case) exists. Choose another name.",
  },
  "event_type.invalid": { status: 422, retryable: false, help: "Correct the field that the message names." },
  "declaration.conflict": {
    status: 409,
    retryable: true,
    help: "Somebody changed it meanwhile. Read it again, then repeat the change.",
  },
  "declaration.not_found": {
    status: 404,
    retryable: false,
    help: "No such thing is declared. List what is.",
  },
  // one event (items of a publish answer, reasons of dead letters)
  "event.not_json": {
    status: 422,
    retryable: false,
    help: "The event is not well-formed JSON at the position given.",
  },
  "event.not_object": { status: 422, retryable: false, help: "An event is a JSON object." },
  "event.utf8": { status: 422, retryable: false, help: "Strings must be valid UTF-8." },
  "event.surrogate": {
    status: 422,
    retryable: false,
    help: "A \\u escape is half of a surrogate pair. Send the pair or neither.",
  },
  "event.duplicate_key": {
    status: 422,
    retryable: false,
    help: "An object has the same key twice. Readers would disagree on its value.",
  },
  "event.too_deep": {
    status: 422,
    retryable: false,
    help: "Objects and arrays are nested beyond the limit of 64.",
  },
  "event.too_large": {
    status: 422,
    retryable: false,
    help: "The event exceeds the size limit of 999,000 bytes.",
  },
  "event.id_missing": {
    status: 422,
    retryable: false,
    help: "The event has no id where its event type says it should be.",
  },
  "event.id_malformed": {
    status: 422,
    retryable: false,
    help: "The event's id is not of the form that its event type asks for.",
  },
  "event.time_missing": {
    status: 422,
    retryable: false,
    help: "The event has no time where its event type says it should be.",
  },
  "event.time_malformed": {
    status: 422,
    retryable: false,
    help: "Times are RFC 3339 with a zone, for example 2026-03-01T12:00:00Z.",
  },
  "event.type_mismatch": {
    status: 422,
    retryable: false,
    help: "The event names another event type than the one it was sent to.",
  },
  "event.partition_unknown": {
    status: 422,
    retryable: false,
    help: "The event names a partition that its event type does not have.",
  },
  "event.key_missing": {
    status: 422,
    retryable: false,
    help: "A field that decides the partition is missing.",
  },
  "event.schema": {
    status: 422,
    retryable: false,
    help: "The event does not match its event type's JSON Schema.",
  },
  "event.value_out_of_range": {
    status: 422,
    retryable: false,
    help: "A number does not fit its column. Widen the declared type, then replay.",
  },
  "event.value_inexact": {
    status: 422,
    retryable: false,
    help: "A value cannot be held exactly by its column. Declare a wider type, then replay.",
  },
  // dead letters
  "dead_letter.not_found": {
    status: 404,
    retryable: false,
    help: "No dead letter of this id, or none that you may read. List what is there.",
  },
  "dead_letter.replayed": {
    status: 409,
    retryable: false,
    help: "A dead letter is replayed once. Where it died again, replay the dead letter that came of it.",
  },
  "dead_letter.correction": {
    status: 422,
    retryable: false,
    help: "The correction does not fit the event. Compare its pointers with the bytes that `show` prints.",
  },
  "event.value_type": {
    status: 422,
    retryable: false,
    help: "A value has another JSON type than its column.",
  },
  "batch.empty": { status: 422, retryable: false, help: "Send at least one event." },
  "batch.too_many": { status: 413, retryable: false, help: "Send at most 10,000 events a request." },
  // the log
  "log.overloaded": {
    status: 429,
    retryable: true,
    help: "The log is behind its bound. Wait as Retry-After says, then send the same again.",
  },
  "log.full": {
    status: 507,
    retryable: true,
    help: "The log has used its disk budget. Let landing catch up, add disk, or raise the budget.",
  },
  "log.append_unknown": {
    status: 503,
    retryable: true,
    help: "The log did not answer. The events may be stored; send the same ids again.",
  },
  "log.closed": {
    status: 503,
    retryable: true,
    help: "The log is shutting down. Send the same again to the restarted service.",
  },
  "log.stream_not_found": { status: 404, retryable: false, help: "The log has no such stream." },
  "log.partition_not_found": { status: 404, retryable: false, help: "The stream has no such partition." },
  "log.offset_out_of_range": {
    status: 416,
    retryable: false,
    help: "The offset was removed by retention or lies beyond the end.",
  },
  "log.producer_fenced": {
    status: 409,
    retryable: false,
    help: "A newer epoch of this producer exists. Stop this one.",
  },
  "log.producer_sequence": {
    status: 409,
    retryable: false,
    help: "The producer skipped a sequence number; a batch between is missing.",
  },
  "log.corrupt": {
    status: 500,
    retryable: false,
    help: "A stored group is damaged in the middle of the log. Restore the file named; do not delete it.",
  },
  "log.locked": {
    status: 500,
    retryable: false,
    help: "Another process owns this log directory. Stop it, or choose another --data.",
  },
  "log.identity": {
    status: 500,
    retryable: false,
    help: "The log is not the one that this table was landed from. Point Muara at the right log.",
  },
  "log.sync_failed": {
    status: 500,
    retryable: false,
    help: "The disk refused to make data durable. Check the disk, then start again.",
  },
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
  "store.path": { status: 500, retryable: false, help: "A path would leave the store's root." },
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
  // the process
  "kernel.memory": {
    status: 503,
    retryable: true,
    help: "The kernel's memory is full. Use smaller batches, fewer tables per process, or raise its limit.",
  },
  "kernel.image": {
    status: 500,
    retryable: false,
    help: "A state image is damaged, or of another version or declaration. Discard it: a replay gives the same state.",
  },
  "config.invalid": {
    status: 500,
    retryable: false,
    help: "Correct the configuration; `muara config check` explains every key.",
  },
  "runtime.unsupported": {
    status: 500,
    retryable: false,
    help: "Use Node ^22.22 or >= 24.12, or Deno >= 2.9.",
  },
  "server.unreachable": {
    status: 503,
    retryable: true,
    help: "Start it with `npm run dev` or `npm run demo`, or name another with --url.",
  },
  internal: {
    status: 500,
    retryable: false,
    help: "A bug in Muara. The log has the details under the request id.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof TABLE;
export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = TABLE;

export interface MuaraErrorOptions {
  /** JSON-ready facts: names, limits, positions. Never payload values and never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An operational error: expected to happen, reported to whoever can act. */
export class MuaraError extends Error {
  override readonly name = "MuaraError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: MuaraErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Whether the same call may succeed later without anybody changing it. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** Whether a store could not do it now and may later; what it was asked for has not happened, or nobody knows. */
export function isStoreTrouble(error: unknown): error is MuaraError {
  return hasCode(error, "store.unavailable") || hasCode(error, "store.full");
}

export function hasCode(error: unknown, code: ErrorCode): error is MuaraError {
  return error instanceof MuaraError && error.code === code;
}
