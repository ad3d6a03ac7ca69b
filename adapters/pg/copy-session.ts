/** A session that copies: rows of one query after the other, as events, with memory bounded. */
import type { Client } from "pg";
import { to as copyTo } from "pg-copy-streams";
import type { ChangePlace } from "../../core/change.ts";
import type { DatabaseAddress } from "../../core/database-address.ts";
import { BatchBuilder } from "./batch-builder.ts";
import type { BoundRelation } from "./bound-relation.ts";
import { ChangeWriter } from "./change-writer.ts";
import { connectDatabase, type ConnectOptions, placeOf } from "./connection.ts";
import { CopyText } from "./copy-text.ts";
import { databaseError } from "./failure.ts";
import { Transaction } from "./transaction.ts";
import { TEXT, Tuple } from "./tuple.ts";

const WORD = 4_294_967_296n;
const decoder = new TextDecoder();

/** Neither waits for ever, nor is ended while it waits for whoever takes the rows. */
export async function connectCopy(
  address: DatabaseAddress,
  options: Omit<ConnectOptions, "purpose" | "settings">,
): Promise<Client> {
  const settings = {
    idle_in_transaction_session_timeout: "0",
    default_transaction_read_only: "on",
    search_path: "pg_catalog",
  };
  return connectDatabase(address, { ...options, purpose: "copy", settings });
}

/** Ends a session in the middle of whatever it does. */
export function breakOff(client: Client): void {
  client.connection.stream.destroy();
}

/** Writes copied rows as events. */
export class CopyWriter {
  readonly batch: BatchBuilder = new BatchBuilder();
  readonly #transaction = new Transaction();
  readonly #writer = new ChangeWriter(this.batch, this.#transaction);
  readonly #bound: BoundRelation;
  readonly #placeOf: (number: number) => ChangePlace;
  readonly #atUs: number;
  #lsn = -1n;
  #number: number;

  /** @param atUs when the rows were so, µs since 1970 UTC */
  constructor(
    bind: (batch: BatchBuilder) => BoundRelation,
    placeOfRow: (number: number) => ChangePlace,
    first: number,
    atUs: number,
  ) {
    this.#bound = bind(this.batch);
    this.#placeOf = placeOfRow;
    this.#number = first;
    this.#atUs = atUs;
  }

  row(tuple: Tuple): void {
    const index = this.#enter(this.#placeOf(this.#number++));
    this.#writer.write(this.#bound, "copy", index, tuple, null, null);
  }

  emptied(place: ChangePlace): void {
    this.#writer.write(this.#bound, "truncate", this.#enter(place), undefined, null, null);
  }

  #enter({ lsn, index }: ChangePlace): number {
    if (lsn !== this.#lsn) {
      this.#transaction.begin(Number(lsn / WORD), Number(lsn % WORD), 0, this.#atUs);
      this.#lsn = lsn;
    }
    return index;
  }
}

/**
 * Rows of a query, each given to `row`; valid until it returns. After each piece that has come from the server the
 * caller may take what there is, or stop with `return`.
 * @throws source.*
 */
export async function* copyRows(
  client: Client,
  address: DatabaseAddress,
  { query, columns }: { readonly query: string; readonly columns: number },
  row: (tuple: Tuple) => boolean,
): AsyncGenerator<void> {
  const text = new CopyText(columns);
  const tuple = new Tuple();
  let isWhole = false;
  try {
    for await (const chunk of client.query(
      copyTo(`COPY (${query}) TO STDOUT`),
    ) as AsyncIterable<Uint8Array>) {
      text.push(chunk);
      while (text.next(tuple)) {
        if (row(tuple)) continue;
        yield;
        // The caller asks on after a pause in the middle of what has come.
      }
      yield;
    }
    isWhole = true;
  } catch (error) {
    throw databaseError(error, placeOf(address));
  } finally {
    // Whoever stops early leaves a server behind that goes on sending.
    if (!isWhole) breakOff(client);
  }
}

/** Texts of some columns of a row. */
export function textsOf({ bytes, kinds, starts, ends }: Tuple, columns: readonly number[]): string[] {
  return columns.map((i) => (kinds[i] === TEXT ? decoder.decode(bytes.subarray(starts[i], ends[i])) : ""));
}
