/** Metrics of the process itself. Those of the names `process_…` are what every exporter calls them. */
import { type Metric, SECONDS } from "../metric.ts";

export const PROCESS_METRICS = {
  muara_build: {
    type: "info",
    help: "What runs here.",
    labels: ["version", "runtime"],
  },
  process_cpu_seconds: {
    type: "counter",
    unit: "seconds",
    help: "CPU time of the process, its threads and the kernel's work for it.",
    labels: [],
  },
  process_resident_memory_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Memory of the process that is in the machine's; processes of queries and jobs are not in it.",
    labels: [],
  },
  process_start_time_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "When the process started, since 1970 UTC.",
    labels: [],
  },
  muara_heap_bytes: { type: "gauge", unit: "bytes", help: "Objects of JavaScript in use.", labels: [] },
  muara_buffers_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Memory outside of the heap that objects of JavaScript hold: buffers, WebAssembly.",
    labels: [],
  },
  muara_kernel_memory_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "WebAssembly memory of the kernel; it never gives any back.",
    labels: [],
  },
  muara_kernel_used_bytes: { type: "gauge", unit: "bytes", help: "Of that, in use.", labels: [] },
  muara_identity_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Of that, known ids of all tables; beyond land.dedupBytes the largest parts are sealed.",
    labels: [],
  },
  muara_event_loop_delay_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "How late a timer fires that is due ten times a second.",
    labels: [],
    bounds: SECONDS,
  },
  muara_gc_pause_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Collections of garbage; absent where the runtime does not tell.",
    labels: ["kind"],
    bounds: SECONDS,
  },
  muara_metrics_left_out: {
    type: "gauge",
    help: "Series that a metric would have beyond its bound, of all metrics together: 0 or something is wrong.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, Metric>>;
