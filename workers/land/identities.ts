/**
 * The id set of a table: which ids landed within the horizon. It is rebuilt from the table's own id column, so it is
 * a function of the table version and needs no file of its own. Identities are keyed with a secret of the table, so
 * that nobody outside can aim for collisions.
 */
import type { Randomness } from "../../core/clock.ts";
import { INGEST_DATE } from "../../core/columns.ts";
import { MuaraError } from "../../core/errors.ts";
import type { IdentitySet, Kernel } from "../../core/kernel.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import { readColumns } from "../../lake/parquet/rows.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import type { LandingState } from "./state.ts";
import { slowestIngestMs } from "./slowest.ts";

/** Table property that holds the secret: 32 hex digits. */
const ID_KEY = "muara.idKey";

/** Table properties of a new event table. */
export function newSecret(randomness: Randomness): Readonly<Record<string, string>> {
  return { [ID_KEY]: randomness.uuid().replaceAll("-", "") };
}

/** @returns [16] @throws table.corrupt where the table has no usable secret */
export function secretOf(snapshot: TableSnapshot): Uint8Array {
  const hex = snapshot.metadata?.configuration[ID_KEY] ?? "";
  if (!/^[0-9a-f]{32}$/.test(hex)) {
    throw new MuaraError(
      "table.corrupt",
      `${snapshot.metadata?.name}: table property ${ID_KEY} is missing or malformed.`,
      {
        details: { property: ID_KEY },
      },
    );
  }
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

export interface IdentityPorts {
  readonly store: ObjectStore;
  readonly kernel: Kernel;
}

/**
 * Adds the ids of every file that came since `before` (of all, without it) and may hold one within the horizon.
 * Takes a generation more than it needs rather than one less: what is too old is expired at the end.
 */
export async function addIdentities(
  ports: IdentityPorts,
  ids: IdentitySet,
  table: string,
  before: LandingState | undefined,
  after: LandingState,
): Promise<void> {
  const slowestMs = slowestIngestMs(after.partitions);
  const secret = secretOf(after.snapshot);
  for (const file of after.snapshot.files.values()) {
    if (before?.snapshot.files.has(file.path) || !mayBeWithin(file, slowestMs - ids.horizonMs)) continue;
    await insertFile(ports, table, ids, secret, file);
  }
  ids.expire(slowestMs);
}

async function insertFile(
  ports: IdentityPorts,
  table: string,
  ids: IdentitySet,
  secret: Uint8Array,
  file: AddFile,
): Promise<void> {
  const path = storePathOf(table, file.path);
  const bytes = await ports.store.get(path);
  if (!bytes)
    throw new MuaraError("table.corrupt", `${table} names ${file.path}, which does not exist.`, {
      details: { path },
    });
  const columns = await readColumns(bytes, ["event_id", "ingest_time"]);
  const times = columns["ingest_time"] as readonly (bigint | null)[];
  const texts: string[] = [];
  const ingestMs: number[] = [];
  columns["event_id"]!.forEach((id, i) => {
    const time = times[i] ?? null;
    if (typeof id !== "string" || time === null) return; // a foreign row, which no event can repeat
    texts.push(id);
    ingestMs.push(Number(time / 1_000n));
  });
  ids.insert(texts.length, ports.kernel.identities(texts, secret), Float64Array.from(ingestMs));
}

/** Whether a file can hold a row accepted at or after `fromMs`: its day ends later. */
function mayBeWithin(file: AddFile, fromMs: number): boolean {
  const date = file.partitionValues[INGEST_DATE];
  return !date || Date.parse(`${date}T00:00:00Z`) + 86_400_000 > fromMs;
}
