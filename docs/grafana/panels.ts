/**
 * The panels of the board, by row: a row for each group of the catalogue (core/metric-catalogue.ts), in an event's
 * order. A test evaluates every query on a Prometheus that scrapes a running Muara.
 */

export interface Panel {
  readonly title: string;
  /** Grafana's name of a unit. */
  readonly unit: "ops" | "short" | "s" | "bytes" | "Bps" | "percentunit" | "none" | "dateTimeFromNow";
  /** PromQL, and what a series is called. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** What it is for. */
  readonly description: string;
}

/** Samples of the processes chosen in the board. @param labels further matchers */
const of = (name: string, labels = ""): string =>
  `${name}{instance=~"$instance"${labels === "" ? "" : `,${labels}`}}`;
const tables = (name: string): string => of(name, 'table=~"$table"');
const rate = (name: string, labels = ""): string => `rate(${of(name, labels)}[$__rate_interval])`;
/** Totals that move with a table from process to process are one series. */
const tableRate = (name: string): string => `max by (table) (rate(${tables(name)}[$__rate_interval]))`;
const quantile = (q: number, name: string, by = ""): string =>
  `histogram_quantile(${q}, sum by (le${by === "" ? "" : `, ${by}`}) (${rate(`${name}_bucket`)}))`;
const quantiles = (name: string): Panel["queries"] => [
  [quantile(0.5, name), "p50"],
  [quantile(0.99, name), "p99"],
];

const DOORS: readonly Panel[] = [
  {
    title: "Events accepted by HTTP",
    unit: "ops",
    queries: [[`sum by (event_type) (${rate("muara_ingest_events_total")})`, "{{event_type}}"]],
    description: "Acknowledged: durable in the log.",
  },
  {
    title: "Events refused",
    unit: "ops",
    queries: [[`sum by (code) (${rate("muara_ingest_refused_events_total")})`, "{{code}}"]],
    description: "Whose request was answered 422; docs/ERRORS.md says what each code means.",
  },
  {
    title: "Requests",
    unit: "ops",
    queries: [[`sum by (face, status) (${rate("muara_http_requests_total")})`, "{{face}} {{status}}"]],
    description: "Answers by face and status.",
  },
  {
    title: "Time to answer, p99",
    unit: "s",
    queries: [[quantile(0.99, "muara_http_request_seconds", "face"), "{{face}}"]],
    description: "To the head of the answer.",
  },
  {
    title: "Waiting for the log",
    unit: "s",
    queries: [[of("muara_ingest_wait_seconds"), "{{instance}}"]],
    description: "Beyond limits.queueMs producers get 429.",
  },
  {
    title: "Bodies in memory",
    unit: "bytes",
    queries: [[of("muara_ingest_body_bytes"), "{{instance}}"]],
    description: "Beyond limits.inFlightBytes producers get 429.",
  },
  {
    title: "Refused access",
    unit: "ops",
    queries: [[`sum by (code) (${rate("muara_auth_refusals_total")})`, "{{code}}"]],
    description: "Without a token, with a bad one, or without the right.",
  },
  {
    title: "Pulled from other Nakadis",
    unit: "ops",
    queries: [
      [`sum by (pull) (${rate("muara_pull_events_total")})`, "{{pull}}"],
      [`sum by (pull) (${rate("muara_pull_refused_events_total")})`, "{{pull}}, to dead letters"],
    ],
    description: "Resends among them.",
  },
  {
    title: "Pulls",
    unit: "short",
    queries: [
      [of("muara_pull_streaming"), "{{pull}} streams"],
      [`sum by (pull) (${rate("muara_pull_streams_total")})`, "{{pull}} streams opened per second"],
      [`sum by (pull) (${rate("muara_pull_commits_total")})`, "{{pull}} commits per second"],
    ],
    description: "1 while a pull has its stream.",
  },
];

const LOG: readonly Panel[] = [
  {
    title: "Records appended",
    unit: "ops",
    queries: [[`sum by (stream) (${rate("muara_log_records_total")})`, "{{stream}}"]],
    description: "By whichever door.",
  },
  {
    title: "Bytes appended",
    unit: "Bps",
    queries: [[`sum by (stream) (${rate("muara_log_appended_bytes_total")})`, "{{stream}}"]],
    description: "Payloads.",
  },
  {
    title: "Time until durable",
    unit: "s",
    queries: quantiles("muara_log_append_seconds"),
    description: "Of a batch; it is what a producer waits for.",
  },
  {
    title: "Appends that failed",
    unit: "ops",
    queries: [
      [`sum by (code) (${rate("muara_log_append_failures_total")}) or vector(0)`, "{{code}}"],
      [`max(${of("muara_log_refusing")})`, "the log takes nothing"],
    ],
    description: "None is lost: the producer has been told.",
  },
];

const LANDING: readonly Panel[] = [
  {
    title: "Landed",
    unit: "ops",
    queries: [[tableRate("muara_landed_events_total"), "{{table}}"]],
    description: "Rows that became visible to SQL.",
  },
  {
    title: "Duplicates",
    unit: "ops",
    queries: [[tableRate("muara_duplicate_events_total"), "{{table}}"]],
    description: "Resends that were recognised.",
  },
  {
    title: "Dead letters",
    unit: "short",
    queries: [[`max by (table) (${tables("muara_dead_letters_total")})`, "{{table}}"]],
    description: "Ever; muara dead-letters list shows them.",
  },
  {
    title: "In flight",
    unit: "short",
    queries: [[tables("muara_in_flight_events"), "{{table}}"]],
    description: "In the log and not landed.",
  },
  {
    title: "Lag of landing",
    unit: "s",
    queries: [[tables("muara_land_lag_seconds"), "{{table}}"]],
    description: "How long the oldest of them waits.",
  },
  {
    title: "Freshness",
    unit: "s",
    queries: quantiles("muara_land_freshness_seconds"),
    description: "From acceptance until SQL sees it, of the oldest event of each commit.",
  },
  {
    title: "Commit and settling",
    unit: "s",
    queries: [
      [quantile(0.99, "muara_land_commit_seconds"), "commit p99"],
      [`${rate("muara_land_settle_seconds_sum")} or vector(0)`, "settling, s of each second"],
    ],
    description: "Settling looks into the lake for ids that memory does not hold any more.",
  },
  {
    title: "State, interval, attempts lost",
    unit: "short",
    queries: [
      [`count by (state) (${tables("muara_land_state")})`, "{{state}}"],
      [`max(${tables("muara_land_interval_seconds")})`, "longest interval, s"],
      [`sum(${rate("muara_land_lost_attempts_total")}) or vector(0)`, "lost per second"],
    ],
    description: "Tables by state of their landing.",
  },
  {
    title: "Behind by the watermark",
    unit: "s",
    queries: [[`time() - max by (table) (${tables("muara_table_watermark_seconds")})`, "{{table}}"]],
    description: "Event time that is not complete yet.",
  },
  {
    title: "Known ids",
    unit: "short",
    queries: [[tables("muara_land_known_ids"), "{{table}}"]],
    description: "Within the horizon.",
  },
];

const LAKE: readonly Panel[] = [
  {
    title: "Commits",
    unit: "ops",
    queries: [[`sum by (outcome) (${rate("muara_table_commits_total")})`, "{{outcome}}"]],
    description: "Abandoned: another came first, and it was decided again.",
  },
  {
    title: "Time of a commit",
    unit: "s",
    queries: quantiles("muara_table_commit_seconds"),
    description: "All tables.",
  },
  {
    title: "Size of tables",
    unit: "bytes",
    queries: [[tables("muara_table_bytes"), "{{table}}"]],
    description: "Of the newest version.",
  },
  {
    title: "Files and versions",
    unit: "short",
    queries: [
      [tables("muara_table_files"), "{{table}} files"],
      [`max by (table) (deriv(${tables("muara_table_version")}[$__rate_interval]))`, "{{table}} commits/s"],
    ],
    description: "Compaction keeps files few.",
  },
  {
    title: "Upkeep",
    unit: "s",
    queries: [
      [`sum by (task) (${rate("muara_upkeep_seconds_sum")})`, "{{task}}, s of each second"],
      [`sum by (task) (${rate("muara_upkeep_failures_total")}) or vector(0)`, "{{task}} failures/s"],
    ],
    description: "What compaction, retention, sweeping and exports take.",
  },
  {
    title: "Iceberg exports behind",
    unit: "s",
    queries: [
      [tables("muara_iceberg_behind_seconds"), "{{table}}"],
      [tables("muara_iceberg_behind_versions"), "{{table}}, commits"],
      [`changes(${tables("muara_iceberg_version")}[$__range])`, "{{table}}, exports"],
    ],
    description: "Tables that are exported.",
  },
];

const QUERY: readonly Panel[] = [
  {
    title: "Queries",
    unit: "ops",
    queries: [[`sum by (outcome) (${rate("muara_queries_total")})`, "{{outcome}}"]],
    description: "By outcome: ok, or the error's code.",
  },
  {
    title: "Time of a query",
    unit: "s",
    queries: quantiles("muara_query_seconds"),
    description: "The wait for a slot included.",
  },
  {
    title: "Memory of a query",
    unit: "bytes",
    queries: quantiles("muara_query_memory_bytes"),
    description: "Most that its process had; query.memoryBytes is the limit.",
  },
  {
    title: "Slots",
    unit: "short",
    queries: [
      [of("muara_queries_running"), "{{instance}} running"],
      [of("muara_queries_waiting"), "{{instance}} waiting"],
    ],
    description: "Of query.concurrency.",
  },
  {
    title: "Answers",
    unit: "short",
    queries: [
      [`sum(${rate("muara_query_rows_total")})`, "rows/s"],
      [`sum(${rate("muara_query_answer_bytes_total")})`, "bytes/s"],
    ],
    description: "What was read.",
  },
];

const JOBS: readonly Panel[] = [
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

const ALERTS: readonly Panel[] = [
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

const CAPTURES: readonly Panel[] = [
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

const DELIVERIES: readonly Panel[] = [
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

const PROCESS: readonly Panel[] = [
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
      [`${of("muara_build_info")}`, "{{instance}} {{version}} on {{runtime}}"],
      [`time() - ${of("process_start_time_seconds")}`, "{{instance}} up, s"],
      [of("muara_metrics_left_out"), "{{instance}} series left out"],
    ],
    description: "What runs, and since when.",
  },
];

/** By the catalogue's groups. */
export const PANELS: Readonly<Record<string, readonly Panel[]>> = {
  Doors: DOORS,
  Log: LOG,
  Landing: LANDING,
  Lake: LAKE,
  Query: QUERY,
  Jobs: JOBS,
  Alerts: ALERTS,
  Captures: CAPTURES,
  Deliveries: DELIVERIES,
  Process: PROCESS,
};
