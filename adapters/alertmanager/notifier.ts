/**
 * Alerts to Alertmanager's `POST /api/v2/alerts`. Alertmanager groups, routes, silences and pages, and tells alerts
 * apart by their labels alone: sent again it is the same incident, whoever sends it. Of several Alertmanagers (a
 * cluster) all are told, as its documentation asks; one that has taken the alerts is enough.
 *
 * A firing alert carries the time until which it holds, some sendings ahead, so that alerts of a Muara that is gone
 * end by themselves.
 */
import { firesUntilMs } from "../../core/alert-outbox.ts";
import { postableAlert, type ToldAlert } from "../../core/alert-webhook.ts";
import { assert } from "../../core/assert.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { AlertNotifier, NotifyOutcome } from "../../core/ports/alert-notifier.ts";
import type { Outgoing, OutgoingAnswer } from "../../core/ports/outgoing.ts";

/** Prometheus's own batches. */
const BATCH_ALERTS = 256;
const PAUSE_MS_LEAST = 100;
const ANSWER_LENGTH_MAX = 300;
const PATH = "/api/v2/alerts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface AlertmanagerOptions {
  /** Of each Alertmanager, without `/api/v2`. */
  readonly urls: readonly string[];
  /** Further headers, such as authorization; lower-case names. Asked for at each attempt. @throws config.invalid */
  readonly headers?: () => Promise<Readonly<Record<string, string>>>;
  /** Between two sendings of the same alert by the caller; a firing one holds for four. */
  readonly resendMs: number;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** Attempts at each Alertmanager and batch. */
  readonly attempts: number;
  /** Longest pause between two. */
  readonly pauseMsMax: number;
  /** Address of Muara's own pages; "" for none. */
  readonly externalUrl: string;
}

interface Ports {
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export function createAlertmanagerNotifier(ports: Ports, options: AlertmanagerOptions): AlertNotifier {
  assert(options.urls.length > 0, "an Alertmanager has an address");
  assert(options.attempts > 0, "at least one attempt is made");
  return {
    notify: async (alerts, signal) => {
      for (let from = 0; from < alerts.length; from += BATCH_ALERTS) {
        const outcome = await toAll(ports, options, alerts.slice(from, from + BATCH_ALERTS), signal);
        if (outcome.outcome !== "taken") return outcome;
      }
      return { outcome: "taken" };
    },
  };
}

async function toAll(
  ports: Ports,
  options: AlertmanagerOptions,
  alerts: readonly ToldAlert[],
  signal: AbortSignal,
): Promise<NotifyOutcome> {
  const outcomes = await Promise.all(options.urls.map((url) => toOne(ports, options, url, alerts, signal)));
  const taken = outcomes.find(({ outcome }) => outcome === "taken");
  return taken ?? outcomes.find(({ outcome }) => outcome === "later") ?? outcomes[0]!;
}

async function toOne(
  { outgoing, clock, randomness }: Ports,
  options: AlertmanagerOptions,
  url: string,
  alerts: readonly ToldAlert[],
  signal: AbortSignal,
): Promise<NotifyOutcome> {
  const { headers, resendMs, timeoutMs, attempts, pauseMsMax, externalUrl } = options;
  let outcome: NotifyOutcome = { outcome: "later", reason: "it was given up" };
  for (let attempt = 0; attempt < attempts && !signal.aborted; attempt++) {
    if (attempt > 0) {
      const mostMs = Math.min(pauseMsMax, PAUSE_MS_LEAST * 2 ** Math.min(attempt - 1, 20));
      await clock.sleep(mostMs * (0.5 + randomness.fraction() / 2), signal);
      if (signal.aborted) break;
    }
    const untilMs = firesUntilMs(clock.nowMs(), resendMs);
    const body = alerts.map((alert) => postableAlert(alert, untilMs, externalUrl));
    try {
      const answer = await outgoing.send({
        method: "POST",
        url: `${url.replace(/\/+$/, "")}${PATH}`,
        headers: { "content-type": "application/json", "user-agent": "muara-alerts", ...(await headers?.()) },
        body: encoder.encode(JSON.stringify(body)),
        timeoutMs,
        signal,
      });
      outcome = judge(answer);
    } catch (error) {
      if (!(error instanceof MuaraError)) throw error;
      outcome = { outcome: error.retryable ? "later" : "refused", reason: error.message };
    }
    if (outcome.outcome !== "later") return outcome;
  }
  return outcome;
}

/** Alertmanager says 400 to alerts that it does not understand; all else may be better soon, or after a repair. */
function judge({ status, body }: OutgoingAnswer): NotifyOutcome {
  if (status >= 200 && status < 300) return { outcome: "taken" };
  const words = decoder.decode(body.subarray(0, ANSWER_LENGTH_MAX * 4)).slice(0, ANSWER_LENGTH_MAX);
  const reason = `Alertmanager answers ${status}${words === "" ? "" : `: ${words}`}`;
  return { outcome: status === 400 || status === 422 ? "refused" : "later", reason };
}
