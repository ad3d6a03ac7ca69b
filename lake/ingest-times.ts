/** Between which ingest times a data file has rows: by its statistics, within the day that it is filed under. */
import { INGEST_DATE } from "../core/columns.ts";
import type { AddFile } from "../core/ports/table-log.ts";

const DAY_MS = 86_400_000;
/** Statistics of foreign writers may be rounded. */
const STATISTICS_SLACK_MS = 1_000;

export interface IngestTimes {
  /** ms since 1970 UTC; -Infinity where nothing says. No row was accepted before. */
  readonly fromMs: number;
  /** ms since 1970 UTC; Infinity where nothing says. No row was accepted after. */
  readonly toMs: number;
}

/** A snapshot keeps its files from version to version. */
const known = new WeakMap<AddFile, IngestTimes>();

/** Never narrower than the truth. */
export function ingestTimesOf(file: AddFile): IngestTimes {
  const times = known.get(file) ?? readTimes(file);
  known.set(file, times);
  return times;
}

function readTimes(file: AddFile): IngestTimes {
  const date = file.partitionValues[INGEST_DATE];
  const startMs = date ? Date.parse(`${date}T00:00:00Z`) : -Infinity;
  const { least, most } = statisticsOf(file);
  return {
    fromMs: Math.max(startMs, least - STATISTICS_SLACK_MS),
    toMs: Math.min(startMs === -Infinity ? Infinity : startMs + DAY_MS, most + STATISTICS_SLACK_MS),
  };
}

function statisticsOf({ stats }: AddFile): { readonly least: number; readonly most: number } {
  const nothing = { least: -Infinity, most: Infinity };
  if (stats === undefined) return nothing;
  try {
    const { minValues, maxValues } = JSON.parse(stats) as {
      readonly minValues?: { readonly ingest_time?: unknown };
      readonly maxValues?: { readonly ingest_time?: unknown };
    };
    const least = Date.parse(String(minValues?.ingest_time));
    const most = Date.parse(String(maxValues?.ingest_time));
    return Number.isNaN(least) || Number.isNaN(most) ? nothing : { least, most };
  } catch {
    return nothing; // statistics are a hint; without them the file is read
  }
}
