/** Metrics of rules and alerts. */
import type { Metric } from "../metric.ts";

export const ALERT_METRICS = {
  muara_alert_waiting: {
    type: "gauge",
    help: "Alerts that a receiver of a rule has not been told yet.",
    labels: ["rule", "receiver"],
  },
  muara_alerts: {
    type: "gauge",
    help: "1 for each alert that is pending or firing, with its labels, as Prometheus's ALERTS.",
    labels: ["alertstate"],
    hasOpenLabels: true,
  },
  muara_rule_complete_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Event time up to which the tables that a rule reads are complete, since 1970 UTC.",
    labels: ["rule"],
  },
  muara_rule_evaluations: {
    type: "counter",
    help: "Evaluations of a rule since its process runs it.",
    labels: ["rule"],
  },
  muara_rule_failing: {
    type: "gauge",
    help: "1 while a rule cannot be evaluated, or a receiver of it takes nothing.",
    labels: ["rule"],
  },
  muara_rule_no_data: {
    type: "gauge",
    help: "1 while nothing can be said, since the tables that a rule reads are behind.",
    labels: ["rule"],
  },
  muara_rule_series: { type: "gauge", help: "Series of a drop rule.", labels: ["rule"] },
  muara_rule_warming_series: {
    type: "gauge",
    help: "Of these, those without enough weeks behind them.",
    labels: ["rule"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
