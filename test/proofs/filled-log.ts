/**
 * A log on disk that is full before anybody reads it: numbered events whose every field follows from their number, in
 * several event types, a share of them a second time. It is closed again, so that many processes may read it.
 */
import { openFileLog } from "../../adapters/file/log.ts";
import { type Randomness, systemClock, systemRandomness } from "../../core/clock.ts";
import { type EventType, eventTypeSchema } from "../../core/event-type.ts";
import { silentLogger } from "../../core/logger.ts";
import { packRecords } from "../../core/record.ts";
import { Registry } from "../../core/registry.ts";

const BATCH = 500;
const RESENDS = 0.02;
const PARTITIONS = 2;
const RETENTION_MS = 48 * 3_600_000;
const encoder = new TextEncoder();

export interface FilledType {
  readonly name: string;
  /** Different ones. */
  readonly events: number;
  /** Records that repeat an earlier one. */
  readonly resends: number;
}

export function typeNamed(name: string): EventType {
  const properties = { n: { type: "integer" }, note: { type: "string" } };
  return eventTypeSchema.parse({
    name,
    owning_application: "proof",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  });
}

/** @param events different ones in each type */
export async function fillLog(
  directory: string,
  types: number,
  events: number,
  random: Randomness,
): Promise<readonly FilledType[]> {
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const log = await openFileLog({ directory, ...services });
  const registry = await Registry.open(log, "filler", systemClock);
  const filled: FilledType[] = [];
  for (let i = 0; i < types; i++) {
    const name = `proof.many.t${i}`;
    await registry.put("event-type", name, 0, typeNamed(name));
    const options = { partitions: PARTITIONS, cleanup: "delete", retentionMs: RETENTION_MS } as const;
    await log.createStream(name, options);
    const sent = { numbers: 0, resends: 0 };
    const nextNumber = (): number => {
      if (sent.numbers === 0 || random.fraction() >= RESENDS) return sent.numbers++;
      sent.resends++;
      return Math.floor(random.fraction() * sent.numbers);
    };
    for (let batch = 0; sent.numbers < events; batch++) {
      const size = Math.min(BATCH, events - sent.numbers);
      const records = Array.from({ length: size }, () => ({
        payload: encoder.encode(eventOf(nextNumber())),
      }));
      await log.append(name, batch % PARTITIONS, packRecords(records));
    }
    filled.push({ name, events, resends: sent.resends });
  }
  await log.close();
  return filled;
}

function eventOf(n: number): string {
  const eid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const occurredAt = `2026-03-01T10:00:${String(n % 60).padStart(2, "0")}Z`;
  return `{"metadata":{"eid":"${eid}","occurred_at":"${occurredAt}"},"n":${n},"note":"${"x".repeat(n % 100)}"}`;
}
