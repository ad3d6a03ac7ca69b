/** Metrics of stream jobs. */
import { type Metric, SECONDS } from "../metric.ts";

export const JOB_METRICS = {
  muara_job_behind_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Event time between the lowest watermark of a job's inputs and what it has released.",
    labels: ["job"],
  },
  muara_job_behind_versions: {
    type: "gauge",
    help: "Commits of a job's inputs that its results do not have.",
    labels: ["job"],
  },
  muara_job_failing: { type: "gauge", help: "1 while a job cannot go on.", labels: ["job"] },
  muara_job_rebuilds: {
    type: "counter",
    help: "How often a job's state was made anew since its process runs it.",
    labels: ["job"],
  },
  muara_job_released_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Event time up to which a job's results are final, since 1970 UTC.",
    labels: ["job"],
  },
  muara_job_rows: {
    type: "counter",
    help: "Rows that a job has brought to its output table since its process runs it.",
    labels: ["job"],
  },
  muara_job_state_rows: { type: "gauge", help: "Rows that a job keeps.", labels: ["job"] },
  muara_job_step_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "A step of a job that moved it: commits of inputs read, computed, results committed.",
    labels: ["job"],
    bounds: SECONDS,
  },
  muara_job_steps: {
    type: "counter",
    help: "Steps of a job since its process runs it.",
    labels: ["job"],
  },
  muara_job_stored_rows: {
    type: "gauge",
    help: "Rows in the file of a job's state, deleted ones among them.",
    labels: ["job"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
