/**
 * Every metric of `/metrics`: what is exposed, its page (docs/METRICS.md), the board and the alert rules come from
 * here, and none can be exposed that is not in it.
 */
import type { Metric } from "./metric.ts";
import { ALERT_METRICS } from "./metrics/alerts.ts";
import { CAPTURE_METRICS } from "./metrics/captures.ts";
import { DELIVERY_METRICS } from "./metrics/deliveries.ts";
import { DOOR_METRICS } from "./metrics/doors.ts";
import { JOB_METRICS } from "./metrics/jobs.ts";
import { LAKE_METRICS } from "./metrics/lake.ts";
import { LANDING_METRICS } from "./metrics/landing.ts";
import { LINEAGE_METRICS } from "./metrics/lineage.ts";
import { LOG_METRICS } from "./metrics/log.ts";
import { PROCESS_METRICS } from "./metrics/process.ts";
import { QUERY_METRICS } from "./metrics/query.ts";

/** In the order of an event's way; rows of the board bear these titles. */
export const METRIC_GROUPS: Readonly<Record<string, Readonly<Record<string, Metric>>>> = {
  Doors: DOOR_METRICS,
  Log: LOG_METRICS,
  Landing: LANDING_METRICS,
  Lake: LAKE_METRICS,
  Query: QUERY_METRICS,
  Jobs: JOB_METRICS,
  Alerts: ALERT_METRICS,
  Captures: CAPTURE_METRICS,
  Deliveries: DELIVERY_METRICS,
  Lineage: LINEAGE_METRICS,
  Process: PROCESS_METRICS,
};

/** By the family's name: without `_total`, `_info` and what a histogram's samples add. */
export const METRICS = {
  ...DOOR_METRICS,
  ...LOG_METRICS,
  ...LANDING_METRICS,
  ...LAKE_METRICS,
  ...QUERY_METRICS,
  ...JOB_METRICS,
  ...ALERT_METRICS,
  ...CAPTURE_METRICS,
  ...DELIVERY_METRICS,
  ...LINEAGE_METRICS,
  ...PROCESS_METRICS,
};

export type Catalogue = typeof METRICS;
export type MetricName = keyof Catalogue;
type NameOf<Type extends Metric["type"]> = {
  [Name in MetricName]: Catalogue[Name]["type"] extends Type ? Name : never;
}[MetricName];
export type CounterName = NameOf<"counter">;
export type HistogramName = NameOf<"histogram">;

export type LabelsOf<Name extends MetricName> = Readonly<Record<Catalogue[Name]["labels"][number], string>>;
