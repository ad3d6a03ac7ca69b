/**
 * The fate of an event: landed (where, when, late or not), duplicate, dead letter (why) or waiting in the log.
 * The same id may have several: a resend that landed once and was recognised twice has three.
 */
import { envelopePaths } from "../core/event-type.ts";
import { landedPartitions } from "../core/landed.ts";
import { payloadOf } from "../core/record.ts";
import type { CatalogTable } from "../lake/catalog.ts";
import { quoteName, quoteText } from "../lake/query/view.ts";
import { isoOrNull, SYSTEM, type ApiPorts } from "./context.ts";
import { lettersFrom, STATE_SQL } from "./letters.ts";

/** Tables searched by one query. */
const TABLES_PER_QUERY = 50;
const ROWS_MAX = 10_000;
/** Of the log behind the cursors, searched for one request, bytes. */
const WAITING_BYTES_MAX = 33_554_432;
/** How far the ledger tables may be behind the commits that they follow, ms. */
const LEDGER_LAG_MS = 1_500;
const READ_BYTES = 4_194_304;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export interface Fate {
  readonly fate: "landed" | "duplicate" | "dead_letter" | "waiting";
  readonly event_type: string;
  readonly partition: number;
  readonly offset: number;
  readonly [detail: string]: unknown;
}

export interface Fates {
  readonly fates: readonly Fate[];
  /** False where the log holds more behind the cursors than one request looks through. */
  readonly isWaitingSearchComplete: boolean;
}

/** @param tables event types that the asker may read */
export async function fatesOf(
  ports: ApiPorts,
  eventId: string,
  tables: readonly CatalogTable[],
  signal: AbortSignal,
): Promise<Fates> {
  const found = await searchOnce(ports, eventId, tables, signal);
  if (found.fates.length > 0) return found;
  // Between a commit and the ledger that follows it, a dead letter is in neither of the places searched.
  await ports.clock.sleep(LEDGER_LAG_MS, signal);
  return searchOnce(ports, eventId, tables, signal);
}

async function searchOnce(
  ports: ApiPorts,
  eventId: string,
  tables: readonly CatalogTable[],
  signal: AbortSignal,
): Promise<Fates> {
  // The log is searched first: what lands meanwhile is then found in the table, not lost between the two.
  const waiting = await waitingFates(ports, eventId, tables);
  const [landed, bad] = await Promise.all([
    landedFates(ports, eventId, tables, signal),
    ledgerFates(ports, eventId, tables, signal),
  ]);
  const settled = [...landed, ...bad];
  const places = new Set(settled.map(placeOf));
  const fates = [...settled, ...waiting.fates.filter((fate) => !places.has(placeOf(fate)))];
  return { fates, isWaitingSearchComplete: waiting.isComplete };
}

const placeOf = (fate: Fate): string => `${fate.event_type}:${fate.partition}:${fate.offset}`;

async function landedFates(
  ports: ApiPorts,
  eventId: string,
  tables: readonly CatalogTable[],
  signal: AbortSignal,
): Promise<Fate[]> {
  const fates: Fate[] = [];
  const condition = `event_id IN (${spellings(eventId).map(quoteText).join(", ")})`;
  for (let from = 0; from < tables.length; from += TABLES_PER_QUERY) {
    const parts = tables.slice(from, from + TABLES_PER_QUERY).map(
      (table) =>
        `SELECT ${quoteText(table.name)} AS event_type, log_partition, log_offset, event_time, ingest_time,
          watermark, coalesce(event_time < watermark, false) AS late FROM ${quoteName(table.name)} WHERE ${condition}`,
    );
    const answer = await ports.query.rows(
      { sql: parts.join(" UNION ALL "), limit: ROWS_MAX, principal: SYSTEM },
      signal,
    );
    for (const row of answer.rows)
      fates.push({
        fate: "landed",
        event_type: String(row[0]),
        partition: Number(row[1]),
        offset: Number(row[2]),
        table: String(row[0]),
        event_time: row[3],
        ingest_time: row[4],
        watermark: row[5],
        late: row[6] === true,
      });
  }
  return withVersions(ports, fates, signal);
}

/** The commit that landed a row, by the ledger; null while the ledger has not followed yet. */
async function withVersions(ports: ApiPorts, fates: readonly Fate[], signal: AbortSignal): Promise<Fate[]> {
  if (fates.length === 0) return [];
  const places = fates.map((fate) => `(${quoteText(fate.event_type)}, ${fate.partition}, ${fate.offset})`);
  const rows = (await ports.catalog.find("books"))
    ? (
        await ports.query.rows(
          {
            sql: `SELECT p.event_type, p.partition, p.place, max(b.table_version), max(b.committed_at)
              FROM (VALUES ${places.join(", ")}) AS p(event_type, partition, place)
              JOIN books AS b ON b.event_type = p.event_type AND b.log_partition = p.partition
                AND b.from_offset <= p.place AND p.place < b.to_offset GROUP BY ALL`,
            limit: ROWS_MAX,
            principal: SYSTEM,
          },
          signal,
        )
      ).rows
    : [];
  const commits = new Map(rows.map((row) => [`${String(row[0])}:${String(row[1])}:${String(row[2])}`, row]));
  return fates.map((fate) => {
    const commit = commits.get(placeOf(fate));
    return { ...fate, version: commit ? Number(commit[3]) : null, committed_at: commit ? commit[4] : null };
  });
}

/** Duplicates and dead letters of this id. */
async function ledgerFates(
  ports: ApiPorts,
  eventId: string,
  tables: readonly CatalogTable[],
  signal: AbortSignal,
): Promise<Fate[]> {
  const [duplicates, deadLetters] = await Promise.all([
    ports.catalog.find("duplicates"),
    ports.catalog.find("dead_letters"),
  ]);
  const parts: string[] = [];
  const condition = `event_id IN (${spellings(eventId).map(quoteText).join(", ")})`;
  const places = ["event_type", "log_partition", "log_offset", "ingest_time", "table_version"];
  if (duplicates)
    parts.push(
      `SELECT 'duplicate' AS fate, ${places.join(", ")}, verdict AS a, first_partition::VARCHAR AS b,
        first_offset::VARCHAR AS c, '' AS d, '' AS e FROM duplicates WHERE ${condition}`,
    );
  const letters = deadLetters ? await lettersFrom(ports) : undefined;
  if (letters)
    parts.push(
      `SELECT 'dead_letter' AS fate, ${places.map((name) => `d.${name}`).join(", ")},
        d.reason AS a, d.pointer AS b, d.detail AS c, d.dead_letter_id AS d, ${STATE_SQL} AS e
        FROM ${letters} WHERE d.${condition}`,
    );
  if (parts.length === 0) return [];
  const sql = parts.join(" UNION ALL ");
  const { rows } = await ports.query.rows({ sql, limit: ROWS_MAX, principal: SYSTEM }, signal);
  const readable = new Set(tables.map((table) => table.name));
  return rows.filter((row) => readable.has(String(row[1]))).map(ledgerFate);
}

function ledgerFate(row: readonly unknown[]): Fate {
  const isDuplicate = row[0] === "duplicate";
  return {
    fate: isDuplicate ? "duplicate" : "dead_letter",
    event_type: String(row[1]),
    partition: Number(row[2]),
    offset: Number(row[3]),
    ingest_time: row[4],
    version: Number(row[5]),
    ...(isDuplicate
      ? { verdict: row[6], first_partition: numberOrNull(row[7]), first_offset: numberOrNull(row[8]) }
      : { reason: row[6], pointer: row[7], detail: row[8], dead_letter_id: row[9], state: row[10] }),
  };
}

async function waitingFates(
  ports: ApiPorts,
  eventId: string,
  tables: readonly CatalogTable[],
): Promise<{ fates: Fate[]; isComplete: boolean }> {
  const fates: Fate[] = [];
  let budget = WAITING_BYTES_MAX;
  for (const table of tables) {
    const stream = await ports.log.stream(table.name);
    if (!stream) continue;
    const { txns } = await ports.catalog.snapshot(table.name);
    const cursors = new Map(
      landedPartitions(txns)
        .filter((one) => one.logId === ports.log.id && one.topicId === stream.topicId)
        .map((one) => [one.partition, one.cursor]),
    );
    for (let partition = 0; partition < stream.partitions; partition++) {
      const { startOffset, endOffset } = await ports.log.bounds(table.name, partition);
      let offset = Math.max(cursors.get(partition) ?? 0, startOffset);
      while (offset < endOffset) {
        if (budget <= 0) return { fates, isComplete: false };
        const batch = await ports.log.read(table.name, partition, offset, Math.min(READ_BYTES, budget));
        for (let i = 0; i < batch.count; i++) {
          const payload = payloadOf(batch, i);
          if (!payload) continue;
          budget -= payload.length;
          if (!bearsId(payload, eventId, table)) continue;
          fates.push({
            fate: "waiting",
            event_type: table.name,
            partition,
            offset: batch.offsets[i]!,
            ingest_time: isoOrNull(batch.ingestMs[i]),
          });
        }
        offset = batch.next;
      }
    }
  }
  return { fates, isComplete: true };
}

/** Whether the event's id is this one. Only a payload that has the text anywhere in it is parsed. */
function bearsId(payload: Uint8Array, eventId: string, table: CatalogTable): boolean {
  if (!table.eventType) return false;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const wanted = spellings(eventId);
  const { id: path, idScope } = envelopePaths(table.eventType);
  if (!path) return false;
  // With a scope, or an escape, the id as a whole is nowhere in the bytes.
  const isSought = idScope !== undefined || bytes.includes("\\");
  if (!isSought && !wanted.some((spelling) => bytes.includes(spelling))) return false;
  try {
    const event: unknown = JSON.parse(bytes.toString());
    const id = textAt(event, path);
    const scope = idScope && textAt(event, idScope);
    if (id === undefined || (idScope && scope === undefined)) return false;
    return wanted.includes(scope === undefined ? id : `${Buffer.byteLength(scope)}:${scope}${id}`);
  } catch {
    return false; // not JSON: it will be a dead letter without an id
  }
}

/** A UUID is the same in upper and lower case. */
function spellings(eventId: string): readonly string[] {
  if (!UUID.test(eventId)) return [eventId];
  return [...new Set([eventId, eventId.toLowerCase(), eventId.toUpperCase()])];
}

function numberOrNull(value: unknown): number | null {
  return value === null ? null : Number(value);
}

function textAt(event: unknown, path: readonly string[]): string | undefined {
  const value = path.reduce<unknown>((node, key) => memberOf(node, key), event);
  return typeof value === "string" ? value : undefined;
}

function memberOf(node: unknown, key: string): unknown {
  return typeof node === "object" && node !== null
    ? (node as Readonly<Record<string, unknown>>)[key]
    : undefined;
}
