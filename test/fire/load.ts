/** Events of one type over HTTP, and what is known of each: acknowledged, refused, or nobody knows. */
import type { MuaraProcess } from "../services/muara.ts";

export const TYPE = "fire.event";

export interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export interface Balance {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly balanced: boolean;
}

export function typeDeclaration(partitions: number): string {
  return JSON.stringify({
    name: TYPE,
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: {
      messages_per_minute: 1,
      message_size: 1,
      read_parallelism: partitions,
      write_parallelism: partitions,
    },
    schema: {
      type: "json_schema",
      schema: JSON.stringify({ type: "object", properties: { note: { type: "string" } } }),
    },
  });
}

export function idOf(n: number): string {
  return `f12e0000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}

/** Numbers its events; keeps what the door said of each. */
export class Load {
  readonly acknowledged = new Set<string>();
  /** No answer came: stored or not. */
  readonly unknown = new Set<string>();
  readonly refused = new Set<string>();
  #next = 0;

  async declare(muara: MuaraProcess, partitions = 2): Promise<void> {
    const answer = await muara.fetch("/event-types", { method: "POST", body: typeDeclaration(partitions) });
    if (answer.status !== 201) throw new Error(`declared: ${answer.status} ${await answer.text()}`);
  }

  /** Sends fresh events. @param bytes of each, about. @returns undefined where no answer came */
  async send(muara: MuaraProcess, count: number, bytes: number): Promise<Sent | undefined> {
    const ids = Array.from({ length: count }, () => idOf(this.#next++));
    const events = ids.map((id) => eventText(id, bytes)).join(",");
    let sent: Sent;
    try {
      const answer = await muara.fetch(`/event-types/${TYPE}/events`, {
        method: "POST",
        body: `[${events}]`,
      });
      sent = { status: answer.status, headers: answer.headers, body: await answer.text() };
    } catch {
      for (const id of ids) this.unknown.add(id);
      return undefined;
    }
    // 207: some of it may be stored.
    const known = sent.status === 200 ? this.acknowledged : sent.status === 207 ? this.unknown : this.refused;
    for (const id of ids) known.add(id);
    return sent;
  }
}

/** Does not compress: a full disk must be filled by what it says. */
function eventText(id: string, bytes: number): string {
  let note = "";
  for (let at = 0; note.length < bytes; at++) note += Math.floor(fraction(id, at) * 2 ** 48).toString(36);
  const metadata = { eid: id, occurred_at: "2026-03-01T10:00:00Z" };
  return JSON.stringify({ metadata, note: note.slice(0, bytes) });
}

/** A number in [0, 1) that looks random and is always the same for the same place. */
function fraction(id: string, at: number): number {
  const x = Math.sin(Number.parseInt(id.slice(24), 16) * 12.9898 + at * 78.233) * 43_758.5453;
  return x - Math.floor(x);
}

export async function booksOf(muara: MuaraProcess): Promise<Balance> {
  const answer = await muara.fetch("/v1/books");
  const body = (await answer.json()) as { items: (Balance & { event_type: string })[] };
  return body.items.find((item) => item.event_type === TYPE)!;
}

/** What is wrong with the lake after everything landed; empty where each acknowledged event is there once. */
export async function lakeFaults(muara: MuaraProcess, load: Load): Promise<string[]> {
  const faults: string[] = [];
  const rows = (await muara.sql(`select event_id, count(*) from "${TYPE}" group by 1`)) as [
    string,
    unknown,
  ][];
  const landed = new Map(rows.map(([id, count]) => [id, Number(count)]));
  for (const [id, count] of landed) if (count !== 1) faults.push(`${id} landed ${count} times`);
  for (const id of load.acknowledged) if (!landed.has(id)) faults.push(`acknowledged ${id} is lost`);
  for (const id of load.refused) if (landed.has(id)) faults.push(`refused ${id} landed`);
  const books = await booksOf(muara);
  if (!books.balanced || books.in_flight !== 0) faults.push(`the books: ${JSON.stringify(books)}`);
  if (books.landed !== landed.size) faults.push(`${landed.size} rows, the books say ${books.landed}`);
  return faults;
}
