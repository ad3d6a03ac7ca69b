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
  "job.incompatible": {
    status: 409,
    retryable: false,
    help: "A later text keeps the columns of the results and their types; it may add some. Or take another table.",
  },
  "job.limits": {
    status: 409,
    retryable: false,
    help: "Ask for less, remove a job that is not needed, or raise the limit of `jobs` that the message names.",
  },
  "job.loop": {
    status: 409,
    retryable: false,
    help: "The job would read what it writes, by way of what the message names. Read another table.",
  },
  "job.not_running": {
    status: 503,
    retryable: true,
    help: "The job begins, has stopped, or runs in another process. `muara job show` says how it goes; ask again.",
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
  "job.superseded": {
    status: 409,
    retryable: true,
    help: "A newer text of the job has taken over, in another process. This one ends by itself.",
  },
  "job.unsupported": {
    status: 422,
    retryable: false,
    help: "The job has a result that no table can hold. Cast the column that the message names.",
  },
  "job.version_not_found": {
    status: 404,
    retryable: false,
    help: "The job had no such text, or it is too long ago. `muara job show` lists those that are kept.",
  },
} as const satisfies Record<string, ErrorEntry>;
