/** What pages take for granted: event types, events, and the time until they are there. */
import { eventually } from "../services/muara.ts";
import type { Place } from "./place.ts";

const WAIT_MS = 60_000;

/** A field's name → its JSON Schema. */
type Fields = Readonly<Record<string, object>>;

export const text = { type: "string" };
export const whole = { type: "integer" };
export const decimal = { type: "number", format: "decimal(10,2)" };

export async function declare(
  place: Place,
  name: string,
  properties: Fields,
  more: object = {},
): Promise<void> {
  const schema = { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) };
  const type = {
    name,
    owning_application: "shop",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema,
    ...more,
  };
  await accepted(place, "POST", "/event-types", type);
}

/** Publishes events that happened in the last minutes, and waits until they are in the table. */
export async function publish(place: Place, name: string, events: readonly object[]): Promise<void> {
  const batch = events.map((event, index) => {
    const occurredAt = new Date(Date.now() - 120_000 + index * 1_000).toISOString();
    return { metadata: { eid: crypto.randomUUID(), occurred_at: occurredAt }, ...event };
  });
  await accepted(place, "POST", `/event-types/${name}/events`, batch);
  await eventually(`events of ${name} have landed`, WAIT_MS, async () => {
    const response = await place.call("GET", `/v1/books?event_type=${name}`);
    const { items } = (await response.json()) as { items: { in_flight: number }[] };
    return items[0]?.in_flight === 0;
  });
}

export async function accepted(place: Place, method: string, path: string, body?: unknown): Promise<void> {
  const response = await place.call(method, path, body);
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

/** Until a query has rows. */
export async function hasRows(place: Place, sql: string): Promise<void> {
  await eventually(sql, WAIT_MS, async () => {
    return (await place.rows(sql).catch((): unknown[][] => [])).length > 0;
  });
}

/** A SELECT that a job may be made of is planned as one. */
export async function planned(place: Place, sql: string, index: number): Promise<void> {
  const isWhole = sql.trimStart().startsWith("CREATE JOB");
  const job = isWhole
    ? sql
    : `CREATE JOB page_${index} AS ${sql} EMIT ON WINDOW CLOSE INTO lake page_${index}`;
  await accepted(place, "POST", "/v1/jobs/plan", { text: job });
}
