/** Which events of a type have landed already, by id: a replay of them would be a duplicate. */
import { quoteName, quoteText } from "../lake/query/view.ts";
import { SYSTEM, type ApiPorts } from "./context.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** @returns places in `events` whose id has landed at most the horizon ago */
export async function findLanded(
  ports: ApiPorts,
  eventType: string,
  events: readonly { readonly fate: string; readonly eventId: string | null }[],
  horizonMs: number,
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const places = new Map<string, number[]>();
  events.forEach(({ fate, eventId }, i) => {
    if (fate !== "landed" || eventId === null) return;
    const key = canonical(eventId);
    places.set(key, [...(places.get(key) ?? []), i]);
  });
  if (places.size === 0) return new Set();
  const since = new Date(ports.clock.nowMs() - horizonMs).toISOString();
  const wanted = [...places.keys()].map((key) => quoteText(key.toLowerCase())).join(", ");
  const sql = `SELECT DISTINCT event_id FROM ${quoteName(eventType)}
    WHERE lower(event_id) IN (${wanted}) AND ingest_time >= TIMESTAMPTZ ${quoteText(since)}`;
  const { rows } = await ports.query.rows({ sql, limit: 100_000, principal: SYSTEM }, signal);
  return new Set(rows.flatMap(([id]) => places.get(canonical(String(id))) ?? []));
}

/** A UUID is the same in any case; other ids are what they are. */
function canonical(id: string): string {
  return UUID.test(id) ? id.toLowerCase() : id;
}
