/** Codes of business processes and their cases. */
import type { ErrorEntry } from "./error-entry.ts";

export const BUSINESS_PROCESS_ERRORS = {
  "case.not_found": {
    status: 404,
    retryable: false,
    help: "No event that names this case has landed. Look at the process's case key, and at the dead letters.",
  },
  "process.not_found": {
    status: 404,
    retryable: false,
    help: "No such process, or none all of whose tables you may read. `muara process list` shows them.",
  },
  "process.refused": {
    status: 422,
    retryable: false,
    help: "The declaration cannot be run. The message names the field and says why.",
  },
  "process.too_many": {
    status: 409,
    retryable: false,
    help: "Remove a process that is not needed. There may be 1,000.",
  },
} as const satisfies Record<string, ErrorEntry>;
