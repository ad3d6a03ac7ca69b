/** Dead letters and what became of them: the tables `dead_letters` and `replays`, asked together. */
import type { Principal } from "../core/authorize.ts";
import { MuaraError } from "../core/errors.ts";
import { recordId } from "../core/replay.ts";
import { quoteText } from "../lake/query/view.ts";
import { SYSTEM, wholeTables, type ApiContext, type ApiPorts } from "./context.ts";

/** `dead_again`: replayed, and a dead letter of its own now. */
export type LetterState = "open" | "landed" | "duplicate" | "dead_again";
export const LETTER_STATES: readonly LetterState[] = ["open", "landed", "duplicate", "dead_again"];

export interface Letter {
  readonly id: string;
  readonly eventType: string;
  readonly eventId: string | null;
  /** ISO 8601. */
  readonly ingestTime: string;
  /** Of its payload. */
  readonly bytes: number;
  /** As published; undefined unless asked for. */
  readonly payload: Uint8Array | undefined;
  readonly state: LetterState;
  /** The dead letter that came of its replay. */
  readonly successor: string | null;
}

export interface LetterFilter {
  readonly eventType?: string | undefined;
  readonly reason?: string | undefined;
  /** Ingest time from (inclusive) and to (exclusive), ISO 8601. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Those behind this one, in the order of `lettersOf`. */
  readonly cursor?: string | undefined;
}

/** SQL for the state of a row of `dead_letters AS d` joined with `replays AS r`. */
export const STATE_SQL = `CASE r.outcome WHEN 'landed' THEN 'landed' WHEN 'duplicate' THEN 'duplicate'
  WHEN 'dead_letter' THEN 'dead_again' ELSE 'open' END`;

/** @throws request.malformed */
export function stateCondition(state: string): string {
  if ((LETTER_STATES as readonly string[]).includes(state)) return `${STATE_SQL} = ${quoteText(state)}`;
  throw new MuaraError("request.malformed", `state is one of ${LETTER_STATES.join(", ")}.`, {
    details: { parameter: "state" },
  });
}

/** FROM clause: each dead letter once, with its replay where it has one. undefined while there is no dead letter. */
export async function lettersFrom(ports: ApiPorts): Promise<string | undefined> {
  if (!(await ports.catalog.find("dead_letters"))) return undefined;
  const nothing = `(SELECT NULL::VARCHAR AS dead_letter_id, NULL::VARCHAR AS outcome, NULL::VARCHAR AS topic_id,
    NULL::BIGINT AS log_partition, NULL::BIGINT AS log_offset, NULL::VARCHAR AS replayed_by,
    NULL::TIMESTAMPTZ AS ingest_time, NULL::BOOLEAN AS corrected WHERE false)`;
  const replays = (await ports.catalog.find("replays")) ? "replays" : nothing;
  return `dead_letters AS d LEFT JOIN ${replays} AS r ON r.dead_letter_id = d.dead_letter_id`;
}

/** Conditions on `d` for what the principal may read and the filter asks for. */
export async function conditionsOf(
  ports: ApiPorts,
  principal: Principal,
  { eventType, reason, since, until }: LetterFilter,
): Promise<string[]> {
  const tables = await wholeTables(ports, principal);
  const names = tables.filter((table) => table.kind === "event_type").map((table) => quoteText(table.name));
  const conditions = [names.length === 0 ? "false" : `d.event_type IN (${names.join(", ")})`];
  if (eventType !== undefined) conditions.push(`d.event_type = ${quoteText(eventType)}`);
  if (reason !== undefined) conditions.push(`d.reason = ${quoteText(reason)}`);
  if (since !== undefined)
    conditions.push(`d.ingest_time >= TIMESTAMPTZ ${quoteText(instant("since", since))}`);
  if (until !== undefined)
    conditions.push(`d.ingest_time < TIMESTAMPTZ ${quoteText(instant("until", until))}`);
  return conditions;
}

/** What a request for dead letters asks for by its query, as SQL. @throws request.malformed */
export async function askedConditions(ports: ApiPorts, context: ApiContext): Promise<string[]> {
  const conditions = await conditionsOf(ports, context.get("principal"), {
    eventType: context.req.query("event_type"),
    reason: context.req.query("reason"),
    since: context.req.query("since"),
    until: context.req.query("until"),
  });
  const state = context.req.query("state");
  if (state !== undefined) conditions.push(stateCondition(state));
  return conditions;
}

/** @throws request.malformed */
export function instant(parameter: string, text: string): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new MuaraError("request.malformed", `"${text}" is no ISO 8601 time.`, { details: { parameter } });
  return new Date(ms).toISOString();
}

interface Asked {
  readonly principal: Principal;
  readonly limit: number;
  readonly signal: AbortSignal;
  readonly withPayload?: boolean;
}

/** Names a place in a list of dead letters. */
export function cursorOf(ingestTime: string, id: string): string {
  return `${ingestTime}|${id}`;
}

/** @param order `<` for lists with the newest first @throws request.malformed */
export function behindCursor(cursor: string, order: "<" | ">", idSql = "d.dead_letter_id"): string {
  const [at, id] = cursor.split("|");
  if (at && id && /^[0-9T:.Z-]+$/.test(at))
    return `(d.ingest_time, ${idSql}) ${order} (TIMESTAMPTZ ${quoteText(at)}, ${quoteText(id)})`;
  throw new MuaraError("request.malformed", "The cursor is not one that was given out here.", {
    details: { parameter: "cursor" },
  });
}

/** Oldest first: those of the ids, whatever their state; or those of a filter that are open, up to the limit. */
export async function lettersOf(
  ports: ApiPorts,
  { principal, limit, signal, withPayload = false }: Asked,
  which: { readonly ids: readonly string[] } | { readonly filter: LetterFilter },
): Promise<{ readonly letters: Letter[]; readonly hasMore: boolean }> {
  const from = await lettersFrom(ports);
  if (!from) return { letters: [], hasMore: false };
  const isByIds = "ids" in which;
  const conditions = await conditionsOf(ports, principal, isByIds ? {} : which.filter);
  if (isByIds) conditions.push(`d.dead_letter_id IN (${which.ids.map(quoteText).join(", ")})`);
  else {
    conditions.push("r.outcome IS NULL");
    if (which.filter.cursor !== undefined) conditions.push(behindCursor(which.filter.cursor, ">"));
  }
  const max = isByIds ? which.ids.length : limit;
  const sql = `SELECT d.dead_letter_id, d.event_type, d.event_id, octet_length(d.payload), ${STATE_SQL},
      r.topic_id, r.log_partition, r.log_offset, d.ingest_time${withPayload ? ", d.payload" : ""}
    FROM ${from} WHERE ${conditions.join(" AND ")} ORDER BY d.ingest_time, d.dead_letter_id`;
  const { rows } = await ports.query.rows({ sql, limit: max + 1, principal: SYSTEM }, signal);
  const letters = rows.slice(0, max).map((row): Letter => {
    const [id, eventType, eventId, bytes, state, topicId, partition, offset, ingestTime, payload] = row;
    return {
      id: String(id),
      eventType: String(eventType),
      eventId: typeof eventId === "string" ? eventId : null,
      ingestTime: String(ingestTime),
      bytes: Number(bytes ?? 0),
      payload: withPayload ? new Uint8Array(Buffer.from(textOf(payload), "base64")) : undefined,
      state: state as LetterState,
      successor: state === "dead_again" ? recordId(String(topicId), Number(partition), Number(offset)) : null,
    };
  });
  return { letters, hasMore: rows.length > max };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
