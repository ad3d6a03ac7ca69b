/**
 * The load of the kill proofs: numbered events whose every field follows from their number, some sent twice on
 * purpose, all sent until acknowledged, and for each number how often it was acknowledged and how often nobody knows.
 * Whatever is in the lake afterwards can be held against the number alone.
 */
import type { Randomness } from "../../core/clock.ts";
import { eventually, type MuaraProcess } from "../services/muara.ts";
import { sleep, type Host } from "./host.ts";
import { auditTableFolder } from "./table-folder.ts";

export const TYPE = "proof.kill";
const RESENDS = 0.05;
const BATCH_MAX = 80;
const PAUSE_MS_MAX = 50;
const LANES = 3;
const DRAIN_MS = 600_000;
/** A cent amount and a text that follow from the number, in JavaScript and in SQL. */
const FACTOR = 7_919;
const MODULUS = 1_000_003;

export interface Balance {
  readonly event_type: string;
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly balanced: boolean;
}

export interface Checked {
  readonly events: number;
  readonly acknowledgements: number;
  readonly duplicates: number;
  /** Duplicates beyond the acknowledged resends: sends without an answer that had been stored after all. */
  readonly storedUnanswered: number;
  readonly unansweredEvents: number;
  readonly versions: number;
  readonly files: number;
  readonly unreferenced: number;
}

export class KillLoad {
  readonly #host: Host;
  readonly #random: Randomness;
  #next = 0;
  /** [number] */
  readonly #acknowledged: number[] = [];
  /** [number] sends that got no answer */
  readonly #unanswered: number[] = [];
  #isOver = false;
  #held: Promise<void> | undefined;
  #release: () => void = () => undefined;
  #sending = 0;
  #lanes: Promise<void>[] = [];
  /** Called with each acknowledgement. */
  onAcknowledged: () => void = () => undefined;

  constructor(host: Host, random: Randomness) {
    this.#host = host;
    this.#random = random;
  }

  get events(): number {
    return this.#next;
  }

  begin(): void {
    this.#lanes = Array.from({ length: LANES }, () => this.#lane());
    // A lane fails only for an answer that breaks the promise; whoever checks next sees it.
    for (const lane of this.#lanes) lane.catch(() => undefined);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    this.#release();
    await Promise.all(this.#lanes);
  }

  /** Waits until everything sent is acknowledged and landed, and checks all of it. The host must be running. */
  async check(muara: MuaraProcess): Promise<Checked> {
    this.#held = new Promise((resolve) => (this.#release = resolve));
    try {
      const failed = Promise.all(this.#lanes).then(() => new Promise<never>(() => undefined));
      await Promise.race([failed, eventually("all answered", DRAIN_MS, async () => this.#sending === 0)]);
      if (this.#host.counts.failures.length > 0)
        throw new Error(`answers that are no refusal: ${this.#host.counts.failures[0]}`);
      await eventually("all landed", DRAIN_MS, async () => (await balanceOf(muara)).in_flight === 0);
      return await this.#compare(muara);
    } finally {
      this.#held = undefined;
      this.#release();
    }
  }

  async #compare(muara: MuaraProcess): Promise<Checked> {
    const books = await balanceOf(muara);
    const events = this.#next;
    const acknowledgements = sum(this.#acknowledged);
    const unansweredEvents = sum(this.#unanswered);
    equal(books.balanced, true, `the books balance: ${JSON.stringify(books)}`);
    equal(books.landed, events, `every event landed once: ${JSON.stringify(books)}`);
    equal(books.dead_letters, 0, "dead letters");
    const wrong = `count(*) FILTER (WHERE amount <> CAST((n * ${FACTOR}) % ${MODULUS} AS DECIMAL(12,2)) / 100
      OR event_id <> '00000000-0000-4000-8000-' || lpad(CAST(n AS VARCHAR), 12, '0'))`;
    const [row] = await muara.sql(
      `SELECT count(*), count(DISTINCT n), min(n), max(n), count(DISTINCT event_id), ${wrong} FROM "${TYPE}"`,
    );
    const wanted = events === 0 ? [0, 0, NaN, NaN, 0, 0] : [events, events, 0, events - 1, events, 0];
    equal(row!.map(asNumber).join(), wanted.join(), "rows, numbers, first, last, ids, wrong fields");
    await this.#compareCopies(muara, books.duplicates);
    const audited = await auditTableFolder(this.#host.folder, TYPE, this.#host.lake);
    equal(audited.rows, events, "rows by the files of the last version");
    const storedUnanswered = books.accepted - acknowledgements;
    return {
      events,
      acknowledgements,
      duplicates: books.duplicates,
      storedUnanswered,
      unansweredEvents,
      ...audited,
    };
  }

  /** Of each number: as many copies as acknowledgements, and at most so many more as sends had no answer. */
  async #compareCopies(muara: MuaraProcess, duplicates: number): Promise<void> {
    const copies = new Map<number, number>();
    await eventually("duplicates projected", DRAIN_MS, async () => {
      const [[count]] = (await muara.sql(`SELECT count(*) FROM duplicates WHERE event_type = '${TYPE}'`)) as [
        [unknown],
      ];
      return Number(count) === duplicates;
    });
    const rows = await muara.sql(
      `SELECT event_id, count(*) FROM duplicates WHERE event_type = '${TYPE}' GROUP BY event_id`,
    );
    for (const [id, count] of rows) copies.set(Number(String(id).slice(-12)), Number(count));
    for (let n = 0; n < this.#next; n++) {
      const stored = 1 + (copies.get(n) ?? 0);
      const least = this.#acknowledged[n] ?? 0;
      const most = least + (this.#unanswered[n] ?? 0);
      if (least < 1 || stored < least || stored > most)
        throw new Error(
          `event ${n} was stored ${stored} times; acknowledged ${least}, unknown ${most - least}`,
        );
    }
  }

  async #lane(): Promise<void> {
    while (!this.#isOver) {
      await this.#held;
      if (this.#isOver) return;
      this.#sending++;
      const numbers = this.#drawBatch();
      const body = `[${numbers.map(eventOf).join(",")}]`;
      const { status, text, unanswered } = await this.#host.post(`/event-types/${TYPE}/events`, body);
      if (status !== 200) throw new Error(`the door answered ${status}: ${text.slice(0, 500)}`);
      for (const n of numbers) {
        this.#acknowledged[n] = (this.#acknowledged[n] ?? 0) + 1;
        this.#unanswered[n] = (this.#unanswered[n] ?? 0) + unanswered;
      }
      this.#sending--;
      this.onAcknowledged();
      await sleep(this.#random.fraction() * PAUSE_MS_MAX);
    }
  }

  /** New numbers, and some that were sent before, by this lane or another. */
  #drawBatch(): readonly number[] {
    const size = 1 + Math.floor(this.#random.fraction() * BATCH_MAX);
    return Array.from({ length: size }, () =>
      this.#next > 0 && this.#random.fraction() < RESENDS
        ? Math.floor(this.#random.fraction() * this.#next)
        : this.#next++,
    );
  }
}

/** Declares the type unless it is. */
export async function declareType(host: Host, name = TYPE): Promise<void> {
  const { status, text } = await host.post("/event-types", JSON.stringify(killType(name)));
  // A declaration whose answer was lost is there already when it is repeated.
  if (status !== 201 && status !== 409) throw new Error(`declaring answered ${status}: ${text}`);
}

export async function balanceOf(muara: MuaraProcess, type = TYPE): Promise<Balance> {
  const response = await muara.fetch(`/v1/books?event_type=${type}`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the books answered ${response.status}: ${text}`);
  return (JSON.parse(text) as { items: Balance[] }).items[0]!;
}

export function eventOf(n: number): string {
  const eid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const second = String(n % 60).padStart(2, "0");
  const cents = String((n * FACTOR) % MODULUS).padStart(3, "0");
  const amount = `${cents.slice(0, -2)}.${cents.slice(-2)}`;
  return (
    `{"metadata":{"eid":"${eid}","occurred_at":"2026-03-01T10:00:${second}Z"},"n":${n},` +
    `"amount":${amount},"note":"${"x".repeat(n % 200)}"}`
  );
}

function killType(name: string): Record<string, unknown> {
  const properties = {
    n: { type: "integer" },
    amount: { type: "number", format: "decimal(12,2)" },
    note: { type: "string" },
  };
  return {
    name,
    owning_application: "proof",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: { messages_per_minute: 1, message_size: 1, read_parallelism: 3, write_parallelism: 3 },
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  };
}

function asNumber(value: unknown): number {
  return value === null ? Number.NaN : Number(value);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}
