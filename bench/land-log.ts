/** The log that `land.ts` lands: the lines of `encoder-lines.ts` as events of a business type. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openFileLog } from "../adapters/file/log.ts";
import type { Log } from "../core/ports/log.ts";
import { type EventType, eventTypeSchema, type JsonSchema } from "../core/event-type.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  KEY_LENGTH,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  RECORD_WORDS,
  type RecordBatch,
} from "../core/record.ts";
import { ENVELOPE, type FieldKind, linesPath, PAYLOAD_KIND, type SetName, TYPED } from "./encoder-lines.ts";
import { services } from "./landing.ts";

const BATCH = 1_000;
const PARTITIONS = 2;
const RETENTION_MS = 48 * 3_600_000;
/** An event's own id and time stand in `metadata`. */
const HEAD = /^\{"eid":("[^"]+"),("event_type":"[^"]+"),"occurred_at":("[^"]+"),/;
const SCHEMAS: Record<FieldKind, JsonSchema> = {
  string: { type: "string" },
  timestamp: { type: "string", format: "date-time" },
  long: { type: "integer" },
  double: { type: "number" },
  boolean: { type: "boolean" },
};

export function logPath(set: SetName, folder: string): string {
  return join(folder, `${set}-log`);
}

export function onFatal(error: unknown): void {
  throw error;
}

export function openLog(set: SetName, folder: string): Promise<Log> {
  return openFileLog({ directory: logPath(set, folder), ...services, onFatal });
}

/** Appends all lines, in batches that alternate between the partitions, and closes the log. */
export async function fillLog(set: SetName, folder: string, opened?: Log): Promise<void> {
  const log = opened ?? (await openLog(set, folder));
  const { name } = eventTypeOf(set);
  await log.createStream(name, { partitions: PARTITIONS, cleanup: "delete", retentionMs: RETENTION_MS });
  let batch: string[] = [];
  let batches = 0;
  const append = async (): Promise<void> => {
    await log.append(name, batches % PARTITIONS, requestOf(`{"flow_id":"flow-${batches}"}`, batch));
    batches++;
    batch = [];
  };
  for await (const line of createInterface({ input: createReadStream(linesPath(set, folder)) })) {
    const event = line.replace(HEAD, '{"metadata":{"eid":$1,"occurred_at":$3},$2,');
    if (event === line) throw new Error(`a line of another form: ${line.slice(0, 100)}`);
    batch.push(event);
    if (batch.length === BATCH) await append();
  }
  if (batch.length > 0) await append();
  await log.close();
}

/** Events of one request as the door packs them: they share a header. */
function requestOf(header: string, events: readonly string[]): RecordBatch {
  const bytes = Buffer.from(header + events.join(""));
  const index = new Uint32Array(events.length * RECORD_WORDS);
  let at = Buffer.byteLength(header);
  events.forEach((event, i) => {
    const word = i * RECORD_WORDS;
    index[word + PAYLOAD_AT] = at;
    index[word + PAYLOAD_LENGTH] = Buffer.byteLength(event);
    index[word + KEY_LENGTH] = ABSENT;
    index[word + HEADER_AT] = 0;
    index[word + HEADER_LENGTH] = Buffer.byteLength(header);
    at += index[word + PAYLOAD_LENGTH]!;
  });
  return { count: events.length, bytes, index };
}

/** The columns of `encoder.ts`, beside landing's own. */
export function eventTypeOf(set: SetName): EventType {
  const kind = PAYLOAD_KIND[set];
  const customer = { type: "object", properties: { id: SCHEMAS.long, name: SCHEMAS.string } };
  const payload =
    kind === "struct"
      ? { type: "object", properties: { ...propertiesOf(TYPED), customer } }
      : kind === "string"
        ? SCHEMAS.string
        : {};
  const own = ENVELOPE.filter(([name]) => name !== "eid" && name !== "occurred_at");
  return eventTypeSchema.parse({
    name: `bench.${set}`,
    owning_application: "bench",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema: {
      type: "json_schema",
      schema: JSON.stringify({ type: "object", properties: { ...propertiesOf(own), payload } }),
    },
  });
}

function propertiesOf(fields: readonly (readonly [string, FieldKind])[]): Record<string, JsonSchema> {
  return Object.fromEntries(fields.map(([name, kind]) => [name, SCHEMAS[kind]]));
}
