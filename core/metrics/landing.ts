/** Metrics of landing, of the tables that this process lands. */
import { type Metric, SECONDS } from "../metric.ts";

export const LANDING_METRICS = {
  muara_landed_events: {
    type: "counter",
    help: "Events of a table that have landed, ever.",
    labels: ["table"],
  },
  muara_duplicate_events: {
    type: "counter",
    help: "Events that were there already, ever.",
    labels: ["table"],
  },
  muara_dead_letters: {
    type: "counter",
    help: "Events that were accepted and cannot be landed, ever.",
    labels: ["table"],
  },
  muara_in_flight_events: {
    type: "gauge",
    help: "Offsets of the log that have not landed; on Kafka these can be more than events.",
    labels: ["table"],
  },
  muara_land_lag_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "How long the oldest of them has been seen waiting, 0 where nothing waits.",
    labels: ["table"],
  },
  muara_land_freshness_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "From the acceptance of the oldest event of a commit until SQL sees it.",
    labels: [],
    bounds: SECONDS,
  },
  muara_land_commit_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "The part of it that a landing commit takes: files are written, cursors move.",
    labels: [],
    bounds: SECONDS,
  },
  muara_land_settle_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Looking into the lake for ids that sealed parts of the id set leave open.",
    labels: [],
    bounds: SECONDS,
  },
  muara_land_lost_attempts: {
    type: "counter",
    help: "Attempts that were taken back, since another commit came first.",
    labels: [],
  },
  muara_land_interval_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Between two commits of a table while events arrive; 0 during a backlog.",
    labels: ["table"],
  },
  muara_land_state: {
    type: "gauge",
    help: "1 for the state in which landing of a table is; stopped needs a person.",
    labels: ["table", "state"],
  },
  muara_land_known_ids: {
    type: "gauge",
    help: "Ids with which events of a table are compared.",
    labels: ["table"],
  },
  muara_table_watermark_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Event time up to which a table is complete, since 1970 UTC.",
    labels: ["table"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
