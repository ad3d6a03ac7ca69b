/** A query: what is asked, how it is sent, what comes back. */
import { ask, ApiError } from "../api-client.ts";

export interface Asked {
  readonly sql: string;
  /** A version or a time; "" for now. */
  readonly at: string;
  /** Rows; "" for the server's own. */
  readonly limit: string;
}

export interface ResultColumn {
  readonly name: string;
  readonly type: string;
}

export interface QueryAnswer {
  readonly columns: readonly ResultColumn[];
  /** 64-bit integers and decimals are texts, so that no digit is lost. */
  readonly rows: readonly (readonly unknown[])[];
  readonly complete_through: string | null;
  readonly versions: Readonly<Record<string, number>>;
  readonly truncated: boolean;
}

export interface SqlSchema {
  readonly tables: readonly {
    readonly name: string;
    readonly alias: string | null;
    readonly kind: string;
    readonly columns: readonly {
      readonly name: string;
      readonly type: string;
      readonly description: string | null;
    }[];
  }[];
  readonly functions: readonly string[];
  readonly limits: {
    readonly timeout_ms: number;
    readonly memory_bytes: number;
    readonly rows: number;
    readonly rows_max: number;
    readonly sql_bytes: number;
    readonly answer_bytes: number;
  };
}

/** Where in the SQL something is wrong. */
export interface SqlPlace {
  /** In UTF-16 units, as editors count. */
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

/** @throws ApiError; AbortError when it is cancelled, which ends the query on the server */
export async function runQuery(asked: Asked, signal: AbortSignal): Promise<QueryAnswer> {
  const response = await ask("/v1/sql", { method: "POST", body: bodyOf(asked), signal });
  try {
    return (await response.json()) as QueryAnswer;
  } catch (error) {
    signal.throwIfAborted();
    // An error after the first rows can only cut the answer off.
    throw new ApiError(0, "sql.cut_off", "The answer was cut off: a limit was passed while rows were read.", {
      title: "cut off",
      cause: String(error),
    });
  }
}

/** The same rows as a file: of the versions that the answer read. @throws as `runQuery` */
export async function downloadQuery(
  { sql }: Asked,
  { versions }: Pick<QueryAnswer, "versions">,
  { accept, limit }: { readonly accept: string; readonly limit: number },
  signal?: AbortSignal,
): Promise<Blob> {
  const at = Object.keys(versions).length === 0 ? {} : { at: versions };
  const body = { sql, ...at, limit };
  const response = await ask("/v1/sql", { method: "POST", body, headers: { accept }, signal });
  return response.blob();
}

function bodyOf({ sql, at, limit }: Asked): Record<string, unknown> {
  const point = at.trim();
  return {
    sql,
    ...(point === "" ? {} : { at: /^\d{1,15}$/.test(point) ? Number(point) : point }),
    ...(limit === "" ? {} : { limit: Number(limit) }),
  };
}

/** Where an error says that it lies; undefined where it does not. */
export function placeOf(error: unknown, sql: string): SqlPlace | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const { position, line, column } = error.problem;
  if (typeof position !== "number" || typeof line !== "number" || typeof column !== "number")
    return undefined;
  // The server counts characters, editors count UTF-16 units.
  const offset = Array.from(sql).slice(0, position).join("").length;
  return { offset, line, column };
}
