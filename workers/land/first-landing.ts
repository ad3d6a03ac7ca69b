/**
 * Finds, for duplicates, the row that landed first and whether its bytes were the same. The lake knows the row's
 * place in the log, the log still has its bytes. Resends mostly come soon, so files are searched newest first and
 * the search ends when everything is found or the row budget is used; what is not found is `unknown`.
 */
import { hasCode } from "../../core/errors.ts";
import { INGEST_DATE } from "../../core/columns.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { payloadOf } from "../../core/record.ts";
import type { FirstLanding } from "../../lake/ledger-tables.ts";
import { readColumns } from "../../lake/parquet/rows.ts";
import type { SideRow } from "../../lake/side-file.ts";
import { storePathOf } from "../../lake/table/add-file.ts";

/** Rows of the table looked at for one batch of duplicates. */
const ROWS_MAX = 500_000;
const UNKNOWN: FirstLanding = { verdict: "unknown", partition: null, offset: null };

interface Place {
  readonly partition: number;
  readonly offset: number;
}

export interface FirstLandingPorts {
  readonly log: Log;
  readonly store: ObjectStore;
  readonly kernel: Kernel;
}

/** @returns [duplicates] */
export async function findFirstLandings(
  ports: FirstLandingPorts,
  table: string,
  snapshot: TableSnapshot,
  duplicates: readonly SideRow[],
): Promise<FirstLanding[]> {
  const wanted = new Set(duplicates.map((row) => canonicalId(row.event_id ?? "")));
  const places = await findPlaces(ports.store, table, snapshot, wanted);
  const found: FirstLanding[] = [];
  for (const row of duplicates) {
    const place = places.get(canonicalId(row.event_id ?? ""));
    found.push(place ? await compare(ports, table, row, place) : UNKNOWN);
  }
  return found;
}

async function findPlaces(
  store: ObjectStore,
  table: string,
  snapshot: TableSnapshot,
  wanted: ReadonlySet<string>,
): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  const files = [...snapshot.files.values()].sort(
    (a, b) =>
      (b.partitionValues[INGEST_DATE] ?? "").localeCompare(a.partitionValues[INGEST_DATE] ?? "") ||
      b.modificationTime - a.modificationTime,
  );
  let rows = 0;
  for (const file of files) {
    if (places.size === wanted.size || rows > ROWS_MAX) break;
    const bytes = await store.get(storePathOf(table, file.path));
    if (!bytes) continue;
    const columns = await readColumns(bytes, ["event_id", "log_partition", "log_offset"]);
    const ids = columns["event_id"] as readonly string[];
    rows += ids.length;
    ids.forEach((id, i) => {
      const key = canonicalId(id);
      if (!wanted.has(key)) return;
      places.set(key, {
        partition: Number(columns["log_partition"]![i]),
        offset: Number(columns["log_offset"]![i]),
      });
    });
  }
  return places;
}

async function compare(
  ports: FirstLandingPorts,
  table: string,
  row: SideRow,
  place: Place,
): Promise<FirstLanding> {
  const at = { partition: BigInt(place.partition), offset: BigInt(place.offset) };
  try {
    const batch = await ports.log.read(table, place.partition, place.offset, 1);
    const payload = batch.count > 0 && batch.offsets[0] === place.offset ? payloadOf(batch, 0) : null;
    if (!payload) return { verdict: "unknown", ...at };
    return { verdict: ports.kernel.hash64(payload) === row.bytes_hash ? "identical" : "different", ...at };
  } catch (error) {
    if (hasCode(error, "log.offset_out_of_range")) return { verdict: "unknown", ...at };
    throw error;
  }
}

/** A UUID is the same in any case; other ids are what they are. */
function canonicalId(id: string): string {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? id.toLowerCase() : id;
}
