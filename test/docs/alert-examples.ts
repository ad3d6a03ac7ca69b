/**
 * For each alert rule series with which it fires after an hour, and others with which it does not (promtool's
 * notation).
 */

type Series = Readonly<Record<string, string>>;

const upTo = (name: string, le: string): string => `${name}_bucket{instance="a",le="${le}"}`;

export const FIRING: Readonly<Record<string, Series>> = {
  MuaraDown: { 'up{job="muara",instance="a"}': "0x70" },
  MuaraRestarts: {
    'process_start_time_seconds{instance="a"}': "1+1x70",
    'muara_build_info{instance="a"}': "1x70",
  },
  MuaraEventLoopSlow: {
    [upTo("muara_event_loop_delay_seconds", "0.5")]: "0+90x70",
    [upTo("muara_event_loop_delay_seconds", "1.0")]: "0+100x70",
    [upTo("muara_event_loop_delay_seconds", "+Inf")]: "0+100x70",
  },
  MuaraMetricsLeftOut: { 'muara_metrics_left_out{instance="a"}': "1x70" },
  MuaraLogFull: { 'muara_log_refusing{instance="a"}': "1x70" },
  MuaraLogFillsUp: {
    'muara_log_disk_bytes{instance="a"}': "81x70",
    'muara_log_disk_budget_bytes{instance="a"}': "100x70",
  },
  MuaraAppendsFailing: { 'muara_log_append_failures_total{instance="a",code="log.full"}': "0+1x70" },
  MuaraDoorErrors: {
    'muara_http_requests_total{instance="a",face="door",status="503"}': "0+2x70",
    'muara_http_requests_total{instance="a",face="door",status="200"}': "0+98x70",
  },
  MuaraProducersHeldUp: { 'muara_http_requests_total{instance="a",face="door",status="429"}': "0+1x70" },
  MuaraAccessRefused: { 'muara_auth_refusals_total{instance="a",code="auth.invalid"}': "0+90x70" },
  MuaraPullStopped: { 'muara_pull_streaming{pull="shop"}': "0x70" },
  MuaraLandingStopped: { 'muara_land_state{table="t",state="stopped"}': "1x70" },
  MuaraLandingBehind: { 'muara_land_lag_seconds{table="t"}': "61x70" },
  MuaraNotFresh: {
    [upTo("muara_land_freshness_seconds", "10.0")]: "0+90x70",
    [upTo("muara_land_freshness_seconds", "30.0")]: "0+100x70",
    [upTo("muara_land_freshness_seconds", "+Inf")]: "0+100x70",
  },
  MuaraDeadLetters: { 'muara_dead_letters_total{table="t"}': "7x50 8x20" },
  MuaraWatermarkStandsStill: {
    'muara_table_watermark_seconds{table="t"}': "-7200x70",
    'muara_landed_events_total{table="t"}': "0+5x70",
  },
  MuaraCommitsFailing: { 'muara_table_commits_total{instance="a",outcome="failed"}': "0+1x70" },
  MuaraUpkeepFailing: { 'muara_upkeep_failures_total{task="compact"}': "0x30 1 2 3 4 5 6x40" },
  MuaraIcebergStandsStill: {
    'muara_iceberg_behind_versions{table="t"}': "3x70",
    'muara_iceberg_version{table="t"}': "9x70",
  },
  MuaraQueriesCutOff: { 'muara_queries_total{outcome="sql.memory"}': "0+10x70" },
  MuaraJobFailing: { 'muara_job_failing{job="j"}': "1x70" },
  MuaraJobBehind: { 'muara_job_behind_seconds{job="j"}': "901x70" },
  MuaraRuleFailing: { 'muara_rule_failing{rule="r"}': "1x70" },
  MuaraRuleWithoutData: { 'muara_rule_no_data{rule="r"}': "1x70" },
  MuaraAlertsNotTold: { 'muara_alert_waiting{rule="r",receiver="pager"}': "2x70" },
  MuaraCaptureNeedsSomebody: { 'muara_capture_alert{capture="c",reason="slot_lost"}': "1x70" },
  MuaraSlotInDanger: { 'muara_capture_safe_seconds{capture="c"}': "3599x70" },
  MuaraDeliveryFailing: { 'muara_delivery_failing{delivery="d"}': "1x70" },
  MuaraDeliveryBehind: { 'muara_delivery_behind_seconds{delivery="d"}': "901x70" },
  MuaraDeliveryRefused: { 'muara_delivery_dead_rows_total{delivery="d"}': "7x50 8x20" },
};

/** At the edge, or of something beside it. */
export const QUIET: Readonly<Record<string, Series>> = {
  MuaraDown: { 'up{job="muara",instance="a"}': "1x70", 'up{job="other",instance="b"}': "0x70" },
  MuaraRestarts: {
    'process_start_time_seconds{instance="a"}': "1x30 2x30 3x30",
    'muara_build_info{instance="a"}': "1x70",
    'process_start_time_seconds{instance="other"}': "1+1x70",
  },
  MuaraEventLoopSlow: {
    [upTo("muara_event_loop_delay_seconds", "0.5")]: "0+100x70",
    [upTo("muara_event_loop_delay_seconds", "+Inf")]: "0+100x70",
  },
  MuaraMetricsLeftOut: { 'muara_metrics_left_out{instance="a"}': "0x70" },
  MuaraLogFull: { 'muara_log_refusing{instance="a"}': "0x70" },
  MuaraLogFillsUp: {
    'muara_log_disk_bytes{instance="a"}': "80x70",
    'muara_log_disk_budget_bytes{instance="a"}': "100x70",
  },
  MuaraAppendsFailing: { 'muara_log_append_failures_total{instance="a",code="log.full"}': "7x70" },
  MuaraDoorErrors: {
    'muara_http_requests_total{instance="a",face="door",status="503"}': "0+1x70",
    'muara_http_requests_total{instance="a",face="door",status="200"}': "0+99x70",
    'muara_http_requests_total{instance="a",face="api",status="500"}': "0+99x70",
  },
  MuaraProducersHeldUp: { 'muara_http_requests_total{instance="a",face="door",status="200"}': "0+1x70" },
  MuaraAccessRefused: { 'muara_auth_refusals_total{instance="a",code="auth.invalid"}': "0+60x70" },
  MuaraPullStopped: {
    'muara_pull_streaming{pull="shop",instance="a"}': "0x70",
    'muara_pull_streaming{pull="shop",instance="b"}': "1x70",
  },
  MuaraLandingStopped: { 'muara_land_state{table="t",state="retrying"}': "1x70" },
  MuaraLandingBehind: { 'muara_land_lag_seconds{table="t"}': "60x70" },
  MuaraNotFresh: {
    [upTo("muara_land_freshness_seconds", "10.0")]: "0+100x70",
    [upTo("muara_land_freshness_seconds", "+Inf")]: "0+100x70",
  },
  MuaraDeadLetters: { 'muara_dead_letters_total{table="t"}': "7x70" },
  MuaraWatermarkStandsStill: {
    'muara_table_watermark_seconds{table="t"}': "-7200x70",
    'muara_landed_events_total{table="t"}': "5x70",
  },
  MuaraCommitsFailing: { 'muara_table_commits_total{instance="a",outcome="abandoned"}': "0+1x70" },
  MuaraUpkeepFailing: { 'muara_upkeep_failures_total{task="compact"}': "0x30 1 2 3x40" },
  MuaraIcebergStandsStill: {
    'muara_iceberg_behind_versions{table="t"}': "3x70",
    'muara_iceberg_version{table="t"}': "9+1x70",
  },
  MuaraQueriesCutOff: { 'muara_queries_total{outcome="sql.syntax"}': "0+10x70" },
  MuaraJobFailing: { 'muara_job_failing{job="j"}': "0x70" },
  MuaraJobBehind: { 'muara_job_behind_seconds{job="j"}': "900x70" },
  MuaraRuleFailing: { 'muara_rule_failing{rule="r"}': "0x70" },
  MuaraRuleWithoutData: { 'muara_rule_no_data{rule="r"}': "0x70" },
  MuaraAlertsNotTold: { 'muara_alert_waiting{rule="r",receiver="pager"}': "0x70" },
  MuaraCaptureNeedsSomebody: { 'muara_capture_streaming{capture="c"}': "1x70" },
  MuaraSlotInDanger: { 'muara_capture_safe_seconds{capture="c"}': "3600x70" },
  MuaraDeliveryFailing: { 'muara_delivery_failing{delivery="d"}': "0x70" },
  MuaraDeliveryBehind: { 'muara_delivery_behind_seconds{delivery="d"}': "900x70" },
  MuaraDeliveryRefused: { 'muara_delivery_dead_rows_total{delivery="d"}': "7x70" },
};
