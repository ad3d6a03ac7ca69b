/**
 * Alerts to whoever takes Alertmanager's webhooks, version 4: pagers, chat tools, a script. Each request has an id that
 * is the same at every attempt (fingerprint, start, status), as `Idempotency-Key`.
 *
 * A status says either something about the alerts (400, 409, 413, 415, 422: refused) or about the receiver for now.
 */
import { outboxId } from "../../core/alert-outbox.ts";
import { webhookBody, type ToldAlert } from "../../core/alert-webhook.ts";
import { assert } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";
import type { AlertNotifier, NotifyOutcome } from "../../core/ports/alert-notifier.ts";
import type { Outgoing } from "../../core/ports/outgoing.ts";

const REFUSED: ReadonlySet<number> = new Set([400, 409, 413, 415, 422]);
const ANSWER_LENGTH_MAX = 300;
const GROUP_BY = ["alertname"];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface AlertWebhookOptions {
  /** Of the receiver, in the body. */
  readonly name: string;
  readonly url: string;
  /** Lower-case names. Asked for at each attempt. @throws config.invalid */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  readonly timeoutMs: number;
  /** Address of Muara's own pages; "" for none. */
  readonly externalUrl: string;
}

/** Takes one alert at a time. */
export function createAlertWebhook(
  { outgoing }: { readonly outgoing: Outgoing },
  options: AlertWebhookOptions,
): AlertNotifier {
  return {
    notify: async (alerts, signal) => {
      assert(alerts.length === 1, "a request has the id of one alert");
      return post(outgoing, options, alerts[0]!, signal);
    },
  };
}

async function post(
  outgoing: Outgoing,
  { name, url, headers, timeoutMs, externalUrl }: AlertWebhookOptions,
  alert: ToldAlert,
  signal: AbortSignal,
): Promise<NotifyOutcome> {
  const group = { receiver: name, groupBy: GROUP_BY, alerts: [alert], truncated: 0, externalUrl };
  try {
    const { status, body } = await outgoing.send({
      method: "POST",
      url,
      headers: {
        "content-type": "application/json",
        "user-agent": "muara-alerts",
        "idempotency-key": outboxId(alert),
        ...(await headers()),
      },
      body: encoder.encode(JSON.stringify(webhookBody(group))),
      timeoutMs,
      signal,
    });
    if (status >= 200 && status < 300) return { outcome: "taken" };
    const words = decoder.decode(body.subarray(0, ANSWER_LENGTH_MAX * 4)).slice(0, ANSWER_LENGTH_MAX);
    const reason = `the receiver answers ${status}${words === "" ? "" : `: ${words}`}`;
    return { outcome: REFUSED.has(status) ? "refused" : "later", reason };
  } catch (error) {
    // Also an address that may not be asked, or a secret that is not there: somebody can mend that.
    if (error instanceof MuaraError) return { outcome: "later", reason: error.message };
    throw error;
  }
}
