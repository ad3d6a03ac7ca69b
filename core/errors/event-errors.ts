/** Codes of events, of dead letters and of the log that carries events. */
import type { ErrorEntry } from "./error-entry.ts";

export const EVENT_ERRORS = {
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
  "dead_letter.captured": {
    status: 409,
    retryable: false,
    help: "A change of a captured table is not told later than it was. Write the row again, or copy the table anew.",
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
  "log.unavailable": {
    status: 503,
    retryable: true,
    help: "The log's servers do not answer. Check them and the network; Muara tries again by itself.",
  },
  "log.refused": {
    status: 500,
    retryable: false,
    help: "The log's servers refuse: credentials, rights, or how a topic is configured. The message has their words.",
  },
  "log.batch_too_large": {
    status: 413,
    retryable: false,
    help: "More events for one partition than the log takes at once. Send fewer, or raise max.message.bytes.",
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
    help: "What the log stored is damaged. Restore the file named, or let Kafka take another replica; delete nothing.",
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
} as const satisfies Record<string, ErrorEntry>;
