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
  "rule.limits": {
    status: 409,
    retryable: false,
    help: "Remove a rule that is not needed, or raise the limit of `alerts` that the message names.",
  },
  "rule.not_found": {
    status: 404,
    retryable: false,
    help: "No such rule, or it is another one's. `muara rule list` shows them.",
  },
  "rule.refused": {
    status: 422,
    retryable: false,
    help: "The rule cannot be evaluated, or its rows cannot be alerts. The message says why.",
  },
  "silence.limits": {
    status: 409,
    retryable: false,
    help: "Let silences expire that are not needed, or raise alerts.silences.",
  },
  "silence.not_found": {
    status: 404,
    retryable: false,
    help: "No such silence. `muara alert silence list` shows them.",
  },
} as const satisfies Record<string, ErrorEntry>;
