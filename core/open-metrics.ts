/**
 * What `/metrics` tells, as OpenMetrics 1.0 text. Every metric
 * stands in the catalogue with its unit and a sentence, so that none is exposed that nobody has described. Units are
 * the base ones of the specification: seconds, bytes.
 */

export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

interface Metric {
  /** Default: gauge. A counter's samples are called NAME_total, as the specification has it. */
  readonly type?: "counter";
  readonly unit?: "seconds" | "bytes";
  readonly help: string;
}

/** By name; a unit is the name's last word. */
export const METRICS = {
  muara_alert_waiting: { help: "Alerts that a receiver of a rule has not been told yet." },
  muara_alerts: {
    help: "1 for each alert that is pending or firing, with its labels, as Prometheus's ALERTS.",
  },
  muara_rule_complete_seconds: {
    unit: "seconds",
    help: "Event time up to which the tables that a rule reads are complete, since 1970 UTC.",
  },
  muara_rule_evaluations: { help: "Evaluations of a rule since its process runs it." },
  muara_rule_failing: { help: "1 while a rule cannot be evaluated, or a receiver of it takes nothing." },
  muara_rule_no_data: { help: "1 while nothing can be said, since the tables that a rule reads are behind." },
  muara_rule_series: { help: "Series of a drop rule." },
  muara_rule_warming_series: { help: "Of these, those without enough weeks behind them." },
  muara_iceberg_behind_seconds: {
    unit: "seconds",
    help: "Between the commits of the newest version of a table and of the one that its Iceberg export shows.",
  },
  muara_iceberg_behind_versions: {
    help: "Commits of a table that its Iceberg export does not show yet.",
  },
  muara_iceberg_version: { help: "The table's version that its Iceberg export shows." },
  muara_lineage_dropped: {
    type: "counter",
    help: "OpenLineage events that nobody took, or for which the queue had no room.",
  },
  muara_lineage_sent: { type: "counter", help: "OpenLineage events that were taken." },
  muara_lineage_waiting: { help: "OpenLineage events that wait for their receiver." },
  muara_job_behind_seconds: {
    help: "Event time between the lowest watermark of a job's inputs and what it has released.",
    unit: "seconds",
  },
  muara_job_behind_versions: { help: "Commits of a job's inputs that its results do not have." },
  muara_job_failing: { help: "1 while a job cannot go on." },
  muara_job_rebuilds: { help: "How often a job's state was made anew since its process runs it." },
  muara_job_released_seconds: { help: "Event time up to which a job's results are final, since 1970 UTC." },
  muara_job_rows: { help: "Rows that a job has brought to its output table since its process runs it." },
  muara_job_state_rows: { help: "Rows that a job keeps." },
  muara_job_steps: { help: "Steps of a job since its process runs it." },
  muara_job_stored_rows: { help: "Rows in the file of a job's state, deleted ones among them." },
  muara_delivery_dead_rows: { help: "Rows of a delivery that its receiver has refused, ever." },
  muara_delivery_failing: { help: "1 while a delivery's receiver takes nothing." },
  muara_delivery_rows: { help: "Rows that a delivery has brought to its receiver, ever, each counted once." },
  muara_delivery_version: { help: "The version of its table that a delivery has come to." },
  muara_capture_alert: { help: "1 for each reason for which a capture needs a person." },
  muara_capture_changes: {
    type: "counter",
    help: "Changes of a source that were appended since this process started, resends among them.",
  },
  muara_capture_confirmed_lag_bytes: {
    unit: "bytes",
    help: "Log of a source between its end and what its slot knows to be durable here.",
  },
  muara_capture_copied_rows: { help: "Rows of a table that its capture has copied." },
  muara_capture_durable_lsn: { help: "Place in the source's log up to which all changes are durable here." },
  muara_capture_last_commit_age_seconds: {
    unit: "seconds",
    help: "Since the newest transaction of a source that is durable here was committed.",
  },
  muara_capture_queue_bytes: {
    unit: "bytes",
    help: "Changes of a source that were read and are not durable yet.",
  },
  muara_capture_retained_bytes: { unit: "bytes", help: "Log that a source keeps for a capture's slot." },
  muara_capture_safe_bytes: {
    unit: "bytes",
    help: "What a source may still write before a capture's slot is in danger; absent without a limit.",
  },
  muara_capture_safe_seconds: {
    unit: "seconds",
    help: "Until a capture's slot is in danger, if its source goes on writing as it does while nobody reads.",
  },
  muara_capture_sessions: {
    type: "counter",
    help: "Streams of a source that were opened since this process started.",
  },
  muara_capture_streaming: { help: "1 while a capture has a stream in this process." },
  muara_capture_wal_status: { help: "1 for what its source says of a capture's slot." },
  muara_pull_events: {
    type: "counter",
    help: "Events of another Nakadi that were appended since this process started, resends among them.",
  },
  muara_pull_refused_events: {
    type: "counter",
    help: "Of these, those that our door would refuse: they become dead letters.",
  },
  muara_pull_commits: { type: "counter", help: "Times that cursors were committed to the other Nakadi." },
  muara_pull_streams: { type: "counter", help: "Streams that a pull has opened since this process started." },
  muara_pull_streaming: { help: "1 while a pull has a stream, 0 while it waits or tries again." },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

export interface Sample {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics without a sample are left out. */
export function renderMetrics(samples: readonly Sample[]): string {
  const lines: string[] = [];
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const own = samples.filter((sample) => sample.name === name);
    if (own.length === 0) continue;
    const { type, unit, help }: Metric = METRICS[name];
    lines.push(`# TYPE ${name} ${type ?? "gauge"}`);
    if (unit) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escaped(help)}`);
    const shown = type === "counter" ? `${name}_total` : name;
    for (const { labels, value } of own) lines.push(`${shown}${labelText(labels)} ${value}`);
  }
  return `${[...lines, "# EOF"].join("\n")}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
