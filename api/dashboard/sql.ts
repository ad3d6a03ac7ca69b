/** SQL from a page, with the rights of its token. */
import { ApiError, askJson } from "./api-client.ts";

export interface SqlRows {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly complete_through: string | null;
}

/** @throws ApiError */
export function askSql(sql: string, limit: number, signal: AbortSignal): Promise<SqlRows> {
  return askJson<SqlRows>("/v1/sql", { method: "POST", body: { sql, limit }, signal });
}

/** No rows where there is no such table, or not for this token. @throws ApiError */
export async function askTable(sql: string, limit: number, signal: AbortSignal): Promise<SqlRows | null> {
  try {
    return await askSql(sql, limit, signal);
  } catch (error) {
    if (error instanceof ApiError && error.code === "table.not_found") return null;
    throw error;
  }
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
