/**
 * A table of an operational data store as a sink of deliveries. A batch is one transaction: its rows and how far the
 * delivery is (`muara.deliveries`), so each row counts once, whatever happens. `synchronous_commit` is on: what is
 * told to be taken must not be less durable than what forgets it.
 *
 * What the table's columns cannot take is refused, and is found by halving the batch; everything else comes again.
 */
import type { Client } from "pg";
import type { DatabaseAddress } from "../../core/database-address.ts";
import type { PostgresTarget } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Sink, SinkBatch, SinkErased, SinkErasure, SinkOutcome } from "../../core/ports/sink.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { connectDatabase, rowsOf } from "./connection.ts";
import { sqlstateOf } from "./failure.ts";
import { makeStaging } from "./sink-apply.ts";
import { writeBatch } from "./sink-batch.ts";
import { cutOff, endClient, isAlive } from "./sink-client.ts";
import { RefusedRow } from "./sink-changes.ts";
import { planTarget } from "./sink-columns.ts";
import type { Shape } from "./sink-copy.ts";
import { eraseRows } from "./sink-erase.ts";
import type { SinkPlaces } from "./sink-places.ts";
import { NotPlain } from "./sink-replace.ts";
import { lockStep, moveStep, takeOver } from "./sink-step.ts";
import { ensureOwnTables, ensureTable, type TableName, tableName } from "./sink-table.ts";

/** SQLSTATE, by class or whole: data exceptions, constraints, limits of a row or an index, triggers' own words. */
const REFUSED = /^(22|23|54|P0001)/;
/** Two rows have the same key, whose texts differ; or somebody else has written one meanwhile. */
const TWICE: ReadonlySet<string> = new Set(["21000", "23505"]);
const TAKEN: SinkOutcome = { outcome: "taken" };
const IDLE_MS = 60_000;
/** An erasure may take so long at least. */
const ERASE_MS_LEAST = 600_000;
const LOCK_MS = 30_000;
const SETTINGS: Readonly<Record<string, string>> = {
  synchronous_commit: "on",
  idle_in_transaction_session_timeout: String(IDLE_MS),
  lock_timeout: String(LOCK_MS),
  // The staging tables have no statistics: by index, row by row, is never far off.
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  tcp_keepalives_idle: "15",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
  search_path: "pg_catalog",
};

export interface PostgresSinkOptions {
  readonly address: DatabaseAddress;
  readonly readSecret: ReadSecret;
  /** Of the declaration. */
  readonly id: string;
  readonly name: string;
  readonly target: Pick<PostgresTarget, "table" | "mode" | "key">;
  /** A batch that takes longer comes again, ms. */
  readonly timeoutMs: number;
  /** Bounds the connections to the target. */
  readonly places: SinkPlaces;
}

interface Session {
  readonly client: Client;
  readonly epoch: number;
  isCareful: boolean;
  shape: Shape | undefined;
  /** What the shape was made of. */
  columns: SinkBatch["columns"] | undefined;
}

export function createPostgresSink(options: PostgresSinkOptions): Sink {
  return new PostgresSink(options);
}

class PostgresSink implements Sink {
  readonly guarantee = "transactional";
  readonly #options: PostgresSinkOptions;
  readonly #table: TableName;
  #place: (() => void) | undefined;
  #client: Client | undefined;
  #session: Session | undefined;

  constructor(options: PostgresSinkOptions) {
    this.#options = options;
    this.#table = tableName(options.target.table);
  }

  write(batch: SinkBatch, signal: AbortSignal): Promise<SinkOutcome> {
    return this.#attempt(signal, this.#options.timeoutMs, async (over) => {
      const isFirst = batch.sequence === 0 && batch.generation === 0;
      const session = this.#session ?? (await this.#open(isFirst, over));
      if (!session) return { outcome: "later", reason: this.#unknown() };
      await this.#fit(session, batch);
      try {
        return await inTransaction(session.client, () => this.#take(session, batch, session.isCareful));
      } catch (error) {
        // What came out of order once will do so again.
        if (error instanceof NotPlain) session.isCareful = true;
        else if (!TWICE.has(stateOf(error) ?? "")) throw error;
        return await inTransaction(session.client, () => this.#take(session, batch, true));
      }
    });
  }

  async erase(erasure: SinkErasure, signal: AbortSignal): Promise<SinkErased> {
    const { id, target, timeoutMs } = this.#options;
    let rows = 0;
    const outcome = await this.#attempt(signal, Math.max(timeoutMs, ERASE_MS_LEAST), async (over) => {
      const session = this.#session ?? (await this.#open(false, over));
      if (!session) return erasure.hasDelivered ? { outcome: "later", reason: this.#unknown() } : TAKEN;
      return inTransaction(session.client, async () => {
        // Whole tables are looked through.
        await rowsOf(session.client, "set local statement_timeout = 0");
        await lockStep(session.client, id);
        rows = await eraseRows(session.client, { id, table: this.#table, mode: target.mode }, erasure);
        return TAKEN;
      });
    });
    return outcome.outcome === "taken" ? { rows } : { reason: outcome.reason };
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#session = this.#client = undefined;
    if (client) await endClient(client);
    this.#place?.();
    this.#place = undefined;
  }

  /** Never for longer than asked for: of a peer that is gone without a word nothing is ever heard. */
  async #attempt(
    signal: AbortSignal,
    timeoutMs: number,
    work: (over: AbortSignal) => Promise<SinkOutcome>,
  ): Promise<SinkOutcome> {
    const { places } = this.#options;
    this.#place ??= await places.acquire(signal);
    if (!this.#place) return { outcome: "later", reason: "it was stopped" };
    const over = new AbortController();
    const cut = Promise.withResolvers<never>();
    const end = (): void => {
      over.abort();
      cutOff(this.#client);
      cut.reject(new MuaraError("source.timeout", "it was cut off"));
    };
    // Taken away below: signals outlive many batches.
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    const timer = setTimeout(end, timeoutMs);
    try {
      return await Promise.race([work(over.signal), cut.promise]);
    } catch (error) {
      const isLate = over.signal.aborted && !signal.aborted;
      const outcome = outcomeOf(error, isLate ? timeoutMs : undefined);
      if (outcome.outcome === "later") cutOff(this.#client);
      return outcome;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      if (places.isWanted || over.signal.aborted || !isAlive(this.#client)) await this.close();
    }
  }

  /** @returns undefined where the target does not know what it should */
  async #open(isFirst: boolean, over: AbortSignal): Promise<Session | undefined> {
    const { address, readSecret, id, name, target } = this.#options;
    const settings = { readSecret, purpose: `delivery ${name}`, settings: SETTINGS };
    const client = await connectDatabase(address, settings);
    if (over.aborted) {
      await endClient(client);
      return undefined; // nobody waits any more
    }
    this.#client = client;
    await ensureOwnTables(client);
    const epoch = await takeOver(client, { id, name, target: target.table }, isFirst);
    if (epoch === undefined) return undefined;
    return (this.#session = { client, epoch, isCareful: false, shape: undefined, columns: undefined });
  }

  /** The table as these columns need it. A batch of truncates alone needs none. */
  async #fit(session: Session, { columns, rows }: SinkBatch): Promise<void> {
    if (session.columns === columns) return;
    const { target } = this.#options;
    const hasShard = target.mode === "state" && target.key ? isSharded(rows, target.key.length) : true;
    if (hasShard === undefined) return;
    const { client } = session;
    const plan = planTarget(target, columns, hasShard);
    let types: ReadonlyMap<string, string> = new Map();
    try {
      await inTransaction(client, async () => {
        types = await ensureTable(client, this.#table, plan);
        return TAKEN;
      });
      const shape = { table: this.#table, plan, types };
      await makeStaging(client, shape);
      Object.assign(session, { shape, columns });
    } catch (error) {
      // No row is to blame for a table that cannot be made.
      if (!REFUSED.test(stateOf(error) ?? "")) throw error;
      throw new MuaraError("delivery.target", (error as Error).message, { cause: error });
    }
  }

  async #take({ client, epoch, shape }: Session, batch: SinkBatch, isCareful: boolean): Promise<SinkOutcome> {
    const { id, target } = this.#options;
    const { generation, sequence, rows, committedMs } = batch;
    const step = await lockStep(client, id);
    if (!step) return { outcome: "later", reason: this.#unknown() };
    const isSame = step.generation === generation;
    const end = sequence + rows.length;
    if (step.generation > generation || (isSame && step.next >= end)) return TAKEN;
    if (step.epoch !== epoch) {
      this.#session = undefined;
      cutOff(client);
      return { outcome: "later", reason: "another process has taken the delivery over" };
    }
    const missing = isSame && step.next > sequence ? rows.slice(step.next - sequence) : rows;
    const place = { id, table: this.#table, mode: target.mode, shape, isCareful };
    const carried = await writeBatch(client, place, { ...batch, rows: missing }, step);
    await moveStep(client, id, { generation, next: end, carried, committedMs });
    return TAKEN;
  }

  #unknown(): string {
    const { name, target } = this.#options;
    return (
      `the database of ${target.table} does not know the delivery ${name} any more, which has delivered before: ` +
      "declare it again"
    );
  }
}

/** Commits what is taken, and nothing else. */
async function inTransaction(client: Client, work: () => Promise<SinkOutcome>): Promise<SinkOutcome> {
  await rowsOf(client, "begin");
  try {
    const outcome = await work();
    if (isAlive(client)) await rowsOf(client, outcome.outcome === "taken" ? "commit" : "rollback");
    return outcome;
  } catch (error) {
    if (isAlive(client)) await rowsOf(client, "rollback");
    throw error;
  }
}

/** @returns whether the shard stands before a key of so many columns; undefined where no row has a key */
function isSharded(rows: SinkBatch["rows"], columns: number): boolean | undefined {
  const changes = rows.filter(
    ({ values }) => (values["source"] as { change?: string } | null)?.change !== "truncate",
  );
  const key = changes.find((row) => row.key !== null)?.key;
  if (key === undefined || key === null) return changes.length > 0 ? true : undefined;
  const parts = keyParts(key);
  if (!parts) throw new RefusedRow(`the row's key is no JSON array: ${key.slice(0, 100)}`);
  return parts.length > columns;
}

function keyParts(key: string): readonly unknown[] | undefined {
  try {
    const parts: unknown = JSON.parse(key);
    return Array.isArray(parts) ? parts : undefined;
  } catch {
    return undefined;
  }
}

function outcomeOf(error: unknown, lateMs: number | undefined): SinkOutcome {
  if (error instanceof RefusedRow) return { outcome: "refused", reason: error.message };
  const state = stateOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (lateMs !== undefined) return { outcome: "later", reason: `not done within ${lateMs} ms` };
  if (state !== undefined && REFUSED.test(state)) return { outcome: "refused", reason };
  if (error instanceof MuaraError || state !== undefined) return { outcome: "later", reason };
  throw error;
}

function stateOf(error: unknown): string | undefined {
  if (!(error instanceof MuaraError)) return sqlstateOf(error);
  const { sqlstate } = error.details;
  return typeof sqlstate === "string" ? sqlstate : undefined;
}
