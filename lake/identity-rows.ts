/** The identities in a data file: its id column, hashed under the table's secret, with the rows' ingest times. */
import { MuaraError } from "../core/errors.ts";
import type { Kernel } from "../core/kernel.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile } from "../core/ports/table-log.ts";
import { type IdRows, readIdRows } from "./parquet/id-column.ts";
import type { ReadRange } from "./parquet/read-range.ts";
import { readColumns } from "./parquet/rows.ts";
import { storePathOf } from "./table/add-file.ts";

const ID = "event_id";
const INGEST_TIME = "ingest_time";
const COLUMNS = [ID, INGEST_TIME] as const;
/** A file up to this size is read in one piece. */
const WHOLE_BYTES = 262_144;

export interface IdentityRows {
  readonly count: number;
  /** [row × 2] */
  readonly identities: BigUint64Array;
  /** [row] whole ms since 1970 UTC. */
  readonly ingestMs: Float64Array;
}

export interface IdentityPorts {
  readonly store: ObjectStore;
  readonly kernel: Kernel;
}

/**
 * Visits the identities of a file in parts, so that a caller need not hold all of a large file's; it may see some
 * twice. Rows without id or time are left out: foreign ones, which no event can repeat.
 * @param wanted hashes (`filterHash`) of the ids that it looks for: rows that are none of them may be left out
 * @throws table.corrupt where the file is gone
 */
export async function visitIdentities(
  { store, kernel }: IdentityPorts,
  table: string,
  file: AddFile,
  secret: Uint8Array,
  visit: (rows: IdentityRows) => void,
  wanted?: readonly bigint[],
): Promise<void> {
  const path = storePathOf(table, file.path);
  const hashed = ({ count, bytes, index, ingestMs }: IdRows): void =>
    visit({ count, identities: kernel.identitiesAt(bytes, index, secret), ingestMs });
  let whole = file.size > WHOLE_BYTES ? undefined : await getWhole(store, table, path);
  const read: ReadRange = async (from, to) =>
    whole ? whole.subarray(from, to) : store.getRange(path, from, to - from);
  if (await readIdRows(read, whole?.length ?? file.size, COLUMNS, hashed, wanted)) return;
  whole ??= await getWhole(store, table, path);
  visit(slowly(kernel, await readColumns(whole, COLUMNS), secret));
}

async function getWhole(store: ObjectStore, table: string, path: string): Promise<Uint8Array> {
  const bytes = await store.get(path);
  if (bytes) return bytes;
  throw new MuaraError("table.corrupt", `${table} names ${path}, which does not exist.`, {
    details: { path },
  });
}

/** By the general reader: any encoding, NULLs, and whatever stands for Parquet in a simulation. */
function slowly(
  kernel: Kernel,
  columns: Readonly<Record<string, readonly unknown[]>>,
  secret: Uint8Array,
): IdentityRows {
  const texts: string[] = [];
  const ingestMs: number[] = [];
  columns[ID]!.forEach((id, i) => {
    const time = columns[INGEST_TIME]![i];
    if (typeof id !== "string" || typeof time !== "bigint") return;
    texts.push(id);
    ingestMs.push(Number(time / 1_000n));
  });
  return {
    count: texts.length,
    identities: kernel.identities(texts, secret),
    ingestMs: Float64Array.from(ingestMs),
  };
}
