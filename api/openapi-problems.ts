/**
 * Which problems an operation answers with, by their codes: those of every call, those of what it takes, and those of
 * what it is about. A test provokes what can be provoked of them at every operation.
 */
import type { ErrorCode } from "../core/errors.ts";
import type { Json } from "./openapi-parts.ts";

const ALWAYS: readonly ErrorCode[] = ["request.timeout", "internal"];
const WITH_TOKEN: readonly ErrorCode[] = [
  "auth.missing",
  "auth.invalid",
  "auth.forbidden",
  "auth.unavailable",
];
const WITH_BODY: readonly ErrorCode[] = ["request.malformed", "request.media_type", "request.too_large"];
const LOG: readonly ErrorCode[] = ["log.unavailable", "log.overloaded", "log.full"];
const EVENTS: readonly ErrorCode[] = [
  ...LOG,
  "log.append_unknown",
  "auth.blocked",
  "quota.exceeded",
  "event_type.category",
  "batch.empty",
  "batch.too_many",
  "request.encoding",
];
const TYPE: readonly ErrorCode[] = ["event_type.not_found", "event_type.removing"];
const SCHEMA: readonly ErrorCode[] = [
  "event_type.invalid",
  "event_type.incompatible",
  "declaration.conflict",
];
const STREAM: readonly ErrorCode[] = ["stream.parameters", "stream.too_many", "auth.blocked", ...LOG];
const CURSOR: readonly ErrorCode[] = ["cursor.invalid", "cursor.unavailable", "partition.not_found"];
const TABLE: readonly ErrorCode[] = ["table.not_found", "table.unsupported", "store.unavailable"];
const SHARED: readonly ErrorCode[] = [...TABLE, "share.not_found", "table.version_not_found"];
const JOB: readonly ErrorCode[] = [
  "job.refused",
  "job.loop",
  "job.limits",
  "job.unsupported",
  "job.input_missing",
];
const DECLARED: readonly ErrorCode[] = ["declaration.conflict", ...LOG];

/** Method and address, and what may go wrong there; all that fit count. */
const AREAS: readonly (readonly [RegExp, readonly ErrorCode[]])[] = [
  [/^GET \/(api|errors)\/\{/, ["request.not_found"]],
  [/^POST \/(cloudevents|event-types\/\{name\}\/(deleted-)?events)$/, [...EVENTS, "feature.disabled"]],
  [/^\w+ \/cloudevents$/, ["event_type.not_found", "event.type_mismatch"]],
  [/ \/event-types\/\{name\}/, TYPE],
  [/^POST \/event-types$/, ["event_type.exists", ...SCHEMA, "feature.disabled", ...LOG]],
  [/^(PUT|DELETE) \/event-types\/\{name\}$/, [...SCHEMA, "feature.disabled", "event_type.in_use", ...LOG]],
  [/\/schemas/, [...SCHEMA, "request.malformed"]],
  [/partition-count$/, ["event_type.invalid", "feature.disabled", ...LOG]],
  [/^GET .*\/events$/, [...STREAM, ...CURSOR]],
  [/cursor|partitions|shifted/, [...CURSOR, "log.unavailable"]],
  [/ \/subscriptions\/\{id\}/, ["subscription.not_found", "event_type.not_found"]],
  [/^\w+ \/subscriptions/, ["subscription.invalid", "stream.parameters", "log.unavailable"]],
  [/^POST \/subscriptions$/, ["event_type.not_found", "feature.disabled"]],
  [/ \/subscriptions\/\{id\}\/events$/, ["subscription.no_slot", ...STREAM]],
  [/ \/subscriptions\/\{id\}\/cursors$/, ["stream.unknown", "subscription.busy", ...CURSOR]],
  [/ \/settings/, ["settings.invalid", "declaration.conflict", "declaration.not_found"]],
  [
    / \/v1\/sql$/,
    [
      "sql.syntax",
      "sql.refused",
      "sql.failed",
      "sql.too_large",
      "sql.timeout",
      "sql.memory",
      "sql.answer_too_large",
      "sql.cache_too_small",
      "sql.unavailable",
      "sql.busy",
      "request.not_acceptable",
      "table.version_not_found",
      ...TABLE,
    ],
  ],
  [/ \/v1\/tables/, [...TABLE, "request.malformed"]],
  [/ \/v1\/tables\/\{table\}\/(diff|rollback)/, ["table.version_not_found"]],
  [/verify$/, ["table.verifying"]],
  [
    /(expire|rollback|sweep|compact|iceberg)$/,
    ["request.not_found", "table.paused", "table.commit_conflict"],
  ],
  [/expire$/, ["table.no_retention"]],
  [/erasures/, [...TABLE, "erasure.field", "erasure.too_large", "request.not_found"]],
  [/ \/v1\/(books|events)/, ["request.malformed", "event_type.not_found"]],
  [/ \/v1\/dead-letters/, ["request.malformed", "dead_letter.not_found"]],
  [
    /dead-letters\/replay/,
    ["dead_letter.replayed", "dead_letter.captured", "dead_letter.correction", "request.not_found", ...LOG],
  ],
  [/ \/v1\/duplicates/, ["request.malformed", "declaration.not_found"]],
  [/ \/v1\/jobs/, ["job.not_found", "request.malformed", "request.not_found"]],
  [
    /^(POST|PUT) \/v1\/jobs/,
    [...JOB, "job.output_taken", "job.incompatible", "job.version_not_found", ...DECLARED],
  ],
  [/preview$/, ["job.not_running"]],
  [/ \/v1\/processes/, ["process.not_found", "request.malformed"]],
  [/^POST \/v1\/processes/, ["process.refused", "process.too_many", ...JOB, "job.output_taken", ...DECLARED]],
  [/ \/v1\/cases/, ["case.not_found", "process.not_found", "request.malformed"]],
  [/ \/v1\/rules/, ["rule.not_found"]],
  [/^POST \/v1\/rules/, ["rule.refused", "rule.limits", ...DECLARED]],
  [/ \/v1\/alerts/, ["request.malformed"]],
  [/ \/v1\/silences/, ["silence.not_found", "silence.limits", "alert.matcher_invalid", ...DECLARED]],
  [/ \/v1\/captures/, ["capture.not_found"]],
  [
    /^(POST|DELETE|GET) \/v1\/captures.*(s|check|recopy|\})$/,
    [
      "capture.refused",
      "capture.conflict",
      "capture.too_many",
      "capture.stopped",
      "config.invalid",
      "source.unavailable",
      "source.refused",
      "source.busy",
      "request.malformed",
      ...DECLARED,
    ],
  ],
  [/reconciliations$/, ["reconciliation.impossible", "reconciliation.behind", "request.not_found"]],
  [/ \/v1\/deliveries/, ["delivery.not_found", "request.not_found", "request.malformed"]],
  [
    /^POST \/v1\/deliveries$/,
    ["delivery.target", "delivery.loop", "delivery.too_many", ...TABLE, ...DECLARED],
  ],
  [/ \/v1\/extracts/, ["extract.not_found", "request.malformed", "request.not_found"]],
  [/versions/, ["extract.expired", "extract.gone", "extract.corrupt"]],
  [/receipts$/, ["extract.receipt_differs", "extract.receipts_full"]],
  [/make$/, ["extract.failed"]],
  [
    / \/v1\/shares/,
    ["share.not_found", "share.invalid", "share.fixed", "declaration.not_found", ...DECLARED],
  ],
  [/^POST \/v1\/shares$/, TABLE],
  [/ \/delta-sharing\/shares/, ["share.not_found", "request.malformed"]],
  [/ \/delta-sharing\/shares.*tables\/\{table\}/, SHARED],
  [
    /(query|changes)$/,
    [
      "share.history_off",
      "share.too_large",
      "share.preparing",
      "share.busy",
      "share.changes_gone",
      "share.changes_erased",
    ],
  ],
  [/ \/delta-sharing\/files/, ["share.file_refused", "share.not_found", "store.unavailable"]],
  [/ \/v1\/live/, ["request.malformed", "stream.too_many", "event_type.not_found"]],
  [/ \/v1\/logs/, ["request.malformed"]],
  [/ \/v1\/tokens/, ["declaration.not_found", "request.malformed", ...LOG]],
  [/ \/v1\/roles/, ["declaration.not_found", "request.malformed", ...DECLARED]],
];

/** Codes, sorted, each once. */
export function problemsOf(method: string, address: string, operation: Json): readonly ErrorCode[] {
  const call = `${method.toUpperCase()} ${address}`;
  const isOpen = Array.isArray(operation["security"]);
  const codes = [
    ...ALWAYS,
    ...(isOpen ? [] : WITH_TOKEN),
    ...(operation["requestBody"] === undefined ? [] : WITH_BODY),
    ...AREAS.flatMap(([pattern, area]) => (pattern.test(call) ? area : [])),
  ];
  return [...new Set(codes)].toSorted();
}
