/** Panels of an event's way: from the doors to queries. */
import { of, quantile, quantiles, rate, tableRate, tables, type Panel } from "./panel.ts";

export const DOORS: readonly Panel[] = [
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

export const LOG: readonly Panel[] = [
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
  {
    title: "Disk of the log",
    unit: "bytes",
    queries: [
      [of("muara_log_disk_bytes"), "{{instance}}"],
      [of("muara_log_disk_budget_bytes"), "{{instance}}, budget"],
    ],
    description: "Of a log in a folder. Beyond its budget producers get 507; nothing is deleted for it.",
  },
  {
    title: "Segments of the log",
    unit: "short",
    queries: [[of("muara_log_segments"), "{{instance}}"]],
    description: "Those only grow in number whose events a consumer still needs.",
  },
];

export const LANDING: readonly Panel[] = [
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

export const LAKE: readonly Panel[] = [
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

export const QUERY: readonly Panel[] = [
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
