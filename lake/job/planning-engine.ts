/** The engine that a job is planned with: DuckDB, with the job's tables empty. It parses, binds, and reads no data. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { quoteName, quoteText } from "../query/quote.ts";
import { JobRefused } from "./refusal.ts";
import { type Tree, walk, withoutPlaces } from "./tree.ts";

export interface Column {
  readonly name: string;
  readonly type: string;
}

/** A call that the engine has bound: the function with the types of its arguments. */
export interface BoundCall {
  readonly name: string;
  readonly types: readonly string[];
  /** What the engine calls the first argument; "" where it has no name. */
  readonly argument: string;
}

export class PlanningEngine {
  readonly #connection: DuckDBConnection;

  /** @param connection is left with temporary tables and macros */
  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** Makes the engine say where an error is, and gives it the variables of a job's. */
  async open(): Promise<this> {
    await this.run("SET errors_as_json = true");
    for (const name of ["released_to", "release_to"])
      await this.run(`SET VARIABLE ${name} = TIMESTAMPTZ '-infinity'`);
    return this;
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql);
  }

  async emptyTable(name: string, columns: readonly Column[]): Promise<void> {
    const list = columns.map((column) => `${quoteName(column.name)} ${column.type}`).join(", ");
    await this.run(`CREATE OR REPLACE TEMP TABLE ${quoteName(name)} (${list})`);
  }

  /** The tree, as the gate takes it. */
  serialize(sql: string): Promise<string> {
    return this.#text(`json_serialize_sql(${quoteText(sql)}, skip_null := true, skip_empty := true)`);
  }

  /** The tree with what is empty: a grouping set without columns is one, too. */
  serializeWhole(sql: string): Promise<string> {
    return this.#text(`json_serialize_sql(${quoteText(sql)}, skip_null := true)`);
  }

  /** SQL of an expression; null where the engine would read it as something else. */
  async expressionText(expression: Tree): Promise<string | null> {
    const wrapped = JSON.parse(await this.serializeWhole("SELECT 1")) as {
      statements: { node: { select_list: unknown[] } }[];
    };
    const bare = { ...expression, alias: "" };
    if (!hasSafeNumbers(bare)) return null;
    wrapped.statements[0]!.node.select_list = [bare];
    try {
      const select = await this.#text(`json_deserialize_sql(${quoteText(withoutLocations(wrapped))}::JSON)`);
      const again = JSON.parse(await this.serializeWhole(select)) as typeof wrapped;
      const [read] = again.statements[0]!.node.select_list;
      if (withoutPlaces(read as Tree) !== withoutPlaces(bare)) return null;
      return select.replace(/^SELECT /, "");
    } catch {
      return null;
    }
  }

  /** @returns null where it is no interval, has months, or is no whole number of ms */
  async intervalMs(written: string): Promise<number | null> {
    const interval = `TRY_CAST(${quoteText(written)} AS INTERVAL)`;
    const months = `datepart('year', ${interval}) * 12 + datepart('month', ${interval})`;
    const value = await this.#text(`CASE WHEN ${months} = 0 THEN epoch_us(${interval}) END::VARCHAR`);
    const ms = Number(value) / 1_000;
    return value === "null" || value === "" || !Number.isSafeInteger(ms) ? null : ms;
  }

  /** Names and types of a SELECT's columns. @throws what the engine says of it */
  async describe(sql: string): Promise<readonly Column[]> {
    const rows = (await this.#connection.runAndReadAll(`DESCRIBE ${sql}`)).getRows();
    return rows.map((row) => ({ name: String(row[0]), type: String(row[1]) }));
  }

  /**
   * The same of SQL as its author wrote it.
   * @param start of it in the job's file @throws JobRefused
   */
  async describeWritten(sql: string, start: number): Promise<readonly Column[]> {
    try {
      return await this.describe(sql);
    } catch (error) {
      const { reason, character } = readFailure(error, sql);
      throw new JobRefused(start + character, reason);
    }
  }

  /** Aggregates and window functions of a SELECT. @throws what the engine says of it */
  async boundCalls(sql: string): Promise<readonly BoundCall[]> {
    const plan = await this.#text(
      `json_serialize_plan(${quoteText(sql)}, skip_null := true, skip_empty := true, optimize := false)`,
    );
    const tree = JSON.parse(plan) as { error?: boolean; error_message?: string };
    if (tree.error) throw new Error(tree.error_message);
    return [...boundCalls(tree)];
  }

  async #text(expression: string): Promise<string> {
    const rows = (await this.#connection.runAndReadAll(`SELECT ${expression}`)).getRows();
    return String(rows[0]![0]);
  }
}

/** What the engine says of an error, in one line. */
export function reasonOf(error: unknown): string {
  return readFailure(error, "").reason;
}

/** The engine tells the line and points at the place below it (`LINE 2: … \n   ^`), or gives both as JSON. */
function readFailure(error: unknown, sql: string): { reason: string; character: number } {
  const message = error instanceof Error ? error.message : String(error);
  const asJson = /^\{.*\}$/s.test(message)
    ? (JSON.parse(message) as { exception_message?: string; position?: string })
    : undefined;
  const reason = (asJson?.exception_message ?? message).split("\n")[0]!;
  const at = Number(asJson?.position ?? NaN) - "DESCRIBE ".length;
  return { reason, character: at >= 0 && at < sql.length ? at : 0 };
}

/** What has no place has one that no number of JavaScript is. */
function withoutLocations(tree: unknown): string {
  return JSON.stringify(tree, (key, value: unknown) => (key === "query_location" ? 0 : value));
}

/** Others have lost digits when the tree was read. */
function hasSafeNumbers(tree: Tree): boolean {
  return [...walk(tree)].every((node) =>
    Object.entries(node).every(
      ([key, value]) => key === "query_location" || !Number.isInteger(value) || Number.isSafeInteger(value),
    ),
  );
}

type Node = Readonly<Record<string, unknown>>;

function* boundCalls(value: unknown): Generator<BoundCall> {
  if (typeof value !== "object" || value === null) return;
  const node = value as Node;
  if (node["expression_class"] === "BOUND_AGGREGATE" || node["expression_class"] === "BOUND_WINDOW") {
    const types = (node["arguments"] ?? []) as readonly { id: string }[];
    const [first] = (node["children"] ?? []) as readonly { alias?: string }[];
    yield { name: String(node["name"]), types: types.map(({ id }) => id), argument: first?.alias ?? "" };
  }
  for (const inner of Object.values(node)) yield* boundCalls(inner);
}
