/** Codes of stream jobs. */
import type { ErrorEntry } from "./error-entry.ts";

export const JOB_ERRORS = {
  "job.engine_failed": {
    status: 503,
    retryable: true,
    help: "The job's process was ended: the message says by what. It begins again by itself; raise the limit that it names, or change the query.",
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
    help: "The commits that the job has not read yet are no longer kept. Remove it and deploy it again: it then starts from a snapshot.",
  },
  "job.refused": {
    status: 422,
    retryable: false,
    help: "The job's text cannot be run as a stream: the message says where and why. Change it to the form that it names.",
  },
  "job.unsupported": {
    status: 422,
    retryable: false,
    help: "The job has a result that no table can hold. Cast the column that the message names.",
  },
} as const satisfies Record<string, ErrorEntry>;
