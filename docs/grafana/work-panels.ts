/** Panels of what works on tables, and of the process. */
import { of, quantile, quantiles, rate, tables, type Panel } from "./panel.ts";

export const JOBS: readonly Panel[] = [
  {
    title: "Jobs behind",
    unit: "s",
    queries: [
      [of("muara_job_behind_seconds"), "{{job}}"],
      [of("muara_job_behind_versions"), "{{job}}, commits"],
    ],
    description: "Event time between inputs and results.",
  },
  {
    title: "Final up to",
    unit: "s",
    queries: [[`time() - max by (job) (${of("muara_job_released_seconds")})`, "{{job}}"]],
    description: "Age of the event time up to which results are final.",
  },
  {
    title: "Steps and rows",
    unit: "ops",
    queries: [
      [`sum by (job) (${rate("muara_job_steps_total")})`, "{{job}} steps"],
      [`sum by (job) (${rate("muara_job_rows_total")})`, "{{job}} rows"],
    ],
    description: "Rows that came into the output table.",
  },
  {
    title: "Time of a step, p99",
    unit: "s",
    queries: [[quantile(0.99, "muara_job_step_seconds", "job"), "{{job}}"]],
    description: "Read, computed, committed.",
  },
  {
    title: "State",
    unit: "short",
    queries: [
      [of("muara_job_state_rows"), "{{job}} kept"],
      [of("muara_job_stored_rows"), "{{job}} in the file"],
    ],
    description: "Rows that a job keeps.",
  },
  {
    title: "Failing and rebuilt",
    unit: "short",
    queries: [
      [of("muara_job_failing"), "{{job}} fails"],
      [of("muara_job_rebuilds_total"), "{{job}} rebuilt"],
    ],
    description: "1 while a job cannot go on.",
  },
];

export const ALERTS: readonly Panel[] = [
  {
    title: "Alerts",
    unit: "short",
    queries: [[`count by (alertname, alertstate) (${of("muara_alerts")})`, "{{alertname}} {{alertstate}}"]],
    description: "Pending and firing.",
  },
  {
    title: "Not told yet",
    unit: "short",
    queries: [[of("muara_alert_waiting"), "{{rule}} to {{receiver}}"]],
    description: "Alerts that a receiver has not taken.",
  },
  {
    title: "Evaluations",
    unit: "ops",
    queries: [[`sum by (rule) (${rate("muara_rule_evaluations_total")})`, "{{rule}}"]],
    description: "A rule that is not evaluated says nothing.",
  },
  {
    title: "Rules that cannot say",
    unit: "short",
    queries: [
      [of("muara_rule_failing"), "{{rule}} fails"],
      [of("muara_rule_no_data"), "{{rule}} has no data"],
    ],
    description: "1 while it is so.",
  },
  {
    title: "Complete through, series",
    unit: "short",
    queries: [
      [`time() - ${of("muara_rule_complete_seconds")}`, "{{rule}} behind, s"],
      [of("muara_rule_series"), "{{rule}} series"],
      [of("muara_rule_warming_series"), "{{rule}} warming"],
    ],
    description: "What the rules' tables have; series are of drop rules.",
  },
];

export const CAPTURES: readonly Panel[] = [
  {
    title: "Changes captured",
    unit: "ops",
    queries: [[`sum by (capture) (${rate("muara_capture_changes_total")})`, "{{capture}}"]],
    description: "Resends among them.",
  },
  {
    title: "Log kept by slots",
    unit: "bytes",
    queries: [
      [of("muara_capture_retained_bytes"), "{{capture}} kept"],
      [of("muara_capture_confirmed_lag_bytes"), "{{capture}} not confirmed"],
      [of("muara_capture_safe_bytes"), "{{capture}} until in danger"],
    ],
    description: "On the source; a slot that nobody reads fills its disk.",
  },
  {
    title: "Age of the newest change",
    unit: "s",
    queries: [
      [of("muara_capture_last_commit_age_seconds"), "{{capture}}"],
      [of("muara_capture_safe_seconds"), "{{capture}} until the slot is in danger"],
    ],
    description: "A quiet source ages as well.",
  },
  {
    title: "Streams",
    unit: "short",
    queries: [
      [of("muara_capture_streaming"), "{{capture}} streams"],
      [of("muara_capture_sessions_total"), "{{capture}} opened"],
      [`${of("muara_capture_wal_status")} == 1`, "{{capture}} slot {{status}}"],
      [of("muara_capture_alert"), "{{capture}} needs a person: {{reason}}"],
    ],
    description: "1 while a capture has a stream.",
  },
  {
    title: "Read and not durable; place",
    unit: "bytes",
    queries: [
      [of("muara_capture_queue_bytes"), "{{capture}}"],
      [`rate(${of("muara_capture_durable_lsn")}[$__rate_interval])`, "{{capture}}, log of the source/s"],
    ],
    description: "Bounded by capture.queueBytes.",
  },
  {
    title: "Rows copied",
    unit: "short",
    queries: [[tables("muara_capture_copied_rows"), "{{capture}} {{table}}"]],
    description: "First copies of tables.",
  },
];

export const DELIVERIES: readonly Panel[] = [
  {
    title: "Rows delivered",
    unit: "ops",
    queries: [[`max by (delivery) (${rate("muara_delivery_rows_total")})`, "{{delivery}}"]],
    description: "Each counted once.",
  },
  {
    title: "Deliveries behind",
    unit: "s",
    queries: [
      [of("muara_delivery_behind_seconds"), "{{delivery}}"],
      [of("muara_delivery_behind_versions"), "{{delivery}}, commits"],
    ],
    description: "Age of the oldest commit that is not delivered.",
  },
  {
    title: "Retries and failing",
    unit: "short",
    queries: [
      [`sum by (delivery) (${rate("muara_delivery_retries_total")}) or vector(0)`, "{{delivery}} retries/s"],
      [of("muara_delivery_failing"), "{{delivery}} fails"],
    ],
    description: "1 while a receiver takes nothing.",
  },
  {
    title: "Rows refused, versions",
    unit: "short",
    queries: [
      [of("muara_delivery_dead_rows_total"), "{{delivery}} refused"],
      [of("muara_delivery_version"), "{{delivery}} version"],
    ],
    description: "Dead letters of a delivery, ever.",
  },
];

export const LINEAGE: readonly Panel[] = [
  {
    title: "Lineage events",
    unit: "ops",
    queries: [
      [rate("muara_lineage_sent_total"), "{{instance}} sent"],
      [rate("muara_lineage_dropped_total"), "{{instance}} dropped"],
    ],
    description: "OpenLineage events a second, and those that nobody will see.",
  },
  {
    title: "Lineage events waiting",
    unit: "short",
    queries: [[of("muara_lineage_waiting"), "{{instance}}"]],
    description: "What the receiver has not taken; beyond lineage.queue they are dropped.",
  },
];

export const PROCESS: readonly Panel[] = [
  {
    title: "CPU",
    unit: "percentunit",
    queries: [[rate("process_cpu_seconds_total"), "{{instance}}"]],
    description: "Of one core; processes of queries and jobs are their own.",
  },
  {
    title: "Memory",
    unit: "bytes",
    queries: [
      [of("process_resident_memory_bytes"), "{{instance}} resident"],
      [of("muara_heap_bytes"), "{{instance}} heap"],
      [of("muara_buffers_bytes"), "{{instance}} buffers"],
    ],
    description: "Resident, and what of it is known.",
  },
  {
    title: "Kernel",
    unit: "bytes",
    queries: [
      [of("muara_kernel_memory_bytes"), "{{instance}} WebAssembly"],
      [of("muara_kernel_used_bytes"), "{{instance}} in use"],
      [of("muara_identity_bytes"), "{{instance}} ids"],
    ],
    description: "WebAssembly memory never shrinks; ids are bounded by land.dedupBytes.",
  },
  {
    title: "Event loop delay",
    unit: "s",
    queries: quantiles("muara_event_loop_delay_seconds"),
    description: "How late timers fire.",
  },
  {
    title: "Garbage",
    unit: "percentunit",
    queries: [[`sum by (kind) (${rate("muara_gc_pause_seconds_sum")})`, "{{kind}}"]],
    description: "Share of time in collections.",
  },
  {
    title: "Build, age",
    unit: "short",
    queries: [
      [of("muara_build_info"), "{{instance}} {{version}} on {{runtime}}"],
      [`time() - ${of("process_start_time_seconds")}`, "{{instance}} up, s"],
      [of("muara_metrics_left_out"), "{{instance}} series left out"],
    ],
    description: "What runs, and since when.",
  },
];
