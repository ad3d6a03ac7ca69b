/** Whether the query engine is installed. Answered without loading it, which takes long and much memory. */
export function isEngineInstalled(): boolean {
  try {
    return import.meta.resolve("@duckdb/node-api") !== "";
  } catch {
    return false;
  }
}
