/**
 * Event types and events of the landing histories: good ones and bad ones of every kind, ids in any case, times from
 * 1948 to 9999. Each event comes with what the model has to know of it.
 */
import type { Randomness } from "../../core/clock.ts";
import { type EventType, eventTypeSchema } from "../../core/event-type.ts";
import type { ModelRecord } from "./landing-model.ts";

export type TypeKind = "business" | "data" | "paths" | "plain";
export const TYPE_KINDS: readonly TypeKind[] = ["business", "business", "data", "paths", "plain"];
export const DEPTH = 8;

export type Drafted = Omit<ModelRecord, "partition" | "offset" | "ingestMs"> & { readonly header: string };

const encoder = new TextEncoder();

export function typeOf(kind: TypeKind): EventType {
  const body = { type: "object", properties: { n: { type: "integer" }, text: { type: "string" } } };
  const isPlain = kind === "paths" || kind === "plain";
  return eventTypeSchema.parse({
    name: "order.created",
    owning_application: "test",
    category: isPlain ? "undefined" : kind,
    schema: { type: "json_schema", schema: JSON.stringify(body) },
    annotations:
      kind === "paths" ? { "muara/event-id-path": "/head/id", "muara/event-time-path": "/head/at" } : {},
  });
}

export function pick<Item>(random: Randomness, items: readonly Item[]): Item {
  return items[Math.floor(random.fraction() * items.length)]!;
}

export function below(random: Randomness, limit: number): number {
  return Math.floor(random.fraction() * limit);
}

/** Draws events; ids come back, within and beyond the horizon. */
export class EventSource {
  readonly #random: Randomness;
  readonly #kind: TypeKind;
  readonly #ids: string[] = [];
  #number = 0;

  constructor(random: Randomness, kind: TypeKind) {
    this.#random = random;
    this.#kind = kind;
  }

  draw(nowMs: number): Drafted {
    const random = this.#random;
    const id = this.#drawId();
    const idText = this.#kind === "paths" || random.fraction() < 0.7 ? id : anyCase(random, id);
    const time = drawTime(random, nowMs);
    const number = this.#number++;
    const flowId = random.fraction() < 0.5 ? `flow "${number % 3}"` : null;
    const good: Drafted = {
      id: this.#kind === "plain" ? null : id,
      idText: this.#kind === "plain" ? null : idText,
      isGood: true,
      timeUs: this.#kind === "plain" ? undefined : time.us,
      number,
      flowId,
      key: random.fraction() < 0.3 ? `k${number % 4}` : null,
      header: flowId === null ? "{}" : JSON.stringify({ flow_id: flowId }),
      payload: encoder.encode(JSON.stringify(this.#event(idText, time.text, number))),
    };
    return random.fraction() < 0.25 ? this.#spoil(good) : good;
  }

  #drawId(): string {
    const random = this.#random;
    if (this.#ids.length > 0 && random.fraction() < 0.45) return pick(random, this.#ids);
    const uuid = random.uuid();
    const id = this.#kind === "paths" && random.fraction() < 0.5 ? `id ${uuid.slice(0, 6)} é"\\ ` : uuid;
    this.#ids.push(id);
    if (this.#ids.length > 10) this.#ids.shift();
    return id;
  }

  #event(id: string, time: string, number: number): Record<string, unknown> {
    const fields = { n: number, text: "x".repeat(below(this.#random, 40)), unknown: [number, "y"] };
    switch (this.#kind) {
      case "business":
        return { metadata: { eid: id, occurred_at: time }, ...fields };
      case "data":
        return { metadata: { eid: id, occurred_at: time }, data_op: "C", data_type: "order", data: fields };
      case "paths":
        return { head: { id, at: time }, ...fields };
      default:
        return fields;
    }
  }

  /** Makes an event bad, in one of many ways. In some of them nobody can read its id any more. */
  #spoil(good: Drafted): Drafted {
    const text = new TextDecoder().decode(good.payload!);
    const bad = (payload: string | Uint8Array | null, readsId: boolean): Drafted => ({
      ...good,
      isGood: false,
      id: readsId ? good.id : null,
      payload: typeof payload === "string" ? encoder.encode(payload) : payload,
    });
    const broken = [
      () => bad(null, false),
      () => bad(text.slice(0, -1), false),
      () => bad(`[${text}]`, false),
      () => bad(text.replace('"unknown":', `"unknown":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)},"u":`), false),
      () => bad(text.replace('"unknown":', '"unknown":1,"unknown":'), false),
      () => bad(text.replace('"unknown":', '"unknown":"\\ud800","u":'), false),
      () => bad(withInvalidByte(text), false),
      () => bad(text.replace(/"n":\d+/, '"n":"five"'), true),
      () => bad(text.replace(/"n":\d+/, '"n":1.5'), true),
      () => bad(text.replace(/"n":\d+/, '"n":99999999999999999999'), true),
    ];
    const enveloped = [
      () => bad(text.replace(/"(occurred_at|at)":"[^"]+"/, '"$1":"yesterday"'), true),
      () => bad(text.replace(/,"(occurred_at|at)":"[^"]+"/, ""), true),
      () => bad(text.replace(/"(eid|id)":"(?:[^"\\]|\\.)*"/, '"$1":7'), false),
      () => bad(text.replace(/"(eid|id)":"(?:[^"\\]|\\.)*",/, ""), false),
    ];
    const typed = [
      () => bad(text.replace('"metadata":{', '"metadata":{"event_type":"other",'), true),
      () => bad(text.replace(/"eid":"[^"]+"/, '"eid":"no-uuid"'), false),
    ];
    const ways = [...broken, ...(this.#kind === "plain" ? [] : enveloped)];
    if (this.#kind === "business" || this.#kind === "data") ways.push(...typed);
    return pick(this.#random, ways)();
  }
}

function anyCase(random: Randomness, id: string): string {
  return Array.from(id, (c) => (random.fraction() < 0.5 ? c.toUpperCase() : c)).join("");
}

function drawTime(random: Randomness, nowMs: number): { text: string; us: bigint } {
  const fixed = ["1948-02-29T23:59:59.999999Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.9999Z"];
  const dice = random.fraction();
  if (dice < 0.06) return exact(pick(random, fixed));
  const spreadMs = dice < 0.8 ? 10_000 : dice < 0.95 ? 3 * 3_600_000 : 3 * 86_400_000;
  const ms = nowMs + Math.floor((random.fraction() * 1.5 - 1) * spreadMs);
  const micros = String(below(random, 1_000)).padStart(3, "0");
  return exact(new Date(ms).toISOString().replace("Z", `${micros}Z`));
}

function exact(text: string): { text: string; us: bigint } {
  const match = /^(.*?)(?:\.(\d+))?Z$/.exec(text)!;
  const us = BigInt((match[2] ?? "").padEnd(6, "0"));
  return { text, us: BigInt(Date.parse(`${match[1]}Z`)) * 1_000n + us };
}

function withInvalidByte(text: string): Uint8Array {
  const bytes = encoder.encode(text.replace('"unknown":', '"unknown":"~","u":'));
  bytes[bytes.indexOf(126)] = 0xff;
  return bytes;
}
