/** SQL over the lake, from a page. */
import { askJson } from "./api-client.ts";

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly complete_through: string | null;
}

/** @throws ApiError */
export function sql(text: string, signal: AbortSignal, limit = 10_000): Promise<SqlAnswer> {
  return askJson("/v1/sql", { method: "POST", body: { sql: text, limit }, signal });
}
