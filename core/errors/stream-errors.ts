/** Codes of cursors, streams and subscriptions: Nakadi's reading side. */
import type { ErrorEntry } from "./error-entry.ts";

export const STREAM_ERRORS = {
  "cursor.invalid": {
    status: 422,
    retryable: false,
    help: "The cursor names a partition or an offset that is not there. GET /event-types/{name}/partitions lists them.",
  },
  "cursor.unavailable": {
    status: 412,
    retryable: false,
    help: "The stream cannot start there. GET /event-types/{name}/partitions lists what can be read.",
  },
  "partition.not_found": {
    status: 404,
    retryable: false,
    help: "The event type has no such partition. GET /event-types/{name}/partitions lists them.",
  },
  "stream.parameters": {
    status: 422,
    retryable: false,
    help: "Correct the parameter that the message names.",
  },
  "stream.too_many": {
    status: 429,
    retryable: true,
    help: "Close streams that are not needed, or raise the limit that the message names.",
  },
  "stream.unknown": {
    status: 422,
    retryable: false,
    help: "The stream has ended, or another one has the partition. Open a stream and commit what that one sends.",
  },
  "subscription.busy": {
    status: 409,
    retryable: true,
    help: "Its cursors are being reset, or others change it. Try again.",
  },
  "subscription.invalid": {
    status: 422,
    retryable: false,
    help: "Correct the field that the message names.",
  },
  "subscription.no_slot": {
    status: 409,
    retryable: true,
    help: "Every partition has a stream. Close one, or try again when one has ended.",
  },
  "subscription.not_found": {
    status: 404,
    retryable: false,
    help: "No such subscription is declared. GET /subscriptions lists what is.",
  },
} as const satisfies Record<string, ErrorEntry>;
