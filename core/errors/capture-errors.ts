/** Codes of captures: what is declared of them, and why one stands still. */
import type { ErrorEntry } from "./error-entry.ts";

export const CAPTURE_ERRORS = {
  "capture.not_found": {
    status: 404,
    retryable: false,
    help: "No such capture, or none that you may see. `muara capture list` shows them.",
  },
  "capture.too_many": {
    status: 409,
    retryable: false,
    help: "Remove a capture that is not needed, or raise `capture.captures`.",
  },
  "capture.conflict": {
    status: 409,
    retryable: false,
    help: "Two things want the same name. Give the event type of the table another one.",
  },
  "capture.refused": {
    status: 422,
    retryable: false,
    help: "The source is not ready to be captured. `details.findings` says what to do about each reason.",
  },
  "capture.stopped": {
    status: 409,
    retryable: false,
    help: "The capture cannot go on without a person: the message says why, and what to do.",
  },
} as const satisfies Record<string, ErrorEntry>;
