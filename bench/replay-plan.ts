/**
 * What a replay sends: the rows of a file of purchase-order events as JSON, each with the UUIDv5 of its row number;
 * shuffled within ten seconds of replay time; some sent twice; some requests that must be refused; and some events
 * that the door accepts and no column can hold. The same seed gives the same requests.
 */
import { createHash } from "node:crypto";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Randomness } from "../core/clock.ts";

export const REPLAY_TYPE = "bpi.event";
const SHUFFLE_MS = 10_000;
const RESENDS = 0.05;
const MALFORMED = 0.01;
const UNLANDABLE = 0.01;
const BATCH = 200;
/** RFC 9562's namespace for object identifiers. */
const NAMESPACE = Buffer.from("6ba7b8129dad11d180b400c04fd430c8", "hex");

export interface ReplayRequest {
  /** When it is due, ms from the start of the replay. */
  readonly atMs: number;
  /** Rows from 0; from `rows` on events that cannot be landed. Empty where the request must be refused. */
  readonly keys: readonly number[];
  /** Of a request that must be refused. */
  readonly wanted?: { readonly status: number; readonly code: string };
  readonly body: () => string | Uint8Array<ArrayBuffer>;
}

export interface ReplayPlan {
  readonly rows: number;
  readonly resends: number;
  readonly requests: readonly ReplayRequest[];
  /** Reason of the dead letter, by key. */
  readonly unlandable: ReadonlyMap<number, string>;
  /** How many requests must be refused, by code. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly idOf: (key: number) => string;
}

/** JSON of one row behind its envelope: `,"row":…`. */
type Fields = string;

interface Row {
  readonly occurredAt: string;
  readonly fields: Fields;
}

/** The type's body for `POST /event-types`; the door checks it with a full JSON Schema validator. */
export function replayType(partitions: number): Record<string, unknown> {
  const text = { type: "string", minLength: 1 };
  const properties = {
    row: { type: "integer", minimum: 0 },
    case_id: { type: "string", pattern: "^[0-9]+_[0-9]+$" },
    order_number: { type: "integer" },
    item: { type: "integer" },
    activity: text,
    item_type: text,
    vendor: text,
    gr_based_iv: { type: "boolean" },
    resource: text,
    value_eur: { type: "number", format: "decimal(18,2)" },
  };
  return {
    name: REPLAY_TYPE,
    owning_application: "replay",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: {
      messages_per_minute: 1,
      message_size: 300,
      read_parallelism: partitions,
      write_parallelism: partitions,
    },
    schema: {
      type: "json_schema",
      schema: JSON.stringify({ type: "object", properties, required: ["row", "case_id", "activity"] }),
    },
  };
}

/** @param rate rows per second of replay time @throws when a value of the file is no whole number of cents */
export async function planReplay(file: string, rate: number, random: Randomness): Promise<ReplayPlan> {
  const rows = await readRows(file);
  const timed: { readonly atMs: number; readonly key: number }[] = [];
  const unlandable = new Map<number, string>();
  const refused: ReplayRequest[] = [];
  const refusals = new Map<string, number>();
  let resends = 0;
  rows.forEach((row, key) => {
    const dueMs = (key / rate) * 1_000;
    const atMs = dueMs + random.fraction() * SHUFFLE_MS;
    timed.push({ atMs, key });
    if (random.fraction() < RESENDS) {
      timed.push({ atMs: atMs + random.fraction() * SHUFFLE_MS, key });
      resends++;
    }
    if (random.fraction() < MALFORMED) {
      const request = malformed(refused.length, row, atMs);
      refused.push(request);
      const { code } = request.wanted!;
      refusals.set(code, (refusals.get(code) ?? 0) + 1);
    }
    if (random.fraction() < UNLANDABLE) {
      const way = UNLANDABLE_WAYS[unlandable.size % UNLANDABLE_WAYS.length]!;
      const next = rows.length + unlandable.size;
      unlandable.set(next, way.reason);
      timed.push({ atMs, key: next });
    }
  });
  timed.sort((a, b) => a.atMs - b.atMs || a.key - b.key);
  const textOf = (key: number): string =>
    key < rows.length
      ? eventOf(rows[key]!, idOf(key))
      : eventOf({ ...rows[key % rows.length]!, fields: fieldsOfUnlandable(key, rows.length) }, idOf(key));
  const requests: ReplayRequest[] = [...refused];
  for (let at = 0; at < timed.length; at += BATCH) {
    const batch = timed.slice(at, at + BATCH);
    const keys = batch.map(({ key }) => key);
    requests.push({ atMs: batch[0]!.atMs, keys, body: () => `[${keys.map(textOf).join(",")}]` });
  }
  requests.sort((a, b) => a.atMs - b.atMs);
  return { rows: rows.length, resends, requests, unlandable, refusals, idOf };
}

async function readRows(file: string): Promise<readonly Row[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `SELECT strftime(ts, '%Y-%m-%dT%H:%M:%S.%fZ'), case_id, activity, item_type, vendor, gr_based_iv, resource,
       CAST(CAST(value_eur AS DECIMAL(18,2)) AS VARCHAR),
       value_eur IS DISTINCT FROM CAST(CAST(value_eur AS DECIMAL(18,2)) AS DOUBLE)
     FROM read_parquet($1, file_row_number = true) ORDER BY file_row_number`,
    [file],
  );
  const rows = reader.getRows().map((row, number): Row => {
    const [ts, caseId, activity, itemType, vendor, grBasedIv, resource, value, isInexact] = row;
    if (isInexact) throw new Error(`row ${number}: its value is no whole number of cents`);
    const [order, item] = String(caseId).split("_");
    const known: [string, unknown][] = [
      ["case_id", caseId],
      ["activity", activity],
      ["item_type", itemType],
      ["vendor", vendor],
      ["gr_based_iv", grBasedIv],
      ["resource", resource],
    ];
    const texts = known
      .filter(([, one]) => one !== null)
      .map(([name, one]) => `"${name}":${JSON.stringify(one)}`);
    const numbers = [`"row":${number}`, `"order_number":${Number(order)}`, `"item":${Number(item)}`];
    if (value !== null) numbers.push(`"value_eur":${String(value)}`);
    return { occurredAt: String(ts), fields: [...numbers, ...texts].join(",") };
  });
  connection.closeSync();
  return rows;
}

function eventOf({ occurredAt, fields }: Row, id: string): string {
  return `{"metadata":{"eid":"${id}","occurred_at":"${occurredAt}"},${fields}}`;
}

function idOf(key: number): string {
  const hash = createHash("sha1").update(NAMESPACE).update(String(key)).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

/** Numbers that the schema allows and the declared column cannot hold. */
const UNLANDABLE_WAYS: readonly { readonly number: string; readonly reason: string }[] = [
  { number: '"value_eur":99999999999999999', reason: "event.value_out_of_range" },
  { number: '"value_eur":1.005', reason: "event.value_inexact" },
  { number: '"item":9223372036854775808', reason: "event.value_out_of_range" },
  { number: '"item":-1e300', reason: "event.value_out_of_range" },
];

function fieldsOfUnlandable(key: number, rows: number): Fields {
  const way = UNLANDABLE_WAYS[(key - rows) % UNLANDABLE_WAYS.length]!;
  return `"row":${key},"case_id":"1_1","activity":"cannot land",${way.number}`;
}

type Damage = (event: string) => string | Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const inArray =
  (change: (event: string) => string): Damage =>
  (event) =>
    `[${change(event)}]`;

/** Ways to spoil a request, with the answer that each must have. */
const MALFORMED_WAYS: readonly (readonly [status: number, code: string, damage: Damage])[] = [
  [400, "request.malformed", (event) => `[${event.slice(0, -1)}`],
  [400, "request.malformed", (event) => event],
  [400, "request.malformed", () => ""],
  [422, "batch.empty", () => "[]"],
  [422, "event.not_object", inArray((event) => `[${event}]`)],
  [422, "event.utf8", (event) => withByte(`[${event}]`, "case_id", 0xff)],
  [422, "event.surrogate", inArray((event) => event.replace('"case_id":"', '"case_id":"\\ud800'))],
  [422, "event.duplicate_key", inArray((event) => event.replace('"row":', '"r\\u006fw":1,"row":'))],
  [
    422,
    "event.too_deep",
    inArray((event) => event.replace("{", `{"deep":${"[".repeat(64)}${"]".repeat(64)},`)),
  ],
  [422, "event.id_missing", inArray((event) => event.replace(/"eid":"[^"]*",/, ""))],
  [422, "event.id_malformed", inArray((event) => event.replace(/"eid":"[^"]*"/, '"eid":"row 7"'))],
  [422, "event.time_missing", inArray((event) => event.replace(/,"occurred_at":"[^"]*"/, ""))],
  [
    422,
    "event.time_malformed",
    inArray((event) => event.replace(/"occurred_at":"[^"]*"/, '"occurred_at":"1948"')),
  ],
  [422, "event.schema", inArray((event) => event.replace(/"activity":"(?:[^"\\]|\\.)*"/, '"activity":42'))],
  [422, "event.schema", inArray((event) => event.replace(/"row":\d+/, '"row":1.5'))],
];

function malformed(index: number, row: Row, atMs: number): ReplayRequest {
  const [status, code, damage] = MALFORMED_WAYS[index % MALFORMED_WAYS.length]!;
  const id = idOf(-1 - index);
  return { atMs, keys: [], wanted: { status, code }, body: () => damage(eventOf(row, id)) };
}

/** The byte behind `"name":"` replaced. */
function withByte(text: string, name: string, byte: number): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  bytes[encoder.encode(text.slice(0, text.indexOf(`"${name}":"`))).length + name.length + 4] = byte;
  return bytes;
}
