/** Codes of what goes from one system to another: pulls and deliveries. */
import type { ErrorEntry } from "./error-entry.ts";

export const TRANSFER_ERRORS = {
  "delivery.target": {
    status: 409,
    retryable: false,
    help: "A delivery cannot use the table that it goes to; the message says why, `docs/OPERATE.md` what it needs.",
  },
  "delivery.not_found": {
    status: 404,
    retryable: false,
    help: "No such delivery, or none of a table that you administer. `muara deliver list` shows them.",
  },
  "delivery.loop": {
    status: 409,
    retryable: false,
    help: "Its rows would come back into the table that it reads, as the message says. Take another event type.",
  },
  "delivery.too_many": {
    status: 409,
    retryable: false,
    help: "Delete a delivery that is not needed, or raise `deliver.deliveries`.",
  },
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
