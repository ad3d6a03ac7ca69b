/** The identities in a data file: its id column, hashed under the table's secret, with the rows' ingest times. */
import { MuaraError } from "../core/errors.ts";
import type { Kernel } from "../core/kernel.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile } from "../core/ports/table-log.ts";
import { readIdRows } from "./parquet/id-column.ts";
import { readColumns } from "./parquet/rows.ts";
import { storePathOf } from "./table/add-file.ts";

const ID = "event_id";
const INGEST_TIME = "ingest_time";

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
 * In parts, so that a caller need not hold all of a large file's. Rows without id or time are left out: foreign ones,
 * which no event can repeat.
 * @throws table.corrupt where the file is gone
 */
export async function* identityRows(
  { store, kernel }: IdentityPorts,
  table: string,
  file: AddFile,
  secret: Uint8Array,
): AsyncGenerator<IdentityRows, undefined, unknown> {
  const path = storePathOf(table, file.path);
  const bytes = await store.get(path);
  if (!bytes)
    throw new MuaraError("table.corrupt", `${table} names ${file.path}, which does not exist.`, {
      details: { path },
    });
  const groups = readIdRows(bytes, ID, INGEST_TIME);
  if (!groups) {
    yield slowly(kernel, await readColumns(bytes, [ID, INGEST_TIME]), secret);
    return;
  }
  for (const { count, bytes: texts, index, ingestMs } of groups)
    yield { count, identities: kernel.identitiesAt(texts, index, secret), ingestMs };
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
