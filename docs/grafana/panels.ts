/**
 * The panels of the board, by row: a row for each group of the catalogue (core/metric-catalogue.ts), in an event's
 * order. A test evaluates every query on a Prometheus that scrapes a running Muara.
 */
import { DOORS, LAKE, LANDING, LOG, QUERY } from "./event-panels.ts";
import type { Panel } from "./panel.ts";
import { ALERTS, CAPTURES, DELIVERIES, JOBS, LINEAGE, PROCESS } from "./work-panels.ts";

/** By the catalogue's groups. */
export const PANELS: Readonly<Record<string, readonly Panel[]>> = {
  Doors: DOORS,
  Log: LOG,
  Landing: LANDING,
  Lake: LAKE,
  Query: QUERY,
  Jobs: JOBS,
  Alerts: ALERTS,
  Captures: CAPTURES,
  Deliveries: DELIVERIES,
  Lineage: LINEAGE,
  Process: PROCESS,
};
