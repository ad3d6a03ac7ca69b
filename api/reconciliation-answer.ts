/** Reconciliations as the API tells them. */
import type { Comparison, KeptReconciliation, Progress, Reconciliation } from "../core/reconciliation.ts";

type Json = Readonly<Record<string, unknown>>;

/** @param report with differences, or as it is kept, without */
export function shownReconciliation(report: Reconciliation | KeptReconciliation): Json {
  const { capture, shard, incarnation, lsn, isEqual, startMs, endMs, tables } = report;
  return {
    capture,
    shard,
    incarnation,
    lsn,
    is_equal: isEqual,
    started_at: new Date(startMs).toISOString(),
    ended_at: new Date(endMs).toISOString(),
    ...("by" in report ? { by: report.by } : {}),
    tables: tables.map(shownTable),
  };
}

export function shownProgress(progress: Progress): Json {
  return progress.at === "compared" ? { at: "compared", ...shownTable(progress.report) } : { ...progress };
}

interface Table extends Omit<Comparison, "differences"> {
  readonly table: string;
  readonly eventType: string;
  readonly differences?: Comparison["differences"] | undefined;
}

function shownTable(report: Table): Json {
  const { table, eventType, isEqual, source, lake, slices, differingSlices, differingRows, isCut } = report;
  return {
    table,
    event_type: eventType,
    is_equal: isEqual,
    source,
    lake,
    slices,
    differing_slices: differingSlices,
    differing_rows: differingRows,
    is_cut: isCut,
    ...(report.differences ? { differences: report.differences } : {}),
  };
}
