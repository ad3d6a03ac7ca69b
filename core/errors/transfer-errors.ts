/** Codes of what goes from one system to another: pulls and deliveries. */
import type { ErrorEntry } from "./error-entry.ts";

export const TRANSFER_ERRORS = {
  "pull.protocol": {
    status: 502,
    retryable: true,
    help: "What answers is no Nakadi, or something between changes its answers. Check the pull's `url`.",
  },
  "pull.unmapped": {
    status: 500,
    retryable: false,
    help: "The subscription has an event type that the pull's `eventTypes` does not name. Add it there.",
  },
} as const satisfies Record<string, ErrorEntry>;
