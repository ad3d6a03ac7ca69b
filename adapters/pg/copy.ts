/**
 * Copies of tables of a PostgreSQL database (core/ports/source-copy.ts).
 *
 * Surprising rules:
 * - a table is locked (ACCESS SHARE) before a chunk's snapshot is taken. ALTER TABLE and TRUNCATE do not keep what
 *   older snapshots see: between the two they would show an empty table.
 * - the exported snapshot is older than the lock; so the files of the table are compared with those that it had then.
 */
import type { Client } from "pg";
import { chunkPlace, emptiedPlace, snapshotPlace } from "../../core/copy-place.ts";
import type { DatabaseAddress } from "../../core/database-address.ts";
import { MuaraError } from "../../core/errors.ts";
import type {
  ChunkCopy,
  ChunkRequest,
  ChunkWatch,
  CopyChunk,
  CopyLook,
  CopyTable,
  CopyView,
  SnapshotCopy,
  SnapshotRequest,
  SourceCopy,
} from "../../core/ports/source-copy.ts";
import type { SourceBinding, SourcePart, SourceRelation } from "../../core/ports/source.ts";
import { parseSnapshot } from "../../core/transaction-snapshot.ts";
import type { BatchBuilder } from "./batch-builder.ts";
import { BoundRelation } from "./bound-relation.ts";
import { type ConnectOptions, rowsOf } from "./connection.ts";
import { askableKeys } from "./copy-keys.ts";
import {
  type CopyRelation,
  keysQuery,
  quoteLiteral,
  quoteTable,
  rangeQuery,
  readCopyRelation,
  wholeQuery,
} from "./copy-relation.ts";
import { connectCopy, copyRows, CopyWriter, textsOf } from "./copy-session.ts";
import { sqlstateOf } from "./failure.ts";
import { lsnOf } from "./lsn.ts";
import type { Tuple } from "./tuple.ts";

/** Of a chunk of a table whose rows' size nobody knows yet. */
const FIRST_ROWS = 1_000;
/** Part of the bytes that a chunk should have; rows may be larger than those before. */
const BYTES_AIMED = 0.5;
const BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const NO_SNAPSHOT: ReadonlySet<string | undefined> = new Set(["22023", "42704", "42602"]);
/** The end of the log is asked for after the statement's snapshot was taken: nothing that it sees is behind it. */
const VIEW = `
  SELECT pg_catalog.pg_current_snapshot()::text AS snapshot, pg_catalog.pg_current_wal_insert_lsn()::text AS lsn,
         (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8::text AS at_us`;
/** Who has an id holds a lock on it until nobody sees him under way any more; sub-transactions have some, too. */
const RUNNING = `
  SELECT DISTINCT l.transactionid::text::int8::text AS xid
    FROM pg_catalog.pg_locks l
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
   WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
     AND (a.datid IS NULL OR a.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))`;
/** Catalogs are read as the snapshot has them, files by name as they are now. */
const REWRITTEN = `
  SELECT c.oid::regclass::text AS name
    FROM pg_catalog.pg_class c
   WHERE (c.oid = $1 OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass)))
     AND c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)`;

type Options = Omit<ConnectOptions, "purpose" | "settings">;

export function openCopy(address: DatabaseAddress, options: Options): SourceCopy {
  return {
    inSnapshot: async (name) => {
      const copy = new PgSnapshotCopy(address, options, name);
      await copy.open();
      return copy;
    },
    inChunks: async () => new PgChunkCopy(address, options),
  };
}

class PgSnapshotCopy implements SnapshotCopy {
  readonly #address: DatabaseAddress;
  readonly #options: Options;
  readonly #name: string;
  readonly #free: Client[] = [];
  readonly #all = new Set<Client>();

  constructor(address: DatabaseAddress, options: Options, name: string) {
    this.#address = address;
    this.#options = options;
    this.#name = name;
  }

  async open(): Promise<void> {
    const client = await connectCopy(this.#address, { ...this.#options, statementMs: 0 });
    this.#all.add(client);
    try {
      await rowsOf(client, BEGIN);
      await rowsOf(client, `SET TRANSACTION SNAPSHOT ${quoteLiteral(this.#name)}`);
    } catch (error) {
      await this.#end(client);
      if (!NO_SNAPSHOT.has(sqlstateOf((error as Error).cause))) throw error;
      throw new MuaraError("source.lost", "the snapshot that the slot has exported is gone", {
        cause: error,
      });
    }
    this.#free.push(client);
  }

  async *rows(table: CopyTable, request: SnapshotRequest): AsyncGenerator<SourcePart> {
    if (this.#free.length === 0) await this.open();
    const client = this.#free.pop()!;
    let isWhole = false;
    try {
      yield* this.#rows(client, table, request);
      isWhole = true;
    } finally {
      if (isWhole) this.#free.push(client);
      else await this.#end(client);
    }
  }

  async close(): Promise<void> {
    for (const client of this.#all) await this.#end(client);
  }

  async *#rows(
    client: Client,
    table: CopyTable,
    { at, isAgain, batchBytes }: SnapshotRequest,
  ): AsyncGenerator<SourcePart> {
    const { incarnation } = table;
    await rowsOf(client, `LOCK TABLE ${quoteTable(table)} IN ACCESS SHARE MODE`);
    const copy = await readCopyRelation(client, table);
    const [rewritten] = await rowsOf<{ name: string }>(client, REWRITTEN, [copy.relation.id]);
    if (rewritten)
      throw new MuaraError("source.rewritten", `${rewritten.name} was rewritten after the slot was made`);
    const binding = await boundOf(table, copy.relation);
    if (!binding) return;
    const [view] = await rowsOf<{ at_us: string }>(client, VIEW);
    const writer = new CopyWriter(
      binderOf(table, copy.relation, binding),
      (number) => snapshotPlace({ incarnation, at, number }),
      0,
      Number(view!.at_us),
    );
    const { batch } = writer;
    if (isAgain) writer.emptied(emptiedPlace({ incarnation, at }));
    const query = { query: wholeQuery(copy), columns: copy.relation.columns.length };
    const isRoom = (tuple: Tuple): boolean => {
      writer.row(tuple);
      return batch.bytes < batchBytes;
    };
    for await (const _ of copyRows(client, this.#address, query, isRoom))
      if (batch.bytes >= batchBytes) yield batch.take().parts[0]!;
    if (!batch.isEmpty) yield batch.take().parts[0]!;
  }

  async #end(client: Client): Promise<void> {
    this.#all.delete(client);
    await client.end().catch(() => undefined);
  }
}

interface KnownTable {
  readonly text: string;
  readonly binding: SourceBinding | null;
  /** Of an event, bytes; 0: nobody knows. */
  rowBytes: number;
}

class PgChunkCopy implements ChunkCopy {
  readonly #address: DatabaseAddress;
  readonly #options: Options;
  #client: Client | undefined;
  readonly #known = new Map<string, KnownTable>();

  constructor(address: DatabaseAddress, options: Options) {
    this.#address = address;
    this.#options = options;
  }

  async look(): Promise<CopyLook> {
    const client = await this.#session();
    const running = await rowsOf<{ xid: string }>(client, RUNNING);
    return { ...(await viewOf(client)).view, running: running.map(({ xid }) => Number(xid)) };
  }

  async chunk(
    table: CopyTable,
    request: ChunkRequest,
    watch: ChunkWatch,
  ): Promise<CopyChunk | "unbound" | "unaskable"> {
    const client = await this.#session();
    let isDone = false;
    try {
      await rowsOf(client, BEGIN);
      await rowsOf(client, `LOCK TABLE ${quoteTable(table)} IN ACCESS SHARE MODE`);
      watch.taking();
      const { view, atUs } = await viewOf(client);
      watch.taken(view);
      const copy = await readCopyRelation(client, table);
      const known = await this.#bind(table, copy.relation);
      const chunk = known.binding
        ? await this.#rows(client, { table, copy, binding: known.binding, known, view, atUs }, request)
        : "unbound";
      if (client === this.#client) await rowsOf(client, "COMMIT");
      isDone = true;
      return chunk;
    } finally {
      if (!isDone) await this.close();
    }
  }

  async emptied(table: CopyTable, at: bigint): Promise<SourcePart | null> {
    const client = await this.#session();
    const { relation } = await readCopyRelation(client, table);
    const { binding } = await this.#bind(table, relation);
    if (!binding) return null;
    const { atUs } = await viewOf(client);
    const place = emptiedPlace({ incarnation: table.incarnation, at });
    const writer = new CopyWriter(binderOf(table, relation, binding), () => place, 0, atUs);
    writer.emptied(place);
    return writer.batch.take().parts[0]!;
  }

  async nudge(): Promise<void> {
    const client = await this.#session();
    // Its commit is written although it has done nothing, because it has an id.
    await rowsOf(client, "SELECT pg_catalog.pg_current_xact_id()::text");
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  async #session(): Promise<Client> {
    return (this.#client ??= await connectCopy(this.#address, this.#options));
  }

  async #bind(table: CopyTable, relation: SourceRelation): Promise<KnownTable> {
    const text = JSON.stringify(relation);
    const name = quoteTable(table);
    const known = this.#known.get(name);
    if (known?.text === text) return known;
    const bound = { text, binding: await boundOf(table, relation), rowBytes: 0 };
    this.#known.set(name, bound);
    return bound;
  }

  async #rows(client: Client, plan: ChunkPlan, request: ChunkRequest): Promise<CopyChunk | "unaskable"> {
    const { table, copy, binding, known, view, atUs } = plan;
    const { incarnation } = table;
    const { key, stream, partition } = binding;
    if (key.length === 0)
      throw new MuaraError("source.statement", `${table.schema}.${table.name} has no key to copy by`);
    const asked = request.again && askableKeys(request.again, binding);
    if (request.again && !asked) return "unaskable";
    const aimed = known.rowBytes === 0 ? FIRST_ROWS : (request.bytes * BYTES_AIMED) / known.rowBytes;
    const limit = asked ? asked.length : Math.max(1, Math.min(request.rows, Math.floor(aimed)));
    const query = asked
      ? keysQuery(copy, key, asked)
      : rangeQuery(copy, { key, after: request.after, rows: limit });
    const writer = new CopyWriter(
      binderOf(table, copy.relation, binding),
      (number) => chunkPlace({ incarnation, at: view.highLsn, number }),
      request.number,
      atUs,
    );
    const { batch } = writer;
    let last: Tuple | undefined;
    const row = (tuple: Tuple): boolean => {
      writer.row(tuple);
      last = tuple;
      return asked !== undefined || batch.bytes < request.bytes;
    };
    await rowsOf(client, `SET LOCAL search_path = ${copy.searchPath}`);
    let isCut = false;
    let to = request.after;
    const source = { query, columns: copy.relation.columns.length };
    for await (const _ of copyRows(client, this.#address, source, row)) {
      if (last && !asked) to = textsOf(last, key);
      isCut = asked === undefined && batch.bytes >= request.bytes && batch.changes < limit;
      if (isCut) break;
    }
    if (isCut) await this.close();
    const { changes, bytes } = batch;
    if (changes > 0) known.rowBytes = bytes / changes;
    const isLast = !isCut && changes < limit;
    const records = batch.take().parts[0]?.records ?? EMPTY;
    return { ...view, stream, partition, records, to, isLast };
  }
}

const EMPTY = { count: 0, bytes: new Uint8Array(0), index: new Uint32Array(0) };

interface ChunkPlan {
  readonly table: CopyTable;
  readonly copy: CopyRelation;
  readonly binding: SourceBinding;
  readonly known: KnownTable;
  readonly view: CopyView;
  readonly atUs: number;
}

async function viewOf(client: Client): Promise<{ view: CopyView; atUs: number }> {
  const [row] = await rowsOf<Record<"snapshot" | "lsn" | "at_us", string>>(client, VIEW);
  const view = { snapshot: parseSnapshot(row!.snapshot), highLsn: lsnOf(row!.lsn) };
  return { view, atUs: Number(row!.at_us) };
}

function binderOf(
  { shard, incarnation }: CopyTable,
  relation: SourceRelation,
  binding: SourceBinding,
): (batch: BatchBuilder) => BoundRelation {
  return (batch) =>
    new BoundRelation(
      { shard, incarnation },
      relation,
      binding,
      batch.slot(binding.stream, binding.partition),
    );
}

/** What an outbox has told already is no row of it. */
async function boundOf(table: CopyTable, relation: SourceRelation): Promise<SourceBinding | null> {
  const binding = await table.bind(relation);
  return binding && "outbox" in binding ? null : binding;
}
