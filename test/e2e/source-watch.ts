/** What the sessions of a capture hold at their source while it works, looked at again and again. */
import type { Client } from "pg";
import type { PostgresServer } from "../services/postgres.ts";

const PAUSE_MS = 5;

export interface SourceSight {
  /** Of tables and their indexes: mode, relation and what the session does. */
  readonly locks: ReadonlySet<string>;
  /** Longest age of a transaction, ms, by what its session did last. */
  readonly transactionMs: ReadonlyMap<string, number>;
  readonly looks: number;
}

export class SourceWatch {
  readonly #client: Client;
  readonly #locks = new Set<string>();
  readonly #transactionMs = new Map<string, number>();
  readonly #looking: Promise<void>;
  #looks = 0;
  #isOver = false;

  static async begin(server: PostgresServer): Promise<SourceWatch> {
    return new SourceWatch(await server.connect());
  }

  private constructor(client: Client) {
    this.#client = client;
    this.#looking = this.#look();
    this.#looking.catch(() => undefined); // whoever ends it sees it
  }

  async end(): Promise<SourceSight> {
    this.#isOver = true;
    await this.#looking;
    return { locks: this.#locks, transactionMs: this.#transactionMs, looks: this.#looks };
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const { rows: locks } = await this.#client.query<{ lock: string }>(
        `select l.mode || ' on ' || l.relation::regclass || ': ' || split_part(a.query, ' ', 1) as lock
           from pg_locks l join pg_stat_activity a using (pid)
          where a.application_name like 'muara %' and l.relation >= 16384`,
      );
      for (const { lock } of locks) this.#locks.add(lock);
      const { rows: ages } = await this.#client.query<{ what: string; ms: number }>(
        `select split_part(query, ' ', 1) as what,
                (extract(epoch from clock_timestamp() - xact_start) * 1000)::float8 as ms
           from pg_stat_activity
          where application_name like 'muara %' and xact_start is not null and backend_type = 'client backend'`,
      );
      for (const { what, ms } of ages)
        this.#transactionMs.set(what, Math.max(ms, this.#transactionMs.get(what) ?? 0));
      this.#looks++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Bytes of its log that a server keeps for a slot; undefined where there is none. */
export async function retainedBytes(server: PostgresServer, slot: string): Promise<number | undefined> {
  const [row] = await server.sql(
    `select (pg_current_wal_lsn() - restart_lsn)::text as bytes from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  return row && Number(row["bytes"]);
}
