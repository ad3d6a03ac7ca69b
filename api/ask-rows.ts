/** A question of ours to the lake with the rights of whoever asks, and its rows as objects. */
import type { Principal } from "../core/authorize.ts";
import type { ApiPorts } from "./context.ts";

export interface Asker {
  readonly ports: ApiPorts;
  /** Expressions of a declaration are run with his rights. */
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly completeThroughMs: number | null;
  readonly isTruncated: boolean;
}

/** @param columns names of the SELECT's columns, in order @throws what a query throws */
export async function askRows(
  { ports, principal, signal }: Asker,
  sql: string,
  columns: readonly string[],
  limit?: number,
): Promise<Answer> {
  const sqlBytesMax = Buffer.byteLength(sql);
  const asked = { sql, principal, sqlBytesMax, ...(limit === undefined ? {} : { limit }) };
  const answer = await ports.query.rows(asked, signal);
  const rows = answer.rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null])));
  return { rows, completeThroughMs: answer.completeThroughMs, isTruncated: answer.isTruncated };
}
