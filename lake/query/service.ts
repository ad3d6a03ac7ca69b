/**
 * SQL over the lake. Every query runs in its own process over a pinned snapshot of each table: the process says which
 * tables the SQL mentions, this side decides whether the asker may read them, and hands over exactly their files.
 */
import path from "node:path";
import type { Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { watermarkOf } from "../../core/landed.ts";
import type { Measures } from "../../core/measures.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { Catalog } from "../catalog.ts";
import type { FileCache } from "./file-cache.ts";
import type { Judged } from "./gate.ts";
import { isUrl } from "./local-paths.ts";
import { copyParts, type CopiedPart, type CopyRequest } from "./part-copies.ts";
import { tableRight } from "./part.ts";
import { pinAll, readableViews, type Pinned } from "./pins.ts";
import { pinnedTables, versionsOf } from "./pinned-tables.ts";
import type { Failure, QueryColumn, QueryFormat } from "./protocol.ts";
import { ProcessPool, type PoolOptions } from "./process-pool.ts";
import { QueryNote } from "./query-note.ts";
import type { Arrival, QueryProcess } from "./query-process.ts";
import { CONDITION_BYTES_MAX, type JudgedCondition } from "./row-condition.ts";
import type { At } from "./time-travel.ts";
import { quoteText } from "./view.ts";
import { tracedQuery } from "./traced-query.ts";
import { checkViews, type DeclaredView, type ViewDeclaration, type Views } from "./views.ts";

const TIMEOUT_MS_MAX = 600_000;
/** Of Muara's own statements that say nothing else; they grow with what was declared, not with what was asked. */
const OWN_ROWS = 1_000_000;
const OWN_SQL_BYTES = 4 * 1_048_576;
/** Judged conditions of grants that are remembered. */
const CONDITIONS_MAX = 1_000;

export type { QueryColumn, QueryFormat } from "./protocol.ts";
export type { At } from "./time-travel.ts";

export interface QueryRequest {
  readonly sql: string;
  /** A version or a time for every table of the query, or one per table name. */
  readonly at?: At | undefined;
  readonly limit?: number | undefined;
  readonly timeoutMs?: number | undefined;
  /** Of Muara's own statements, whose rows and length are not bound by what requests may ask for. */
  readonly isOwn?: boolean | undefined;
  /** Of Muara's own statements; 4 MiB by default, or what the configuration allows if that is more. */
  readonly sqlBytesMax?: number | undefined;
  readonly principal: Principal;
  readonly format: QueryFormat;
}

export interface QueryAnswer {
  readonly columns: readonly QueryColumn[];
  /** Version of every table that the query read. */
  readonly versions: Readonly<Record<string, number>>;
  /** Minimum of the tables' watermarks, ms since 1970 UTC; null where one has none or no table was read. */
  readonly completeThroughMs: number | null;
  /** The rows in the format asked for. Of `json`: the items of a list, without its brackets. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Known when the body has been read to its end. */
  readonly end: { rows: number; isTruncated: boolean };
}

export interface QueryRows {
  readonly columns: readonly QueryColumn[];
  /** [row][column] as in the JSON answer. */
  readonly rows: readonly (readonly unknown[])[];
  readonly versions: Readonly<Record<string, number>>;
  readonly completeThroughMs: number | null;
  readonly isTruncated: boolean;
}

export type QueryLimits = Pick<
  PoolOptions["options"],
  "timeoutMs" | "memoryBytes" | "rows" | "rowsMax" | "sqlBytes" | "answerBytes"
>;

export interface QueryService {
  /** Within which every query runs. */
  readonly limits: QueryLimits;
  /**
   * Resolves when the first rows are there. The slot is free again when the body ends or `signal` is aborted.
   * @throws sql.syntax, sql.refused, sql.failed, sql.timeout, sql.memory, sql.busy, sql.too_large, table.not_found,
   *   table.version_not_found; the body may throw sql.failed, sql.timeout and sql.memory
   */
  run(request: QueryRequest, signal: AbortSignal): Promise<QueryAnswer>;
  /** All rows at once, for Muara's own reads. */
  rows(request: Omit<QueryRequest, "format">, signal: AbortSignal): Promise<QueryRows>;
  /** Replaces the views. @throws config.invalid */
  declareViews(declarations: Readonly<Record<string, ViewDeclaration>>): Promise<void>;
  /** The views whose tables all exist for the principal, by name. */
  views(principal: Principal): Promise<readonly DeclaredView[]>;
  /** Judges conditions of grants on rows. @returns by their text */
  judgeConditions(conditions: readonly string[]): Promise<ReadonlyMap<string, JudgedCondition>>;
  /**
   * The parts of data files as files of their own, in the order asked for. Takes a query's slot.
   * @throws sql.busy, sql.timeout, sql.memory, sql.failed, sql.answer_too_large
   */
  copyParts(request: CopyRequest, signal: AbortSignal): AsyncIterable<CopiedPart>;
  /** What stands between a query and the machine. @throws sql.unavailable where no query can be asked */
  layers(): Promise<readonly string[]>;
  /** For `/metrics`. */
  samples(): readonly Sample[];
  /** Kills what runs and what waits. */
  close(): Promise<void>;
}

export interface QueryServiceOptions extends PoolOptions {
  readonly catalog: Catalog;
  /** Local copies of the data files, where the lake is no local folder. */
  readonly cache?: FileCache | undefined;
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
}

export function createQueryService(services: QueryServiceOptions): QueryService {
  const pool = new ProcessPool({ ...services, lake: lakeFolder(services) });
  let views: Views = new Map();
  const shared: Shared = { ...services, conditions: new Map(), views: () => views };
  const run = async (request: QueryRequest, signal: AbortSignal): Promise<QueryAnswer> => {
    const note = new QueryNote(services.measures, services.clock);
    try {
      return await tracedQuery(request, () => new Query(shared, pool, request, signal, note).answer());
    } catch (error) {
      note.end(codeOf(error), 0);
      throw error;
    }
  };
  return {
    limits: services.options,
    run,
    rows: async (request, signal) => {
      const answer = await run({ ...request, format: "json", isOwn: true }, signal);
      const chunks: Uint8Array[] = [];
      for await (const chunk of answer.body) chunks.push(chunk);
      const rows = JSON.parse(`[${Buffer.concat(chunks).toString()}]`) as unknown[][];
      return { ...answer, rows, isTruncated: answer.end.isTruncated };
    },
    declareViews: async (declarations) => {
      views = new Map();
      if (Object.keys(declarations).length === 0) return;
      await withProcess(services, pool, async (child) => {
        views = await checkViews(declarations, services.catalog, (sql) => judgedBy(child, sql));
      });
    },
    views: async (principal) =>
      views.size === 0
        ? []
        : readableViews(services.catalog, views, principal, await services.catalog.list()),
    judgeConditions: async (conditions) => {
      const judged = new Map<string, JudgedCondition>();
      const unknown = conditions.filter((condition) => {
        const known = shared.conditions.get(condition) ?? badText(condition);
        if (known) judged.set(condition, known);
        return !known;
      });
      if (unknown.length > 0)
        await withProcess(services, pool, async (child) => {
          for (const condition of unknown)
            judged.set(condition, await judgeOnce(shared.conditions, child, condition));
        });
      return judged;
    },
    copyParts: (request, signal) => copyParts(services, pool, request, signal),
    layers: () => pool.layers(),
    samples: () => [
      { name: "muara_queries_running", labels: {}, value: pool.load.running },
      { name: "muara_queries_waiting", labels: {}, value: pool.load.waiting },
    ],
    close: () => pool.close(),
  };
}

/** What the queries of one service share. */
interface Shared extends QueryServiceOptions {
  readonly conditions: Map<string, JudgedCondition>;
  readonly views: () => Views;
}

class Query {
  readonly #services: Shared;
  readonly #pool: ProcessPool;
  readonly #request: QueryRequest;
  readonly #signal: AbortSignal;
  readonly #note: QueryNote;

  constructor(
    services: Shared,
    pool: ProcessPool,
    request: QueryRequest,
    signal: AbortSignal,
    note: QueryNote,
  ) {
    this.#note = note;
    this.#services = services;
    this.#pool = pool;
    this.#request = request;
    this.#signal = signal;
  }

  #rowsMax(): number {
    return this.#request.isOwn ? Infinity : this.#services.options.rowsMax;
  }

  #rows(): number {
    const { rows } = this.#services.options;
    const { limit = this.#request.isOwn ? Math.max(rows, OWN_ROWS) : rows } = this.#request;
    return Math.min(limit, this.#rowsMax());
  }

  #sqlBytes(): number {
    const { sqlBytes } = this.#services.options;
    return this.#request.sqlBytesMax ?? (this.#request.isOwn ? Math.max(sqlBytes, OWN_SQL_BYTES) : sqlBytes);
  }

  async answer(): Promise<QueryAnswer> {
    const { options, clock, logger } = this.#services;
    const { sql } = this.#request;
    const sqlBytes = this.#sqlBytes();
    if (Buffer.byteLength(sql) > sqlBytes)
      throw new MuaraError("sql.too_large", `The SQL is longer than ${sqlBytes} bytes.`, {
        details: { sqlBytes },
      });
    // The engine reads C strings: what follows the zero would be run by nobody, or by somebody else.
    if (sql.includes("\0")) throw new MuaraError("sql.syntax", "The SQL has a zero character in it.");
    if ((this.#request.limit ?? 0) > this.#rowsMax())
      throw new MuaraError("request.malformed", `limit is at most ${options.rowsMax} rows.`, {
        details: { pointer: "/limit", rowsMax: options.rowsMax },
      });
    const startMs = clock.monotonicMs();
    const child = await this.#pool.take();
    this.#note.has(child);
    const release = (): void => child.kill(new MuaraError("sql.timeout", "The query is over."));
    try {
      child.guard(this.#timeoutMs(), this.#signal);
      child.send({ order: "judge", sql });
      const pins = await this.#judge(child);
      const head = await this.#head(child);
      const versions = versionsOf(pins);
      const end = { rows: 0, isTruncated: false };
      const done = (outcome: string): void => {
        this.#note.end(outcome, end.rows);
        release();
        const { principal } = this.#request;
        const ms = Math.round(clock.monotonicMs() - startMs);
        logger.info("query", { principal: principal.id, versions, rows: end.rows, ms });
      };
      return {
        columns: head.columns,
        versions,
        completeThroughMs: completeThrough(pins),
        body: this.#body(child, head.arrivals, end, done),
        end,
      };
    } catch (error) {
      release();
      // Who asked has gone: nothing is amiss.
      if (!this.#signal.aborted && error instanceof MuaraError && error.cause !== undefined)
        logger.warn("query failed", { code: error.code, cause: error.cause });
      throw error;
    }
  }

  #timeoutMs(): number {
    const { options } = this.#services;
    return Math.min(this.#request.timeoutMs ?? options.timeoutMs, TIMEOUT_MS_MAX);
  }

  async #judge(child: QueryProcess): Promise<readonly Pinned[]> {
    const arrival = await child.next();
    if (arrival.report === "failed") throw this.#failure(arrival.failure);
    if (arrival.report !== "judged") throw new MuaraError("sql.failed", "The query process misbehaved.");
    const { judged } = arrival;
    if (judged.kind === "refused" || judged.kind === "syntax") throw this.#refusal(judged);
    const rows = this.#rows();
    const { format, sql } = this.#request;
    if (judged.kind === "show_tables") {
      child.send({ order: "run", sql: await this.#showTables(), tables: [], views: [], format, rows });
      return [];
    }
    const { tables: pins, views } = await pinAll(
      {
        catalog: this.#services.catalog,
        views: this.#services.views(),
        principal: this.#request.principal,
        at: this.#request.at,
        nowMs: this.#services.clock.nowMs(),
        placeOf: (mention) => placeOfByte(sql, mention.byte),
        judgeCondition: (condition) => judgeOnce(this.#services.conditions, child, condition),
      },
      judged,
    );
    const tables = await pinnedTables(this.#services, pins, child);
    child.send({ order: "run", sql, tables, views, format, rows });
    return pins;
  }

  /** Waits for the columns and the first rows, so that most errors can still become a proper answer. */
  async #head(child: QueryProcess): Promise<{ columns: readonly QueryColumn[]; arrivals: Arrival[] }> {
    const first = await child.next();
    if (first.report === "failed") throw this.#failure(first.failure);
    if (first.report !== "columns") throw new MuaraError("sql.failed", "The query process misbehaved.");
    const second = await child.next();
    if (second.report === "failed") throw this.#failure(second.failure);
    return { columns: first.columns, arrivals: [second] };
  }

  async *#body(
    child: QueryProcess,
    arrivals: Arrival[],
    end: { rows: number; isTruncated: boolean },
    done: (outcome: string) => void,
  ): AsyncGenerator<Uint8Array> {
    const { answerBytes } = this.#services.options;
    let bytes = 0;
    // Where nobody reads on, this is what is left.
    let outcome = "cut_off";
    try {
      for (;;) {
        const arrival = arrivals.shift() ?? (await child.next());
        if (arrival.report === "data") {
          bytes += arrival.bytes.length;
          this.#note.bytes(arrival.bytes.length);
          if (bytes > answerBytes)
            throw new MuaraError("sql.answer_too_large", `The answer is longer than ${answerBytes} bytes.`, {
              details: { answerBytes },
            });
          yield arrival.bytes;
        } else if (arrival.report === "failed") throw this.#failure(arrival.failure);
        else if (arrival.report === "done") {
          end.rows = arrival.rows;
          end.isTruncated = arrival.isTruncated;
          outcome = "ok";
          return;
        }
      }
    } catch (error) {
      outcome = codeOf(error);
      this.#services.logger.warn("an answer was cut off", { code: outcome });
      throw error;
    } finally {
      done(outcome);
    }
  }

  async #showTables(): Promise<string> {
    const { catalog, views } = this.#services;
    const { principal } = this.#request;
    const all = await catalog.list();
    const rows = all
      .filter((table) => tableRight(principal, table, all))
      .map((table) => `(${quoteText(table.name)}, ${quoteText(table.alias ?? table.name)})`);
    for (const { name } of await readableViews(catalog, views(), principal, all))
      rows.push(`(${quoteText(name)}, ${quoteText(name)})`);
    if (rows.length === 0) return "SELECT '' AS name, '' AS alias WHERE false";
    return `SELECT * FROM (VALUES ${rows.join(", ")}) AS tables(name, alias)`;
  }

  #refusal(judged: Judged & { kind: "refused" | "syntax" }): MuaraError {
    const { sql } = this.#request;
    if (judged.kind === "syntax")
      return new MuaraError("sql.syntax", judged.reason, { details: place(sql, judged.character) });
    const details = placeOfByte(sql, judged.byte);
    return new MuaraError("sql.refused", `Not allowed: ${judged.reason}.`, { details });
  }

  #failure(failure: Failure): MuaraError {
    const details = placeOfByte(this.#request.sql, failure.byte);
    return new MuaraError(failure.kind === "memory" ? "sql.memory" : "sql.failed", failure.message, {
      details,
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof MuaraError ? error.code : "internal";
}

/** One process for judging only. */
async function withProcess<Result>(
  { options }: QueryServiceOptions,
  pool: ProcessPool,
  work: (child: QueryProcess) => Promise<Result>,
): Promise<Result> {
  const child = await pool.take();
  try {
    child.guard(options.timeoutMs, new AbortController().signal);
    return await work(child);
  } finally {
    child.kill(new MuaraError("sql.timeout", "The query is over."));
  }
}

async function judgedBy(child: QueryProcess, sql: string): Promise<Judged> {
  child.send({ order: "judge", sql });
  const arrival = await child.next();
  if (arrival.report === "judged") return arrival.judged;
  throw new MuaraError("sql.failed", "The query process misbehaved.");
}

/** The text is what counts, so each is judged once. @throws what ended the process */
async function judgeOnce(
  known: Map<string, JudgedCondition>,
  child: QueryProcess,
  condition: string,
): Promise<JudgedCondition> {
  const found = known.get(condition);
  if (found) return found;
  child.send({ order: "judge_condition", condition });
  const arrival = await child.next();
  if (arrival.report !== "condition") throw new MuaraError("sql.failed", "The query process misbehaved.");
  if (known.size >= CONDITIONS_MAX) known.clear();
  known.set(condition, arrival.judged);
  return arrival.judged;
}

function badText(condition: string): JudgedCondition | undefined {
  const isBad = Buffer.byteLength(condition) > CONDITION_BYTES_MAX || condition.includes("\0");
  return isBad ? { kind: "refused", reason: `more than ${CONDITION_BYTES_MAX} bytes, or a zero` } : undefined;
}

function placeOfByte(sql: string, byte: number | null): Record<string, unknown> {
  if (byte === null) return {};
  return place(sql, Array.from(Buffer.from(sql).subarray(0, byte).toString()).length);
}

/** Line and column count from 1, the position in characters from 0. */
function place(sql: string, position: number | null): Record<string, unknown> {
  if (position === null) return {};
  const before = Array.from(sql).slice(0, position);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.filter((character) => character === "\n").length + 1;
  return { position, line, column: before.length - lineStart + 1 };
}

function completeThrough(pins: readonly Pinned[]): number | null {
  if (pins.length === 0) return null;
  let lowest = Infinity;
  for (const pin of pins) {
    const watermark = watermarkOf((pin.overlay?.landed ?? pin.snapshot).txns);
    if (watermark === undefined) return null;
    lowest = Math.min(lowest, watermark);
  }
  return lowest;
}

/** @returns undefined where the lake is no local folder and has no copies in one */
function lakeFolder({ lake, cache, catalog }: QueryServiceOptions): string | undefined {
  if (lake ?? cache) return lake ?? cache?.folder;
  const location = catalog.location("x");
  return isUrl(location) ? undefined : path.dirname(location);
}
