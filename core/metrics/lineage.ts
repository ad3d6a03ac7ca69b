/** Metrics of lineage: OpenLineage events to a file or a receiver. */
import type { Metric } from "../metric.ts";

export const LINEAGE_METRICS = {
  muara_lineage_dropped: {
    type: "counter",
    help: "OpenLineage events that nobody took, or for which the queue had no room.",
    labels: [],
  },
  muara_lineage_sent: { type: "counter", help: "OpenLineage events that were taken.", labels: [] },
  muara_lineage_waiting: {
    type: "gauge",
    help: "OpenLineage events that wait for their receiver.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, Metric>>;
