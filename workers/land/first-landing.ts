/**
 * Finds, for duplicates, the row that landed first and whether its bytes were the same. The lake knows the row's
 * place in the log, the log still has its bytes. Resends mostly come soon, so files are searched newest first and
 * the search ends when everything is found or the row budget is used; what is not found is `unknown`.
 *
 * The surprising rule: an id can have landed more than once, further apart than the horizon. The row whose ingest
 * time is nearest is the one that made the record a duplicate.
 */
import { hasCode } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import { INGEST_DATE } from "../../core/columns.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import { payloadOf } from "../../core/record.ts";
import type { FirstLanding } from "../../lake/ledger-tables.ts";
import { readColumns } from "../../lake/parquet/rows.ts";
import type { SideRow } from "../../lake/side-file.ts";
import { storePathOf } from "../../lake/table/add-file.ts";

/** Rows of the table looked at for one batch of duplicates. */
const ROWS_MAX = 500_000;
/** A row this near is taken for the first without looking for a nearer one, µs. */
const NEAR_US = 43_200_000_000n;
/** Comparisons before the event loop gets a turn: a log in memory never waits. */
const COMPARISONS_PER_TURN = 256;
const UNKNOWN: FirstLanding = { verdict: "unknown", partition: null, offset: null };

/** A duplicate and the nearest row found so far. */
interface Search {
  readonly ingestUs: bigint;
  distanceUs: bigint | undefined;
  partition: number;
  offset: number;
  /** When the row was accepted. */
  rowUs: bigint;
}

export interface FirstLandingPorts {
  readonly log: Log;
  readonly store: ObjectStore;
  readonly kernel: Kernel;
  readonly clock: Clock;
}

/** @returns [duplicates] */
export async function findFirstLandings(
  ports: FirstLandingPorts,
  table: string,
  snapshot: TableSnapshot,
  duplicates: readonly SideRow[],
): Promise<FirstLanding[]> {
  const searches = duplicates.map((row): Search => ({
    ingestUs: row.ingest_time,
    distanceUs: undefined,
    partition: -1,
    offset: -1,
    rowUs: 0n,
  }));
  const byId = Map.groupBy(searches, (_, i) => canonicalId(duplicates[i]!.event_id ?? ""));
  await search(ports.store, table, snapshot, searches, byId);
  const found: FirstLanding[] = [];
  for (const [i, row] of duplicates.entries()) {
    if (i % COMPARISONS_PER_TURN === COMPARISONS_PER_TURN - 1) await ports.clock.sleep(0);
    const one = searches[i]!;
    found.push(one.distanceUs === undefined ? UNKNOWN : await compare(ports, table, row, one));
  }
  return found;
}

async function search(
  store: ObjectStore,
  table: string,
  snapshot: TableSnapshot,
  searches: readonly Search[],
  byId: ReadonlyMap<string, readonly Search[]>,
): Promise<void> {
  let rows = 0;
  for (const file of newestFirst(snapshot.files.values())) {
    const isDone = searches.every(({ distanceUs }) => distanceUs !== undefined && distanceUs <= NEAR_US);
    if (isDone || rows > ROWS_MAX) return;
    const bytes = await store.get(storePathOf(table, file.path));
    if (!bytes) continue;
    const columns = await readColumns(bytes, ["event_id", "ingest_time", "log_partition", "log_offset"]);
    const ids = columns["event_id"]!;
    rows += ids.length;
    ids.forEach((id, i) => {
      const wanted = typeof id === "string" ? byId.get(canonicalId(id)) : undefined;
      if (!wanted) return;
      const ingestUs = columns["ingest_time"]![i];
      for (const one of wanted) {
        const distanceUs = typeof ingestUs === "bigint" ? distance(ingestUs, one.ingestUs) : undefined;
        if (distanceUs === undefined || (one.distanceUs !== undefined && one.distanceUs <= distanceUs))
          continue;
        one.distanceUs = distanceUs;
        one.rowUs = typeof ingestUs === "bigint" ? ingestUs : 0n;
        one.partition = Number(columns["log_partition"]![i] ?? -1n);
        one.offset = Number(columns["log_offset"]![i] ?? -1n);
      }
    });
  }
}

function dateOf(file: AddFile): string {
  return file.partitionValues[INGEST_DATE] ?? "";
}

function newestFirst(files: Iterable<AddFile>): AddFile[] {
  return [...files].sort(
    (a, b) => dateOf(b).localeCompare(dateOf(a)) || b.modificationTime - a.modificationTime,
  );
}

async function compare(
  ports: FirstLandingPorts,
  table: string,
  row: SideRow,
  { partition, offset, rowUs }: Search,
): Promise<FirstLanding> {
  const at = { partition: BigInt(partition), offset: BigInt(offset) };
  try {
    const batch = await ports.log.read(table, partition, offset, 1);
    const payload = batch.count > 0 && batch.offsets[0] === offset ? payloadOf(batch, 0) : null;
    // A record that is newer than the row is of another stream of this name.
    const isLater = BigInt(batch.ingestMs[0] ?? 0) * 1_000n > rowUs;
    if (!payload || isLater) return { verdict: "unknown", ...at };
    return { verdict: ports.kernel.hash64(payload) === row.bytes_hash ? "identical" : "different", ...at };
  } catch (error) {
    // Removed by retention; or a foreign row that names no place in this log.
    if (hasCode(error, "log.offset_out_of_range") || hasCode(error, "log.partition_not_found"))
      return { verdict: "unknown", ...at };
    throw error;
  }
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

/** A UUID is the same in any case; other ids are what they are. */
function canonicalId(id: string): string {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? id.toLowerCase() : id;
}
