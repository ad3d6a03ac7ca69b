/** Metrics of HTTP, of publishing, and of pulls. */
import { type Metric, SECONDS } from "../metric.ts";

export const DOOR_METRICS = {
  muara_http_requests: {
    type: "counter",
    help: "Requests that were answered.",
    labels: ["face", "status"],
  },
  muara_http_request_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "From a request to the head of its answer.",
    labels: ["face"],
    bounds: SECONDS,
  },
  muara_ingest_events: {
    type: "counter",
    help: "Events that came by HTTP and were acknowledged, since this process started.",
    labels: ["event_type"],
  },
  muara_ingest_refused_events: {
    type: "counter",
    help: "Events for whose sake a request was refused, by what was wrong with them.",
    labels: ["code"],
  },
  muara_ingest_wait_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "What a request would wait for the log now; beyond limits.queueMs producers get 429.",
    labels: [],
  },
  muara_ingest_body_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Bodies in memory now; beyond limits.inFlightBytes producers get 429.",
    labels: [],
  },
  muara_auth_refusals: {
    type: "counter",
    help: "Requests refused for want of a token (auth.missing), of a valid one, or of the right.",
    labels: ["code"],
  },
  muara_pull_events: {
    type: "counter",
    help: "Events of another Nakadi that were appended since this process started, resends among them.",
    labels: ["pull"],
  },
  muara_pull_refused_events: {
    type: "counter",
    help: "Of these, those that our door would refuse: they become dead letters.",
    labels: ["pull"],
  },
  muara_pull_commits: {
    type: "counter",
    help: "Times that cursors were committed to the other Nakadi.",
    labels: ["pull"],
  },
  muara_pull_streams: {
    type: "counter",
    help: "Streams that a pull has opened since this process started.",
    labels: ["pull"],
  },
  muara_pull_streaming: {
    type: "gauge",
    help: "1 while a pull has a stream, 0 while it waits or tries again.",
    labels: ["pull"],
  },
} as const satisfies Readonly<Record<string, Metric>>;
