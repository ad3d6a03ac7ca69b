/** Codes of reconciliation. */
import type { ErrorEntry } from "./error-entry.ts";

export const RECONCILIATION_ERRORS = {
  "reconciliation.impossible": {
    status: 409,
    retryable: false,
    help: "There is nothing to compare yet: the message says what is missing. See `muara capture list`.",
  },
  "reconciliation.behind": {
    status: 504,
    retryable: true,
    help: "The capture or landing has not come to the snapshot's place in time. See why it lags, or wait longer.",
  },
} as const satisfies Record<string, ErrorEntry>;
