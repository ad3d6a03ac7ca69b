/** A database of its own with a publication and slots, and readers of its changes, for tests of replication. */
import type { Client } from "pg";
import { openReplication } from "../../../adapters/pg/replication.ts";
import { readTypes, typeForm } from "../../../adapters/pg/type-form.ts";
import { systemClock } from "../../../core/clock.ts";
import { databaseAddressSchema, type DatabaseAddress } from "../../../core/database-address.ts";
import type {
  BindRelation,
  SourceBatch,
  SourceLimits,
  SourceMessage,
  SourceRelation,
  SourceStream,
} from "../../../core/ports/source.ts";
import { keyOf, payloadOf } from "../../../core/record.ts";
import type { PostgresServer } from "../../services/postgres.ts";

export const LIMITS: SourceLimits = {
  statusMs: 50,
  batchBytes: 1_048_576,
  batchMs: 5,
  queueBytes: 8_388_608,
  quietMs: 60_000,
};
export const INCARNATION = 7;
const DEADLINE_MS = 20_000;

/** An event of a change, parsed. */
export interface ChangeEvent {
  readonly metadata: { readonly eid: string; readonly occurred_at: string };
  readonly data_op: string;
  readonly data_type: string;
  readonly source: {
    readonly shard: string;
    readonly incarnation: number;
    readonly lsn: number;
    readonly index: number;
    readonly xid: number;
    readonly change: string;
    readonly unchanged?: readonly string[];
  };
  readonly before?: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
  /** The record's. */
  readonly key: string | null;
  readonly stream: string;
}

export interface Place {
  readonly address: DatabaseAddress;
  /** For its tables and changes. */
  readonly client: Client;
  /** Of every relation that was told, in order. */
  readonly relations: SourceRelation[];
  /** Every table to the stream of its name, with its key columns; null key scope. */
  readonly bind: BindRelation;
  slot(name: string): Promise<void>;
  open(slot: string, options?: OpenOptions): Promise<Reader>;
  confirmed(slot: string): Promise<bigint>;
  /** Where the server's log ends. */
  lsn(): Promise<bigint>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly limits?: Partial<SourceLimits>;
  readonly bind?: BindRelation;
  readonly cursor?: string | null;
  readonly address?: DatabaseAddress;
  /** The source's patience (wal_sender_timeout), as PostgreSQL spells it. */
  readonly patience?: string;
}

export interface Reader {
  readonly stream: SourceStream;
  readonly events: ChangeEvent[];
  readonly messages: SourceMessage[];
  readonly batches: { readonly cursor: string | null; readonly changes: number; readonly bytes: number }[];
  /** Cursors that were handed over with what ends there. */
  readonly cursors: string[];
  /** Cursors of batches that only tell how far the source is. */
  readonly places: string[];
  /** Reads on until it is so. */
  until(isDone: () => boolean): Promise<void>;
  /** Tells that everything that was read is durable, and waits until the source knows. */
  acknowledge(): Promise<void>;
  close(): Promise<void>;
}

/** @param ddl makes tables; all of `public` are published, by their roots */
export async function makePlace(server: PostgresServer, ddl: string): Promise<Place> {
  const database = await server.freshDatabase();
  let client = await server.connect(database);
  await client.query(ddl);
  await client.query("create publication muara for all tables with (publish_via_partition_root = true)");
  const { host, port, user } = server;
  const address = databaseAddressSchema.parse({ host, port, user, database });
  const relations: SourceRelation[] = [];
  const query = async <Row>(text: string): Promise<Row[]> => {
    // The server may have been restarted since.
    const { rows } = await client.query(text).catch(async () => {
      client = await server.connect(database);
      return client.query(text);
    });
    return rows as Row[];
  };
  const bind: BindRelation = async (relation) => {
    relations.push(relation);
    const keys = await keysOf(query, relation);
    const types = await readTypes(
      client,
      relation.columns.map(({ typeId }) => typeId),
    );
    return bindingOf(relation, keys, types);
  };
  const place: Place = {
    address,
    get client() {
      return client;
    },
    relations,
    bind,
    slot: async (name) => {
      await query(`select pg_create_logical_replication_slot('${name}', 'pgoutput')`);
    },
    open: async (slot, options = {}) => {
      const stream = await openReplication(
        options.address ?? address,
        {
          readSecret: () => Promise.resolve(""),
          clock: systemClock,
          settings: { wal_sender_timeout: options.patience ?? "60s" },
        },
        {
          slot,
          publications: ["muara"],
          cursor: options.cursor ?? null,
          shard: "shop1",
          incarnation: INCARNATION,
          bind: options.bind ?? bind,
          limits: { ...LIMITS, ...options.limits },
        },
      );
      return readerOf(stream, () => place.confirmed(slot));
    },
    confirmed: async (slot) => {
      const [row] = await query<{ at: string }>(
        `select (confirmed_flush_lsn - '0/0')::text as at from pg_replication_slots where slot_name = '${slot}'`,
      );
      return BigInt(row!.at);
    },
    lsn: async () => {
      const [row] = await query<{ at: string }>("select (pg_current_wal_lsn() - '0/0')::text as at");
      return BigInt(row!.at);
    },
    close: async () => {
      await client.end();
    },
  };
  return place;
}

/** Of the primary key, or of the index that is the replica identity. */
async function keysOf(
  query: <Row>(text: string) => Promise<Row[]>,
  { id, identity }: SourceRelation,
): Promise<readonly string[]> {
  const which = identity === "index" ? "i.indisreplident" : "i.indisprimary";
  const rows = await query<{ name: string }>(
    `select a.attname as name from pg_index i
       cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, at)
       join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = ${id} and ${which} and k.at <= i.indnkeyatts order by k.at`,
  );
  return rows.map(({ name }) => name);
}

function bindingOf(
  relation: SourceRelation,
  keys: readonly string[],
  types: Parameters<typeof typeForm>[2],
): Awaited<ReturnType<BindRelation>> {
  const names = relation.columns.map(({ name }) => name);
  return {
    stream: `${relation.schema}.${relation.name}`,
    partition: 0,
    header: '{"flow_id":"f"}',
    fields: relation.columns.map(({ name, typeId, modifier }) => {
      const { form, element } = typeForm(typeId, modifier, types);
      return element === undefined ? { name, form } : { name, form, element };
    }),
    key: keys.map((key) => names.indexOf(key)).filter((at) => at >= 0),
    keyScope: "shop1",
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Every event of a batch, parsed strictly, in the order of the changes. @throws where a part has another order */
export function eventsOf(batch: SourceBatch): ChangeEvent[] {
  const parts = batch.parts.map(({ stream, records }) =>
    Array.from({ length: records.count }, (_, i) => {
      const key = keyOf(records, i);
      const event = JSON.parse(decoder.decode(payloadOf(records, i)!)) as ChangeEvent;
      return { ...event, stream, key: key && decoder.decode(key) };
    }),
  );
  for (const part of parts)
    for (let i = 1; i < part.length; i++)
      if (inOrder(part[i - 1]!, part[i]!) >= 0)
        throw new Error(`event ${i} of ${part[i]!.stream} is out of order`);
  return parts.flat().sort(inOrder);
}

/** Nothing has come, but the source has gone on. */
export function isOnlyPlace({ changes, messages, commitUs }: SourceBatch): boolean {
  return changes === 0 && messages.length === 0 && commitUs === null;
}

function inOrder(first: ChangeEvent, second: ChangeEvent): number {
  return first.source.lsn - second.source.lsn || first.source.index - second.source.index;
}

function readerOf(stream: SourceStream, confirmed: () => Promise<bigint>): Reader {
  const reader: Omit<Reader, "until" | "acknowledge" | "close" | "stream"> = {
    events: [],
    messages: [],
    batches: [],
    cursors: [],
    places: [],
  };
  /** A read that nobody has waited for to its end. */
  let pending: Promise<SourceBatch | undefined> | undefined;
  return {
    stream,
    ...reader,
    until: async (isDone) => {
      const endMs = performance.now() + DEADLINE_MS;
      while (!isDone()) {
        pending ??= stream.next();
        const timeout = new Promise<"late">((resolve) => setTimeout(() => resolve("late"), 100).unref());
        const batch = await Promise.race([pending, timeout]);
        if (performance.now() > endMs) throw new Error(`not done after ${reader.events.length} events`);
        if (batch === "late") continue;
        pending = undefined;
        if (!batch) throw new Error("the stream was closed");
        if (isOnlyPlace(batch)) {
          reader.places.push(batch.cursor!);
          continue;
        }
        reader.events.push(...eventsOf(batch));
        reader.messages.push(...batch.messages);
        const bytes = batch.parts.reduce((sum, { records }) => sum + records.bytes.length, 0);
        reader.batches.push({ cursor: batch.cursor, changes: batch.changes, bytes });
        if (batch.cursor !== null) reader.cursors.push(batch.cursor);
      }
    },
    acknowledge: async () => {
      const cursor = reader.cursors.at(-1)!;
      stream.acknowledge(cursor);
      const endMs = performance.now() + DEADLINE_MS;
      while ((await confirmed()) < BigInt(cursor)) {
        if (performance.now() > endMs) throw new Error("the source was not told");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    close: async () => {
      await stream.close();
      await pending?.catch(() => undefined);
    },
  };
}
