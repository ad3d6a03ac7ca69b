/** Metrics of captures: `docs/CAPTURE.md` says what to do about them. */
import type { Metric } from "../metric.ts";

export const CAPTURE_METRICS = {
  muara_capture_alert: {
    type: "gauge",
    help: "1 for each reason for which a capture needs a person.",
    labels: ["capture", "reason"],
  },
  muara_capture_changes: {
    type: "counter",
    help: "Changes of a source that were appended since this process started, resends among them.",
    labels: ["capture"],
  },
  muara_capture_confirmed_lag_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Log of a source between its end and what its slot knows to be durable here.",
    labels: ["capture"],
  },
  muara_capture_copied_rows: {
    type: "gauge",
    help: "Rows of a table that its capture has copied.",
    labels: ["capture", "table"],
  },
  muara_capture_durable_lsn: {
    type: "gauge",
    help: "Place in the source's log up to which all changes are durable here.",
    labels: ["capture"],
  },
  muara_capture_last_commit_age_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Since the newest transaction of a source that is durable here was committed.",
    labels: ["capture"],
  },
  muara_capture_queue_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Changes of a source that were read and are not durable yet.",
    labels: ["capture"],
  },
  muara_capture_retained_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Log that a source keeps for a capture's slot.",
    labels: ["capture"],
  },
  muara_capture_safe_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "What a source may still write before a capture's slot is in danger; absent without a limit.",
    labels: ["capture"],
  },
  muara_capture_safe_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Until a capture's slot is in danger, if its source goes on writing as it does while nobody reads.",
    labels: ["capture"],
  },
  muara_capture_sessions: {
    type: "counter",
    help: "Streams of a source that were opened since this process started.",
    labels: ["capture"],
  },
  muara_capture_streaming: {
    type: "gauge",
    help: "1 while a capture has a stream in this process.",
    labels: ["capture"],
  },
  muara_capture_wal_status: {
    type: "gauge",
    help: "1 for what its source says of a capture's slot.",
    labels: ["capture", "status"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
