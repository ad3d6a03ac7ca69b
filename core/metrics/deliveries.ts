/** Metrics of deliveries. */
import type { Metric } from "../metric.ts";

export const DELIVERY_METRICS = {
  muara_delivery_behind_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Age of the oldest commit of its table that a delivery has not brought; 0 where it has all.",
    labels: ["delivery"],
  },
  muara_delivery_behind_versions: {
    type: "gauge",
    help: "Commits of its table that a delivery has not come to.",
    labels: ["delivery"],
  },
  muara_delivery_dead_rows: {
    type: "counter",
    help: "Rows of a delivery that its receiver has refused, ever.",
    labels: ["delivery"],
  },
  muara_delivery_failing: {
    type: "gauge",
    help: "1 while a delivery's receiver takes nothing.",
    labels: ["delivery"],
  },
  muara_delivery_retries: {
    type: "counter",
    help: "Pauses before another attempt, since this process started.",
    labels: ["delivery"],
  },
  muara_delivery_rows: {
    type: "counter",
    help: "Rows that a delivery has brought to its receiver, ever, each counted once.",
    labels: ["delivery"],
  },
  muara_delivery_version: {
    type: "gauge",
    help: "The version of its table that a delivery has come to.",
    labels: ["delivery"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
