/** Metrics of the log, seen from the process that appends to it. */
import { type Metric, SECONDS } from "../metric.ts";

export const LOG_METRICS = {
  muara_log_records: {
    type: "counter",
    help: "Records that this process has made durable, whichever door they came by.",
    labels: ["stream"],
  },
  muara_log_appended_bytes: {
    type: "counter",
    unit: "bytes",
    help: "Payloads of these records.",
    labels: ["stream"],
  },
  muara_log_append_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Until a batch is durable: what a producer waits for.",
    labels: [],
    bounds: SECONDS,
  },
  muara_log_append_failures: {
    type: "counter",
    help: "Batches that were refused, or of which nobody knows.",
    labels: ["code"],
  },
  muara_log_disk_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Segments of a log in a folder, with their indexes; absent for logs on Kafka and S3.",
    labels: [],
  },
  muara_log_disk_budget_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "What these may take (`journal.diskBytes`) until appends are refused with log.full.",
    labels: [],
  },
  muara_log_segments: {
    type: "gauge",
    help: "How many these are. One goes when all its events are too old, and nobody needs them.",
    labels: [],
  },
  muara_log_refusing: {
    type: "gauge",
    help: "1 while the log takes nothing until somebody acts (log.full); absent where it cannot tell.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, Metric>>;
