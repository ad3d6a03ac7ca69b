/** Metrics of tables, their commits and their upkeep. */
import { type Metric, SECONDS } from "../metric.ts";

export const LAKE_METRICS = {
  muara_table_commits: {
    type: "counter",
    help: "Commits of this process to all tables: committed, abandoned (another came first) or failed.",
    labels: ["outcome"],
  },
  muara_table_commit_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "From the decision until the version is there or the commit is given up.",
    labels: [],
    bounds: SECONDS,
  },
  muara_table_version: {
    type: "gauge",
    help: "Version of a table that this process lands.",
    labels: ["table"],
  },
  muara_table_files: { type: "gauge", help: "Data files of that version.", labels: ["table"] },
  muara_table_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "These files; what compaction replaced is not among them.",
    labels: ["table"],
  },
  muara_upkeep_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "A turn of a task of upkeep for one table.",
    labels: ["task"],
    bounds: SECONDS,
  },
  muara_upkeep_failures: { type: "counter", help: "Turns that failed.", labels: ["task"] },
  muara_iceberg_behind_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Between the commits of the newest version of a table and of the one that its Iceberg export shows.",
    labels: ["table"],
  },
  muara_iceberg_behind_versions: {
    type: "gauge",
    help: "Commits of a table that its Iceberg export does not show yet.",
    labels: ["table"],
  },
  muara_iceberg_version: {
    type: "gauge",
    help: "The table's version that its Iceberg export shows.",
    labels: ["table"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
