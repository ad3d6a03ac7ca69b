/**
 * A shard of the capture proof: a PostgreSQL server of its own with pgbench's TPC-B tables, pgbench running on it at a
 * steady rate, begun again whenever the server went away under it, and a witness of all that was committed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type PostgresServer, postgresProgram, startPostgres } from "../services/postgres.ts";
import { createWitness } from "./capture-changes.ts";
import type { RowDigest } from "./capture-rows.ts";
import { rowSql, type TellerTable, TELLER_TABLES } from "./capture-tables.ts";
import { sleep } from "./host.ts";

export const DATABASE = "bank";
const CLIENTS = 4;
const PAUSE_MS = 100;
/** pgbench writes its account down only where it ends by itself. */
const TURN_SECONDS = "2";

export interface TellerSums {
  readonly tellers: string;
  readonly branches: string;
  readonly accounts: string;
  readonly history: string;
  /** Rows of the history: transactions since the beginning. */
  readonly transactions: number;
}

export class TellerShard {
  readonly name: string;
  readonly server: PostgresServer;
  readonly #folder: string;
  readonly #rate: number;
  #child: ChildProcess | undefined;
  #isOver = false;
  #running: Promise<void> | undefined;
  /** How often pgbench lost the server: so often nobody knows about the last transaction of each of its clients. */
  breaks = 0;

  /** @param folder for pgbench's logs, which is there @param rate transactions per second */
  static async start(name: string, folder: string, rate: number): Promise<TellerShard> {
    const server = await startPostgres();
    try {
      await server.sql(`create database ${DATABASE}`);
      await pgbench(server, ["-i", "-q", "-s", "1"]);
      await createWitness(server, DATABASE);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return new TellerShard(name, server, folder, rate);
  }

  private constructor(name: string, server: PostgresServer, folder: string, rate: number) {
    this.name = name;
    this.server = server;
    this.#folder = folder;
    this.#rate = rate;
  }

  begin(): void {
    this.#running = this.#run();
    this.#running.catch(() => undefined); // whoever waits for its end sees it
  }

  /** Resolves once the last transaction has ended. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#child?.kill("SIGKILL");
    await this.#running?.catch(() => undefined);
    await this.server.stop();
  }

  rows(table: TellerTable): Promise<readonly RowDigest[]> {
    return rowsOf(this.server, DATABASE, table);
  }

  sums(): Promise<TellerSums> {
    return sumsOf(this.server);
  }

  /**
   * The source against pgbench's own account of what it did.
   * @returns transactions that pgbench logged @throws where the history has fewer, or more than nobody knows about
   */
  async checkSource(): Promise<number> {
    const { transactions, ...balances } = await this.sums();
    if (new Set(Object.values(balances)).size !== 1)
      throw new Error(`${this.name}: the source's own sums differ: ${JSON.stringify(balances)}`);
    const logged = await this.#logged();
    const unknown = CLIENTS * this.breaks;
    if (transactions < logged || transactions > logged + unknown)
      throw new Error(`${this.name}: pgbench logged ${logged} transactions, the history has ${transactions}`);
    return logged;
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      const prefix = join(this.#folder, `${this.name}-${turn}`);
      const args = ["-n", "-c", String(CLIENTS), "-R", String(this.#rate), "-T", TURN_SECONDS, "-l"];
      try {
        await pgbench(this.server, [...args, "--log-prefix", prefix], (child) => (this.#child = child));
      } catch {
        this.breaks++;
        await sleep(PAUSE_MS);
      }
    }
  }

  async #logged(): Promise<number> {
    let lines = 0;
    for (const file of await readdir(this.#folder)) {
      if (!file.startsWith(`${this.name}-`)) continue;
      const text = await readFile(join(this.#folder, file), "latin1");
      lines += text.split("\n").length - 1;
    }
    return lines;
  }
}

export async function sumsOf(server: PostgresServer, where = ""): Promise<TellerSums> {
  const sum = (table: string, column: string): string =>
    `(select coalesce(sum(${column}), 0) from ${table} ${where})::text`;
  const [row] = await server.sql(
    `select ${sum("pgbench_tellers", "tbalance")} as tellers, ${sum("pgbench_branches", "bbalance")} as branches,
      ${sum("pgbench_accounts", "abalance")} as accounts, ${sum("pgbench_history", "delta")} as history,
      (select count(*) from pgbench_history ${where})::int as transactions`,
    [],
    DATABASE,
  );
  return row as unknown as TellerSums;
}

/** Rows of a table as its server has them. */
export async function rowsOf(
  server: PostgresServer,
  database: string,
  table: TellerTable,
  where = "",
): Promise<readonly RowDigest[]> {
  const text = `select ${rowSql(table, "postgres")} from ${table.name} ${where}`;
  return (await server.sql(text, [], database)) as unknown as readonly RowDigest[];
}

/** @throws with its output where it does not end well */
export function pgbench(
  server: PostgresServer,
  args: readonly string[],
  onChild: (child: ChildProcess) => void = () => undefined,
): Promise<void> {
  const place = ["-h", server.host, "-p", String(server.port), "-U", server.user];
  const child = spawn(postgresProgram("pgbench"), [...args, ...place, DATABASE], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onChild(child);
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`pgbench ended with ${code ?? signal}: ${errors.slice(-2_000)}`));
    });
  });
}

export const TABLE_NAMES: readonly string[] = TELLER_TABLES.map(({ name }) => name);
