/** What landing tells of its tables, for `/metrics`. */
import { isAssertion } from "../../core/assert.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import type { TableLanding } from "./table-landing.ts";

export interface SampledTable {
  readonly table: string;
  readonly landing: TableLanding | undefined;
  readonly state: string;
  readonly intervalMs: number;
  /** How long the oldest event has been seen waiting. */
  readonly waitedMs: number;
}

const bytesOf = new WeakMap<TableSnapshot, number>();

export async function landSamples(tables: readonly SampledTable[]): Promise<readonly Sample[]> {
  return (await Promise.all(tables.map(samplesOf))).flat();
}

async function samplesOf({
  table,
  landing,
  state,
  intervalMs,
  waitedMs,
}: SampledTable): Promise<readonly Sample[]> {
  const labels = { table };
  const own: Sample[] = [{ name: "muara_land_state", labels: { table, state }, value: 1 }];
  if (!landing) return own;
  const { partitions, snapshot, watermarkMs } = landing.state;
  const sum = (key: "landed" | "duplicates" | "dead"): number =>
    partitions.reduce((total, partition) => total + partition[key], 0);
  const values: readonly (readonly [Sample["name"], number | undefined])[] = [
    ["muara_landed_events", sum("landed")],
    ["muara_duplicate_events", sum("duplicates")],
    ["muara_dead_letters", sum("dead")],
    ["muara_in_flight_events", await inFlight(landing)],
    ["muara_land_lag_seconds", waitedMs / 1_000],
    ["muara_land_interval_seconds", intervalMs / 1_000],
    ["muara_land_known_ids", landing.knownIds],
    ["muara_table_watermark_seconds", watermarkMs === undefined ? undefined : watermarkMs / 1_000],
    ["muara_table_version", snapshot.version],
    ["muara_table_files", snapshot.files.size],
    ["muara_table_bytes", bytes(snapshot)],
  ];
  for (const [name, value] of values) if (value !== undefined) own.push({ name, labels, value });
  return own;
}

/** Undefined where the log does not say. */
async function inFlight(landing: TableLanding): Promise<number | undefined> {
  try {
    return (await landing.waiting()).offsets;
  } catch (error) {
    if (isAssertion(error)) throw error;
    return undefined;
  }
}

/** Of one version it is added up once. */
function bytes(snapshot: TableSnapshot): number {
  const known = bytesOf.get(snapshot);
  if (known !== undefined) return known;
  let sum = 0;
  for (const { size } of snapshot.files.values()) sum += size;
  bytesOf.set(snapshot, sum);
  return sum;
}
