/** Codes of alert rules, alerts and silences. */
import type { ErrorEntry } from "./error-entry.ts";

export const ALERT_ERRORS = {
  "alert.labels_twice": {
    status: 422,
    retryable: false,
    help: "Two results of the rule have the same labels. Give it a column that tells them apart.",
  },
  "alert.too_many": {
    status: 422,
    retryable: false,
    help: "The rule has more results than alerts are kept. Make its condition narrower, or its labels fewer.",
  },
  "alert.matcher_invalid": {
    status: 422,
    retryable: false,
    help: 'Matchers are written name="value", with =, !=, =~ or !~; expressions of =~ and !~ are those of RE2.',
  },
} as const satisfies Record<string, ErrorEntry>;
