/**
 * A database at one place of its log. A logical slot that lives as long as its session exports a snapshot that has
 * everything up to a known place; the slot goes as soon as a transaction has taken the snapshot over, and so does the
 * log that it keeps. Nothing is written into the source.
 *
 * Each table is read in a transaction of its own, in parts of its file with a rest after each. The snapshot keeps the
 * source from clearing old versions of rows for as long as all of it takes.
 */
import type { Client } from "pg";
import type { Clock } from "../../core/clock.ts";
import type { DatabaseAddress } from "../../core/database-address.ts";
import { MuaraError } from "../../core/errors.ts";
import type { DatabaseSnapshot, SnapshotTerms, SnapshotTable } from "../../core/ports/snapshot.ts";
import type { SliceSum, RowDigest, RowValues } from "../../core/row-text.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { connectDatabase, connectReplication, rowsOf } from "./connection.ts";
import { lsnOf } from "./lsn.ts";
import { PartReader } from "./part-reader.ts";
import { digestsSql, sumsSql, valuesSql } from "./snapshot-sql.ts";
import { tableShape, type TableShape } from "./snapshot-table.ts";

/** Before this version a range of places in a file is looked for in the whole file. */
const RANGES_SINCE = 140_000;

export interface SnapshotOptions extends SnapshotTerms {
  readonly readSecret: ReadSecret;
  readonly clock: Clock;
}

/** @throws source.unavailable, source.refused, source.timeout where a transaction does not end */
export async function openSnapshot(
  address: DatabaseAddress,
  options: SnapshotOptions,
): Promise<DatabaseSnapshot> {
  const connect = (): Promise<Client> =>
    connectDatabase(address, {
      readSecret: options.readSecret,
      purpose: "reconcile",
      settings: { row_security: "off", idle_in_transaction_session_timeout: "0", lock_timeout: "10s" },
    });
  const keeper = await connect();
  let walsender: Client | undefined;
  try {
    walsender = await connectReplication(address, { readSecret: options.readSecret, purpose: "reconcile" });
    const exported = await exportSnapshot(walsender, keeper, options);
    await begin(keeper, exported.name);
    const [kept] = await rowsOf<{ name: string }>(keeper, "select pg_export_snapshot() as name");
    const [{ version }] = (await rowsOf<{ version: string }>(
      keeper,
      "select current_setting('server_version_num') as version",
    )) as [{ version: string }];
    const parts = new PartReader({
      connect: async () => {
        const client = await connect();
        try {
          await begin(client, kept!.name);
          return client;
        } catch (error) {
          await client.end().catch(() => undefined);
          throw error;
        }
      },
      hasRanges: Number(version) >= RANGES_SINCE,
      ...options,
    });
    return new PostgresSnapshot(exported.lsn, keeper, parts);
  } catch (error) {
    await keeper.end().catch(() => undefined);
    throw error;
  } finally {
    await walsender?.end().catch(() => undefined);
  }
}

/** The slot is made once all transactions have ended that were open when it was asked for. */
async function exportSnapshot(
  walsender: Client,
  other: Client,
  { clock, waitMs }: SnapshotOptions,
): Promise<{ readonly lsn: bigint; readonly name: string }> {
  const [session] = await rowsOf<{ pid: number }>(walsender, "select pg_backend_pid() as pid");
  const slot = `muara_reconcile_${session!.pid}`;
  const over = new AbortController();
  const made = rowsOf<{ consistent_point: string; snapshot_name: string }>(
    walsender,
    `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
  );
  const cancel = async (): Promise<void> => {
    await clock.sleep(waitMs, over.signal);
    if (!over.signal.aborted) await rowsOf(other, "select pg_cancel_backend($1)", [session!.pid]);
  };
  const late = cancel();
  try {
    const [slotRow] = await made;
    return { lsn: lsnOf(slotRow!.consistent_point), name: slotRow!.snapshot_name };
  } catch (error) {
    const details = { wait_ms: waitMs };
    const message = "A transaction of the source has been open for too long; a snapshot waits for its end.";
    if (error instanceof MuaraError && error.code === "source.timeout")
      throw new MuaraError("source.timeout", message, { details, cause: error });
    throw error;
  } finally {
    over.abort();
    await late;
  }
}

async function begin(client: Client, snapshot: string): Promise<void> {
  await rowsOf(client, "begin transaction isolation level repeatable read read only");
  await rowsOf(client, `set transaction snapshot '${snapshot.replaceAll("'", "")}'`);
}

type Raw = Record<string, unknown>;

class PostgresSnapshot implements DatabaseSnapshot {
  readonly lsn: bigint;
  readonly #keeper: Client;
  readonly #parts: PartReader;

  constructor(lsn: bigint, keeper: Client, parts: PartReader) {
    this.lsn = lsn;
    this.#keeper = keeper;
    this.#parts = parts;
  }

  async table(schema: string, name: string): Promise<SnapshotTable> {
    const shape = await tableShape(this.#keeper, schema, name);
    const read = (sqlOf: (from: string) => string, values: readonly unknown[] = []): AsyncIterable<Raw[]> =>
      this.#parts.read(shape, sqlOf, values);
    return {
      ...shape,
      sums: async function* (slices) {
        for await (const rows of read((from) => sumsSql(shape, slices, from))) yield rows.map(sumOf);
      },
      digests: async function* (slices, wanted) {
        for await (const rows of read((from) => digestsSql(shape, slices, from), [wanted]))
          yield rows as unknown as readonly RowDigest[];
      },
      values: async function* (keys) {
        for await (const rows of read((from) => valuesSql(shape, from), [keys]))
          yield rows.map((row) => valuesOf(shape, row));
      },
    };
  }

  async close(): Promise<void> {
    await this.#keeper.end().catch(() => undefined);
  }
}

function sumOf({ slice, rows, first, last }: Raw): SliceSum {
  return {
    slice: slice as number,
    rows: BigInt(rows as string),
    first: BigInt.asUintN(64, BigInt(first as string)),
    last: BigInt.asUintN(64, BigInt(last as string)),
  };
}

function valuesOf({ columns }: TableShape, { key, digest, ...values }: Raw): RowValues {
  const texts = columns.map((_, place) => values[`c${place}`] as string | null);
  return { key: key as string, digest: digest as string, values: texts };
}
