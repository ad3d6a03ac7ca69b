/** Codes of stream jobs. */
import type { ErrorEntry } from "./error-entry.ts";

export const JOB_ERRORS = {
  "job.engine_failed": {
    status: 503,
    retryable: true,
    help: "The job's process has ended; the message says why. It begins again by itself. Raise a limit that it names.",
  },
  "job.input_missing": {
    status: 409,
    retryable: true,
    help: "The job reads a table or a column that is not there. Create it, or deploy the job with another text.",
  },
  "job.limits": {
    status: 409,
    retryable: false,
    help: "Ask for less, remove a job that is not needed, or raise the limit of `jobs` that the message names.",
  },
  "job.not_found": {
    status: 404,
    retryable: false,
    help: "No such job, or none whose output table you administer. `muara job list` shows them.",
  },
  "job.output_taken": {
    status: 409,
    retryable: false,
    help: "The output table belongs to somebody else, or has other columns. Choose another one.",
  },
  "job.overtaken": {
    status: 409,
    retryable: false,
    help: "Commits that the job has not read are no longer kept. Remove it and deploy it anew, into another table.",
  },
  "job.refused": {
    status: 422,
    retryable: false,
    help: "The text cannot be run as a stream. The message says where and why, and the nearest form.",
  },
  "job.unsupported": {
    status: 422,
    retryable: false,
    help: "The job has a result that no table can hold. Cast the column that the message names.",
  },
} as const satisfies Record<string, ErrorEntry>;
