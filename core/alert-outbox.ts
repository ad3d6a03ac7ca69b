/**
 * Who still has to be told of what. Each alert is told twice, that it fires and that it is resolved, each under an id
 * that follows from the alert alone (fingerprint, start, status): whoever begins again after a crash offers the same
 * transitions, and nobody is paged for them a second time.
 *
 * Two kinds of receivers: an Alertmanager wants to be told again and again, else it takes an alert for resolved; a
 * webhook is told once. A pure function, its state JSON-ready: kept together with the rule's.
 */
import { RESOLVED_KEPT_MS, type AlertTransition } from "./alert.ts";
import type { Labels } from "./alert-labels.ts";
import { isTold, type ToldAlert } from "./alert-webhook.ts";

/** Prometheus's: a missed one, or two, do no harm. */
const SENDINGS_PER_LIFE = 4;

export interface OutboxEntry {
  readonly id: string;
  readonly alert: ToldAlert;
  /** Latest successful sending; null before the first. */
  readonly sentMs: number | null;
}

/** JSON-ready. In the order in which things happened. */
export type Outbox = readonly OutboxEntry[];

export interface OutboxOptions {
  /** Between two sendings of the same, ms; null: once is enough. */
  readonly resendMs: number | null;
}

export function outboxId({ fingerprint, startsAtMs, status }: ToldAlert): string {
  return `${fingerprint}-${startsAtMs}-${status}`;
}

/** Adds what is to be told; what is there already stays as it is. */
export function offer(outbox: Outbox, transitions: readonly AlertTransition[]): Outbox {
  const known = new Set(outbox.map(({ id }) => id));
  const added = transitions
    .map(({ alert }) => alert)
    .filter(isTold)
    .map((alert) => ({ id: outboxId(alert), alert, sentMs: null }))
    .filter(({ id }) => !known.has(id));
  return added.length === 0 ? outbox : [...outbox, ...added];
}

/** The labels stay; texts and values are those of the latest evaluation when it is told again. */
export function refresh(outbox: Outbox, alerts: readonly { readonly fingerprint: string }[]): Outbox {
  const latest = new Map(
    (alerts as readonly ToldAlert[]).filter(isTold).map((alert) => [outboxId(alert), alert]),
  );
  return outbox.map((entry) => ({ ...entry, alert: latest.get(entry.id) ?? entry.alert }));
}

/**
 * What is to be sent now, in order; of one alert never that it is resolved before that it fires.
 * @param isSilenced nobody is told that it fires; that it is resolved is told to whom was told that it fires
 */
export function due(
  outbox: Outbox,
  nowMs: number,
  { resendMs }: OutboxOptions,
  isSilenced: (labels: Labels) => boolean = () => false,
): OutboxEntry[] {
  const resolved = resolvedIncidents(outbox);
  const waiting = new Set<string>();
  return outbox.filter((entry) => {
    const { alert, sentMs } = entry;
    const incident = incidentOf(alert);
    const isFirst = sentMs === null;
    if (alert.status === "firing") {
      const isOver = resolved.has(incident);
      if (isFirst && isSilenced(alert.labels)) {
        waiting.add(incident);
        return false;
      }
      if (isFirst) waiting.add(incident);
      return isFirst || (!isOver && resendMs !== null && nowMs - sentMs >= resendMs);
    }
    if (waiting.has(incident)) return false;
    return isFirst || (resendMs !== null && nowMs - sentMs >= resendMs);
  });
}

/** Notes that these were taken. */
export function sent(outbox: Outbox, ids: readonly string[], nowMs: number): Outbox {
  const taken = new Set(ids);
  return outbox.map((entry) => (taken.has(entry.id) ? { ...entry, sentMs: nowMs } : entry));
}

/**
 * Forgets incidents that are over: told and long resolved, or, under a silence, never told of.
 * @param nowMs of the same clock as the alerts' times
 */
export function prune(
  outbox: Outbox,
  nowMs: number,
  isSilenced: (labels: Labels) => boolean = () => false,
): Outbox {
  const over = new Set<string>();
  const firing = new Map(
    outbox.filter(({ alert }) => alert.status === "firing").map((entry) => [incidentOf(entry.alert), entry]),
  );
  for (const { alert, sentMs } of outbox) {
    if (alert.status !== "resolved") continue;
    const isOld = nowMs - alert.endsAtMs! > RESOLVED_KEPT_MS;
    const wasHidden = firing.get(incidentOf(alert))?.sentMs === null && isSilenced(alert.labels);
    if (isOld && (sentMs !== null || wasHidden)) over.add(incidentOf(alert));
  }
  return over.size === 0 ? outbox : outbox.filter(({ alert }) => !over.has(incidentOf(alert)));
}

/**
 * Of a receiver that takes nothing for days: the oldest incidents go that nobody was told of and that are over, until
 * no more than so many entries are left. What fires, and what somebody was told of, stays.
 * @param most entries
 */
export function bounded(outbox: Outbox, most: number): Outbox {
  let excess = outbox.length - most;
  if (excess <= 0) return outbox;
  const untold = new Set(
    outbox
      .filter(({ alert, sentMs }) => alert.status === "firing" && sentMs === null)
      .map(({ alert }) => incidentOf(alert)),
  );
  const gone = new Set<string>();
  for (const { alert } of outbox) {
    const incident = incidentOf(alert);
    if (excess <= 0) break;
    if (alert.status !== "resolved" || !untold.has(incident)) continue;
    gone.add(incident);
    excess -= 2;
  }
  return outbox.filter(({ alert }) => !gone.has(incidentOf(alert)));
}

/** When Alertmanager takes an alert that is sent now for resolved. */
export function firesUntilMs(nowMs: number, resendMs: number): number {
  return nowMs + SENDINGS_PER_LIFE * resendMs;
}

function resolvedIncidents(outbox: Outbox): Set<string> {
  return new Set(
    outbox.filter(({ alert }) => alert.status === "resolved").map(({ alert }) => incidentOf(alert)),
  );
}

function incidentOf({ fingerprint, startsAtMs }: ToldAlert): string {
  return `${fingerprint}-${startsAtMs}`;
}
