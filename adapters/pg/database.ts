/**
 * A PostgreSQL database that changes are captured from. Looking at it takes a session each time: captures look seldom,
 * and a session that stands idle is one that the server's people wonder about.
 */
import type { Client } from "pg";
import type { DatabaseAddress } from "../../core/database-address.ts";
import type { Clock } from "../../core/clock.ts";
import type { SourceDatabase } from "../../core/ports/source-database.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { readColumnTypes, readTables } from "./catalog.ts";
import { connectDatabase, connectReplication, placeOf, rowsOf } from "./connection.ts";
import { openCopy } from "./copy.ts";
import { openDelta } from "./delta.ts";
import { publishedTables, publishTables, removePublication } from "./publication.ts";
import { openReplication } from "./replication.ts";
import { identifySystem, serverFacts } from "./server-facts.ts";
import { makeSlot, readSlot, removeSlot } from "./slot.ts";
import { openSnapshot } from "./snapshot.ts";
import { openTransactions } from "./open-transactions.ts";

export interface DatabaseServices {
  readonly readSecret: ReadSecret;
  readonly clock: Clock;
}

export function openDatabase(
  address: DatabaseAddress,
  { readSecret, clock }: DatabaseServices,
): SourceDatabase {
  const options = { readSecret, purpose: "capture" };
  const inSession = async <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    const client = await connectDatabase(address, options);
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  return {
    place: placeOf(address),
    server: async () => {
      const facts = await inSession(serverFacts);
      const session = await connectReplication(address, options);
      try {
        return { ...facts, ...(await identifySystem(session)) };
      } finally {
        await session.end().catch(() => undefined);
      }
    },
    claim: async (name) => {
      const client = await connectDatabase(address, { ...options, statementMs: 0 });
      const [row] = await rowsOf<{ is_mine: boolean }>(
        client,
        "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS is_mine",
        [name],
      ).catch(async (error: unknown) => {
        await client.end().catch(() => undefined);
        throw error;
      });
      if (row!.is_mine) return () => client.end();
      await client.end().catch(() => undefined);
      return undefined;
    },
    tables: (names) => inSession((client) => readTables(client, names)),
    types: (columns) => inSession((client) => readColumnTypes(client, columns)),
    slot: (name) => inSession((client) => readSlot(client, name)),
    createSlot: async (name) => {
      const session = await connectReplication(address, options);
      try {
        return await makeSlot(session, name);
      } catch (error) {
        await session.end().catch(() => undefined);
        throw error;
      }
    },
    dropSlot: (name) => inSession((client) => removeSlot(client, name)),
    publish: (name, tables, inserts) =>
      inSession((client) => publishTables(client, name, tables, inserts === "inserts")),
    unpublish: (name) => inSession((client) => removePublication(client, name)),
    published: (name) => inSession(async (client) => (await publishedTables(client, name))?.tables),
    transactions: () => inSession(openTransactions),
    copy: () => openCopy(address, { readSecret }),
    delta: () => openDelta(address, { readSecret }),
    stream: (request) => openReplication(address, { readSecret, clock }, request),
    snapshot: (terms) => openSnapshot(address, { ...terms, readSecret, clock }),
    emit: (prefix, content) =>
      inSession(async (client) => {
        await rowsOf(client, "SELECT pg_logical_emit_message(true, $1, $2)", [prefix, content]);
      }),
  };
}
