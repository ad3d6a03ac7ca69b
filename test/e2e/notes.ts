/** Events of people, for those who remove some of them: their type, and requests that must succeed. */
import type { MuaraProcess } from "../services/muara.ts";

export const TYPE = "shop.note";

/** @returns the answer's JSON @throws Error with the answer where it is no success */
export async function call(
  muara: MuaraProcess,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const init = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await muara.fetch(path, { method, ...init });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

/** @param more members of the event type */
export async function declareNotes(
  muara: MuaraProcess,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const schema = { type: "object", properties: { n: { type: "integer" }, who: { type: "string" } } };
  await call(muara, "POST", "/event-types", {
    name: TYPE,
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: { messages_per_minute: 1, message_size: 1, read_parallelism: 2, write_parallelism: 2 },
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
    ...more,
  });
}
