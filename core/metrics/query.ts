/** Metrics of SQL. */
import { MEMORY, type Metric, SECONDS } from "../metric.ts";

export const QUERY_METRICS = {
  muara_queries: {
    type: "counter",
    help: "Queries that ended: ok, or the code of the error.",
    labels: ["outcome"],
  },
  muara_query_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "From the wait for a slot until the answer was read to its end.",
    labels: [],
    bounds: SECONDS,
  },
  muara_query_memory_bytes: {
    type: "histogram",
    unit: "bytes",
    help: "Most memory that a query's process was seen to have; query.memoryBytes is the limit.",
    labels: [],
    bounds: MEMORY,
  },
  muara_query_rows: { type: "counter", help: "Rows of answers.", labels: [] },
  muara_query_answer_bytes: { type: "counter", unit: "bytes", help: "Bytes of answers.", labels: [] },
  muara_queries_running: {
    type: "gauge",
    help: "Slots in use, of query.concurrency.",
    labels: [],
  },
  muara_queries_waiting: { type: "gauge", help: "Queries that wait for a slot.", labels: [] },
} as const satisfies Readonly<Record<string, Metric>>;
