/**
 * What is worth waking somebody, or a look in the morning, as Prometheus alert rules over Muara's own metrics. Each has
 * an entry of its own name in the runbook of docs/OPERATE.md.
 */

export interface AlertRule {
  readonly alert: string;
  /** PromQL. */
  readonly expr: string;
  /** As Prometheus has it: how long it must hold. */
  readonly for: string;
  /** `page`: now, `ticket`: today. */
  readonly severity: "page" | "ticket";
  readonly summary: string;
}

const DOWN: readonly AlertRule[] = [
  {
    alert: "MuaraDown",
    expr: 'up{job="muara"} == 0',
    for: "2m",
    severity: "page",
    summary: "{{ $labels.instance }} does not answer a scrape",
  },
  {
    alert: "MuaraRestarts",
    expr: "changes(process_start_time_seconds[1h]) > 3 and on (instance) muara_build_info",
    for: "0m",
    severity: "ticket",
    summary: "{{ $labels.instance }} has started {{ $value }} times within an hour",
  },
  {
    alert: "MuaraEventLoopSlow",
    expr: "histogram_quantile(0.99, sum by (instance, le) (rate(muara_event_loop_delay_seconds_bucket[5m]))) > 0.5",
    for: "10m",
    severity: "ticket",
    summary: "{{ $labels.instance }} is late by {{ $value }} s in one of a hundred moments",
  },
  {
    alert: "MuaraMetricsLeftOut",
    expr: "muara_metrics_left_out > 0",
    for: "0m",
    severity: "ticket",
    summary: "{{ $labels.instance }} has more series than its metrics may have",
  },
];

const ACCEPTING: readonly AlertRule[] = [
  {
    alert: "MuaraLogFull",
    expr: "muara_log_refusing == 1",
    for: "1m",
    severity: "page",
    summary: "The log of {{ $labels.instance }} takes nothing",
  },
  {
    alert: "MuaraLogFillsUp",
    expr: "muara_log_disk_bytes / muara_log_disk_budget_bytes > 0.8",
    for: "15m",
    severity: "ticket",
    summary: "The log of {{ $labels.instance }} has used {{ $value | humanizePercentage }} of its disk budget",
  },
  {
    alert: "MuaraAppendsFailing",
    expr: "sum by (instance, code) (rate(muara_log_append_failures_total[5m])) > 0",
    for: "5m",
    severity: "page",
    summary: "Appends of {{ $labels.instance }} fail: {{ $labels.code }}",
  },
  {
    alert: "MuaraDoorErrors",
    expr:
      'sum by (instance) (rate(muara_http_requests_total{face="door",status=~"5.."}[5m])) > 0.01 * ' +
      'sum by (instance) (rate(muara_http_requests_total{face="door"}[5m]))',
    for: "5m",
    severity: "page",
    summary: "More than one of a hundred requests to the door of {{ $labels.instance }} is answered 5xx",
  },
  {
    alert: "MuaraProducersHeldUp",
    expr: 'sum by (instance) (rate(muara_http_requests_total{face="door",status="429"}[5m])) > 0',
    for: "10m",
    severity: "ticket",
    summary: "Producers have been told to come back later by {{ $labels.instance }} for ten minutes",
  },
  {
    alert: "MuaraAccessRefused",
    expr: "sum by (instance, code) (rate(muara_auth_refusals_total[5m])) > 1",
    for: "10m",
    severity: "ticket",
    summary: "{{ $labels.instance }} refuses {{ $value }} requests/s: {{ $labels.code }}",
  },
  {
    alert: "MuaraPullStopped",
    expr: "max by (pull) (muara_pull_streaming) == 0",
    for: "10m",
    severity: "ticket",
    summary: "The pull {{ $labels.pull }} has no stream",
  },
];

const LANDING: readonly AlertRule[] = [
  {
    alert: "MuaraLandingStopped",
    expr: 'muara_land_state{state="stopped"} == 1',
    for: "1m",
    severity: "page",
    summary: "Landing of {{ $labels.table }} has stopped and does not go on by itself",
  },
  {
    alert: "MuaraLandingBehind",
    expr: "muara_land_lag_seconds > 60",
    for: "5m",
    severity: "page",
    summary: "Events of {{ $labels.table }} wait {{ $value }} s to land",
  },
  {
    alert: "MuaraNotFresh",
    expr: "histogram_quantile(0.99, sum by (instance, le) (rate(muara_land_freshness_seconds_bucket[10m]))) > 15",
    for: "15m",
    severity: "ticket",
    summary: "SQL of {{ $labels.instance }} sees events {{ $value }} s after their acceptance (p99)",
  },
  {
    alert: "MuaraDeadLetters",
    expr: "sum by (table) (increase(muara_dead_letters_total[15m])) > 0",
    for: "0m",
    severity: "ticket",
    summary: "Events of {{ $labels.table }} could not be landed",
  },
  {
    alert: "MuaraWatermarkStandsStill",
    expr:
      "time() - max by (table) (muara_table_watermark_seconds) > 3600 and " +
      "on (table) sum by (table) (increase(muara_landed_events_total[30m])) > 0",
    for: "15m",
    severity: "ticket",
    summary: "Events of {{ $labels.table }} land, but its watermark is {{ $value }} s old",
  },
  {
    alert: "MuaraCommitsFailing",
    expr: 'sum by (instance) (rate(muara_table_commits_total{outcome="failed"}[5m])) > 0',
    for: "10m",
    severity: "page",
    summary: "{{ $labels.instance }} cannot commit to tables of the lake",
  },
];

const LAKE: readonly AlertRule[] = [
  {
    alert: "MuaraUpkeepFailing",
    expr: "sum by (task) (increase(muara_upkeep_failures_total[1h])) > 3",
    for: "0m",
    severity: "ticket",
    summary: "The upkeep task {{ $labels.task }} fails again and again",
  },
  {
    alert: "MuaraIcebergStandsStill",
    expr: "muara_iceberg_behind_versions > 0 and changes(muara_iceberg_version[1h]) == 0",
    for: "15m",
    severity: "ticket",
    summary: "Readers of Iceberg see {{ $labels.table }} {{ $value }} commits behind",
  },
  {
    alert: "MuaraQueriesCutOff",
    expr: 'sum by (outcome) (rate(muara_queries_total{outcome=~"sql.(memory|timeout|busy|unavailable)"}[10m])) > 0.1',
    for: "10m",
    severity: "ticket",
    summary: "Queries end with {{ $labels.outcome }}",
  },
];

const WORK: readonly AlertRule[] = [
  {
    alert: "MuaraJobFailing",
    expr: "max by (job) (muara_job_failing) == 1",
    for: "5m",
    severity: "page",
    summary: "The job {{ $labels.job }} cannot go on",
  },
  {
    alert: "MuaraJobBehind",
    expr: "max by (job) (muara_job_behind_seconds) > 900",
    for: "15m",
    severity: "ticket",
    summary: "The job {{ $labels.job }} is {{ $value }} s of event time behind its inputs",
  },
  {
    alert: "MuaraRuleFailing",
    expr: "max by (rule) (muara_rule_failing) == 1",
    for: "5m",
    severity: "page",
    summary: "The rule {{ $labels.rule }} cannot be evaluated, or told",
  },
  {
    alert: "MuaraRuleWithoutData",
    expr: "max by (rule) (muara_rule_no_data) == 1",
    for: "15m",
    severity: "ticket",
    summary: "The rule {{ $labels.rule }} can say nothing: its tables are behind",
  },
  {
    alert: "MuaraAlertsNotTold",
    expr: "sum by (rule, receiver) (muara_alert_waiting) > 0",
    for: "10m",
    severity: "page",
    summary: "{{ $labels.receiver }} does not take alerts of {{ $labels.rule }}",
  },
  {
    alert: "MuaraCaptureNeedsSomebody",
    expr: "max by (capture, reason) (muara_capture_alert) == 1",
    for: "1m",
    severity: "page",
    summary: "The capture {{ $labels.capture }}: {{ $labels.reason }}",
  },
  {
    alert: "MuaraSlotInDanger",
    expr: "min by (capture) (muara_capture_safe_seconds) < 3600",
    for: "5m",
    severity: "page",
    summary: "The slot of {{ $labels.capture }} is in danger within {{ $value }} s",
  },
  {
    alert: "MuaraDeliveryFailing",
    expr: "max by (delivery) (muara_delivery_failing) == 1",
    for: "5m",
    severity: "page",
    summary: "The receiver of {{ $labels.delivery }} takes nothing",
  },
  {
    alert: "MuaraDeliveryBehind",
    expr: "max by (delivery) (muara_delivery_behind_seconds) > 900",
    for: "15m",
    severity: "ticket",
    summary: "The delivery {{ $labels.delivery }} is {{ $value }} s behind its table",
  },
  {
    alert: "MuaraDeliveryRefused",
    expr: "sum by (delivery) (increase(muara_delivery_dead_rows_total[15m])) > 0",
    for: "0m",
    severity: "ticket",
    summary: "The receiver of {{ $labels.delivery }} has refused rows",
  },
];

/** By the name of Prometheus's group. */
export const ALERT_RULES: Readonly<Record<string, readonly AlertRule[]>> = {
  "muara-process": DOWN,
  "muara-accepting": ACCEPTING,
  "muara-landing": LANDING,
  "muara-lake": LAKE,
  "muara-work": WORK,
};
