/**
 * What becomes of alerts as events of the type `muara.alert`: one for each transition, under an id that follows from
 * the evaluation. Whoever begins again after a crash appends the same events, and landing drops what has landed.
 */
import type { EventType } from "./event-type.ts";
import { ownEventType } from "./own-event-type.ts";
import type { PendingEvent } from "./rule.ts";

export const ALERT_TYPE = "muara.alert";

const text = { type: "string" };
const time = { type: "string", format: "date-time" };

const schema = {
  type: "object",
  properties: {
    eid: text,
    occurred_at: { ...time, description: "of the evaluation; of a drop rule the end of the window" },
    rule: text,
    alertname: text,
    from: text,
    to: text,
    fingerprint: text,
    value: { type: "number" },
    active_at: time,
    starts_at: time,
    ends_at: time,
    labels: { description: "of the alert" },
    annotations: { description: "as they were then" },
    versions: { description: "of the tables that the evaluation read" },
  },
  required: ["eid", "occurred_at", "rule", "alertname", "from", "to", "fingerprint"],
};

export function alertEventType(nowIso: string): EventType {
  return ownEventType(ALERT_TYPE, schema, 4, nowIso);
}

/** JSON text of the event. @param ruleId of the rule, over changes of its declaration */
export function alertEventText(ruleId: string, { transition, versions }: PendingEvent): string {
  const { id, rule, from, to, atMs, alert } = transition;
  return JSON.stringify({
    eid: `${ruleId}-${id}`,
    occurred_at: iso(atMs),
    rule,
    alertname: alert.labels["alertname"],
    from,
    to,
    fingerprint: alert.fingerprint,
    value: alert.value,
    active_at: iso(alert.activeAtMs),
    starts_at: iso(alert.startsAtMs),
    ends_at: iso(alert.endsAtMs),
    labels: alert.labels,
    annotations: alert.annotations,
    versions,
  });
}

function iso(ms: number | null): string | undefined {
  return ms === null ? undefined : new Date(ms).toISOString();
}
