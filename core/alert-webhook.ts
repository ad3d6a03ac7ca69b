/**
 * Alerts as others read them: the body of Alertmanager's webhooks, version 4 (prometheus/alertmanager,
 * `notify/webhook`), which pagers and chat tools take, and what its `POST /api/v2/alerts` takes.
 */
import type { Alert } from "./alert.ts";
import { normalLabels, type Labels } from "./alert-labels.ts";

/** Go's zero time: the webhook of a firing alert has it as its end. */
const NO_END = "0001-01-01T00:00:00Z";

/** An alert that somebody is to be told of. */
export type ToldAlert = Alert & { readonly status: "firing" | "resolved"; readonly startsAtMs: number };

export function isTold(alert: Alert): alert is ToldAlert {
  return alert.status !== "pending" && alert.startsAtMs !== null;
}

export interface WebhookGroup {
  readonly receiver: string;
  /** Label names by which alerts were put together. */
  readonly groupBy: readonly string[];
  /** At least one, with the same values of these labels. */
  readonly alerts: readonly ToldAlert[];
  /** Alerts that were left out. */
  readonly truncated: number;
  /** Address of Muara's own pages. */
  readonly externalUrl: string;
}

export function webhookBody(group: WebhookGroup): Record<string, unknown> {
  const { receiver, groupBy, alerts, truncated, externalUrl } = group;
  const first = alerts[0]!.labels;
  const groupLabels = normalLabels(Object.fromEntries(groupBy.map((name) => [name, first[name] ?? ""])));
  return {
    receiver,
    status: alerts.some(({ status }) => status === "firing") ? "firing" : "resolved",
    alerts: alerts.map((alert) => webhookAlert(alert, externalUrl)),
    groupLabels,
    commonLabels: common(alerts.map(({ labels }) => labels)),
    commonAnnotations: common(alerts.map(({ annotations }) => annotations)),
    externalURL: externalUrl,
    version: "4",
    groupKey: groupKeyOf(groupLabels),
    truncatedAlerts: truncated,
  };
}

function webhookAlert(alert: ToldAlert, externalUrl: string): Record<string, unknown> {
  const { status, labels, annotations, startsAtMs, endsAtMs, fingerprint } = alert;
  return {
    status,
    labels,
    annotations,
    startsAt: new Date(startsAtMs).toISOString(),
    endsAt: endsAtMs === null ? NO_END : new Date(endsAtMs).toISOString(),
    generatorURL: generatorUrl(externalUrl, fingerprint),
    fingerprint,
  };
}

/** Of the route `{}`: `{}:{alertname="Orders", country="DE"}`. */
function groupKeyOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{}:{${pairs.join(", ")}}`;
}

function common(all: readonly Labels[]): Labels {
  const [first = {}, ...rest] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) =>
      rest.every((labels) => Object.hasOwn(labels, name) && labels[name] === value),
    ),
  );
}

/**
 * One of the list that `POST /api/v2/alerts` takes.
 * @param firesUntilMs when Alertmanager shall take a firing alert for resolved, unless it is sent again before
 */
export function postableAlert(
  alert: ToldAlert,
  firesUntilMs: number,
  externalUrl: string,
): Record<string, unknown> {
  const { labels, annotations, startsAtMs, endsAtMs, fingerprint } = alert;
  return {
    labels,
    annotations,
    startsAt: new Date(startsAtMs).toISOString(),
    endsAt: new Date(endsAtMs ?? firesUntilMs).toISOString(),
    generatorURL: generatorUrl(externalUrl, fingerprint),
  };
}

function generatorUrl(externalUrl: string, fingerprint: string): string {
  return externalUrl === "" ? "" : `${externalUrl}/#/alerts/${fingerprint}`;
}
