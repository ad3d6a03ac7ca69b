/** Rows of a table that need not be there. */
import { ApiError } from "./api-client.ts";
import { sql, type SqlAnswer } from "./sql.ts";

/** null where there is no such table, or not for this token. @throws ApiError */
export async function tableRows(text: string, limit: number, signal: AbortSignal): Promise<SqlAnswer | null> {
  try {
    return await sql(text, signal, limit);
  } catch (error) {
    if (error instanceof ApiError && error.code === "table.not_found") return null;
    throw error;
  }
}
