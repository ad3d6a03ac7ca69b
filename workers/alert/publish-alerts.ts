/** What becomes of alerts, as events of `muara.alert`: the type is declared when there is the first. */
import { ALERT_TYPE, alertEventText, alertEventType } from "../../core/alert-event.ts";
import type { Clock } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { Log } from "../../core/ports/log.ts";
import { packRecords, type RecordParts } from "../../core/record.ts";
import type { Registry } from "../../core/registry.ts";
import type { PendingEvent } from "../../core/rule.ts";
import { FIRST_SCHEMA_VERSION } from "../../core/schema-version.ts";
import { ensureStream, KIND } from "../ingest/declaration.ts";

export interface PublishPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly clock: Clock;
}

const HEADER = JSON.stringify({ schema_version: FIRST_SCHEMA_VERSION, published_by: "muara" });

/** As a batch; brokers take no larger ones than some megabytes, and a rule may have thousands of alerts. */
const BATCH_BYTES = 524_288;

/** Durable when it resolves; the same again are duplicates. @param ruleId of the rule that they are of */
export async function publishAlerts(
  ports: PublishPorts,
  ruleId: string,
  events: readonly PendingEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const type = await declaredType(ports);
  await ensureStream(ports.log, type);
  const append = (records: readonly RecordParts[]): Promise<unknown> =>
    ports.log.append(ALERT_TYPE, 0, packRecords(records));
  let records: RecordParts[] = [];
  let bytes = 0;
  for (const event of events) {
    const payload = new TextEncoder().encode(alertEventText(ruleId, event));
    if (records.length > 0 && bytes + payload.length > BATCH_BYTES) {
      await append(records);
      records = [];
      bytes = 0;
    }
    records.push({ payload, header: HEADER });
    bytes += payload.length;
  }
  await append(records);
}

async function declaredType({ registry, clock }: PublishPorts): Promise<EventType> {
  const known = registry.get<EventType>(KIND, ALERT_TYPE)?.value;
  if (known) return known;
  const type = alertEventType(new Date(clock.nowMs()).toISOString());
  try {
    await registry.put(KIND, ALERT_TYPE, 0, type);
  } catch (error) {
    if (!hasCode(error, "declaration.conflict")) throw error;
  }
  return type;
}
