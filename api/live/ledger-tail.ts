/** The newest duplicates or dead letters of an event type, and then those that come. */
import { quoteText } from "../../lake/query/view.ts";
import { isoOrNull, SYSTEM, type ApiPorts } from "../context.ts";
import type { TailEvent } from "./tail-event.ts";

interface Asked {
  readonly type: string;
  readonly fate: "duplicate" | "dead_letter";
  readonly contains: string;
  /** Rows told of. */
  readonly most: number;
}

/** What has been told of a ledger table. */
export interface LedgerSeen {
  /** Of the table, when it was last asked; a look at the same one would find nothing. */
  readonly version: number;
  /** partition → highest offset */
  readonly offsets: ReadonlyMap<number, number>;
}

interface LedgerTail {
  readonly events: readonly TailEvent[];
  /** undefined: the table is not there yet. */
  readonly seen: LedgerSeen | undefined;
  readonly came: number;
}

/** Of a payload, in a tail. */
export const SHOWN_CHARACTERS = 4_096;

/** @param seen what the last answer said; undefined: from the newest on */
export async function ledgerTail(
  ports: ApiPorts,
  asked: Asked,
  seen: LedgerSeen | undefined,
  signal: AbortSignal,
): Promise<LedgerTail> {
  const table = asked.fate === "duplicate" ? "duplicates" : "dead_letters";
  if (!(await ports.catalog.find(table))) return { events: [], seen, came: 0 };
  if (seen && (await ports.catalog.snapshot(table)).version === seen.version)
    return { events: [], seen, came: 0 };
  const about =
    asked.fate === "duplicate" ? "'bytes ' || verdict" : "concat_ws(' ', reason, pointer, detail)";
  const bytes = asked.fate === "duplicate" ? "NULL" : "try(decode(payload))";
  const conditions = [`event_type = ${quoteText(asked.type)}`, unseen(seen?.offsets)];
  if (asked.contains !== "")
    conditions.push(`contains(concat_ws(' ', event_id, ${about}, ${bytes}), ${quoteText(asked.contains)})`);
  const sql = `SELECT log_partition, log_offset, epoch_ms(ingest_time), event_id, ${about}, ${bytes},
      count(*) OVER () FROM ${table} WHERE ${conditions.join(" AND ")}
    ORDER BY ingest_time DESC, log_partition DESC, log_offset DESC LIMIT ${asked.most}`;
  const { rows, versions } = await ports.query.rows({ sql, limit: asked.most, principal: SYSTEM }, signal);
  const offsets = new Map(seen?.offsets);
  const events = rows.toReversed().map((row) => eventOf(row, asked.fate));
  for (const { partition, offset } of events)
    offsets.set(partition, Math.max(offsets.get(partition) ?? -1, offset));
  const came = seen === undefined ? events.length : Number(rows[0]?.[6] ?? 0);
  return { events, seen: { version: versions[table] ?? -1, offsets }, came };
}

function eventOf(row: readonly unknown[], fate: string): TailEvent {
  const [partition, offset, ingestMs, eventId, about, payload] = row;
  const text = payload === null || payload === undefined ? null : textOf(payload);
  const isCut = text !== null && text.length > SHOWN_CHARACTERS;
  return {
    partition: Number(partition),
    offset: Number(offset),
    ingest_time: isoOrNull(Number(ingestMs)),
    event_id: eventId === null ? null : textOf(eventId),
    fate,
    about: textOf(about),
    payload: isCut ? text.slice(0, SHOWN_CHARACTERS) : text,
    ...(isCut ? { is_cut: true as const } : {}),
  };
}

/** Columns of text come as text. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function unseen(seen: ReadonlyMap<number, number> | undefined): string {
  if (seen === undefined || seen.size === 0) return "true";
  const known = [...seen].map(
    ([partition, offset]) => `(log_partition = ${partition} AND log_offset > ${offset})`,
  );
  return `(${known.join(" OR ")} OR log_partition NOT IN (${[...seen.keys()].join(", ")}))`;
}
