/** Event types and events of a simulated history. Each event carries a number of its own, by which all see it again. */
import type { Randomness } from "../../core/clock.ts";
import { type EventType, parseEventType } from "../../core/event-type.ts";
import type { Fault, Faults } from "./faults.ts";

const HOUR_MS = 3_600_000;
const encoder = new TextEncoder();

/** What the producer meant by an event. */
export interface Draft {
  readonly number: number;
  readonly type: string;
  /** Lower case; null where nobody can read it. */
  readonly id: string | null;
  readonly isGood: boolean;
  readonly timeUs: bigint;
  readonly text: string;
  readonly payload: Uint8Array;
  /** The door must refuse it. */
  readonly isRejected: boolean;
  /** Requests in which it was acknowledged. */
  acknowledged: number;
  /** Requests of which nobody knows. */
  unknown: number;
}

export interface SimType {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly declared: EventType;
}

export function below(random: Randomness, limit: number): number {
  return Math.floor(random.fraction() * limit);
}

export function pick<Item>(random: Randomness, items: readonly Item[]): Item {
  return items[below(random, items.length)]!;
}

export function drawType(random: Randomness, name: string): SimType {
  const parallelism = 1 + below(random, 3);
  const isHash = random.fraction() < 0.4;
  const schema = {
    type: "object",
    properties: { n: { type: "integer" }, k: { type: "string" }, big: { type: "integer" } },
  };
  const body = {
    name,
    owning_application: "test",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
    partition_strategy: isHash ? "hash" : "random",
    partition_key_fields: isHash ? ["k"] : [],
    default_statistic: { read_parallelism: parallelism, write_parallelism: parallelism },
    options: { retention_time: pick(random, [5_000, 60_000, HOUR_MS, 48 * HOUR_MS]) },
  };
  return { name, body, declared: parseEventType(body) };
}

export class EventSource {
  readonly #random: Randomness;
  readonly #faults: Faults;
  /** All ever drawn, by number. */
  readonly drafts: Draft[] = [];
  /** By type: those whose id may be used once more. */
  readonly #recent = new Map<string, Draft[]>();

  constructor(random: Randomness, faults: Faults) {
    this.#random = random;
    this.#faults = faults;
  }

  /** One event, or a few that have to do with each other, in order. */
  draw(type: string, nowMs: number): Draft[] {
    const random = this.#random;
    const recent = this.#recentOf(type);
    const strikes = (fault: Fault): boolean => this.#faults.strikes(fault);
    if (recent.length > 0 && strikes("one id, other bytes"))
      return [this.#draft(type, pick(random, recent).id!, nowMs, "good")];
    const id = random.uuid();
    if (strikes("bad payload, then good, one id"))
      return [this.#draft(type, id, nowMs, "bad"), this.#draft(type, id, nowMs, "good")];
    if (strikes("rejected event in a request")) return [this.#draft(type, id, nowMs, "rejected")];
    if (strikes("poison straight into the log")) return [this.#draft(type, id, nowMs, "poison")];
    const draft = this.#draft(type, id, nowMs, random.fraction() < 0.03 ? "bad" : "good");
    recent.push(draft);
    if (recent.length > 8) recent.shift();
    return strikes("duplicate in order") ? [draft, draft] : [draft];
  }

  #recentOf(type: string): Draft[] {
    const known = this.#recent.get(type) ?? [];
    this.#recent.set(type, known);
    return known;
  }

  #draft(type: string, id: string, nowMs: number, kind: "good" | "bad" | "rejected" | "poison"): Draft {
    const random = this.#random;
    const number = this.drafts.length;
    let timeMs = nowMs - below(random, 2_000);
    if (this.#faults.strikes("late event")) timeMs -= below(random, 3 * HOUR_MS);
    if (this.#faults.strikes("far-future event")) timeMs = Date.UTC(9_000, 1, 1) + number;
    const metadata = { eid: id, occurred_at: new Date(timeMs).toISOString() };
    const fields = { n: number, k: `k${number % 5}`, more: "x".repeat(below(random, 30)) };
    let text = JSON.stringify({
      metadata: kind === "rejected" ? { ...metadata, eid: 7 } : metadata,
      ...fields,
    });
    if (kind === "bad") text = `${text.slice(0, -1)},"big":99999999999999999999}`;
    if (kind === "poison") text = text.slice(0, -1);
    const draft: Draft = {
      number,
      type,
      id: kind === "poison" ? null : id,
      isGood: kind === "good",
      isRejected: kind === "rejected",
      timeUs: BigInt(timeMs) * 1_000n,
      text,
      payload: encoder.encode(text),
      acknowledged: 0,
      unknown: 0,
    };
    this.drafts.push(draft);
    return draft;
  }
}
