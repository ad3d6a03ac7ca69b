/**
 * Rows as signed POST requests: Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`), and
 * `Idempotency-Key` for receivers that know that one. The id of a batch is the same at every attempt.
 *
 * A status says either something about these rows (400, 409, 413, 415, 422: refused) or about the receiver for now
 * (everything else that is no success). A wrong address, or a token that ended, must not turn a table into dead
 * letters.
 */
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Outgoing, OutgoingAnswer } from "../../core/ports/outgoing.ts";
import { traceHeaders } from "../../core/trace.ts";
import type { Sink, SinkBatch, SinkOutcome } from "../../core/ports/sink.ts";

const REFUSED: ReadonlySet<number> = new Set([400, 409, 413, 415, 422]);
const ANSWER_LENGTH_MAX = 300;
const RETRY_AFTER_MS_MAX = 3_600_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface WebhookOptions {
  readonly url: string;
  /** 32 bytes, base64. */
  readonly secret: string;
  readonly timeoutMs: number;
}

export function createWebhookSink(
  ports: { readonly outgoing: Outgoing; readonly clock: Clock },
  options: WebhookOptions,
): Sink {
  return {
    guarantee: "idempotent",
    write: (batch, signal) => post(ports, options, batch, signal),
    close: async () => {},
  };
}

async function post(
  { outgoing, clock }: { readonly outgoing: Outgoing; readonly clock: Clock },
  { url, secret, timeoutMs }: WebhookOptions,
  batch: SinkBatch,
  signal: AbortSignal,
): Promise<SinkOutcome> {
  const body = encoder.encode(bodyOf(batch));
  const timestamp = String(Math.floor(clock.nowMs() / 1_000));
  const headers = {
    "content-type": "application/json",
    "user-agent": "muara-deliver",
    "idempotency-key": batch.id,
    "webhook-id": batch.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${await signatureOf(secret, batch.id, timestamp, body)}`,
    ...traceHeaders(),
  };
  try {
    const answer = await outgoing.send({ method: "POST", url, headers, body, timeoutMs, signal });
    return judge(answer, clock.nowMs());
  } catch (error) {
    if (error instanceof MuaraError) return { outcome: "later", reason: error.message };
    throw error;
  }
}

/** Rows are JSON already. */
function bodyOf({ delivery, table, committedMs, sequence, rows }: SinkBatch): string {
  const data = JSON.stringify({ delivery, table, sequence });
  const timestamp = new Date(committedMs).toISOString();
  const all = rows.map(({ json }) => json).join(",");
  return `{"type":"muara.rows","timestamp":"${timestamp}","data":${data.slice(0, -1)},"rows":[${all}]}}`;
}

/** Standard Webhooks: HMAC-SHA256 of `id.timestamp.body`, base64. */
export async function signatureOf(
  secret: string,
  id: string,
  timestamp: string,
  body: Uint8Array,
): Promise<string> {
  const raw = Uint8Array.from(atob(secret), (letter) => letter.charCodeAt(0));
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const head = encoder.encode(`${id}.${timestamp}.`);
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, signed));
  return btoa(String.fromCharCode(...mac));
}

function judge({ status, headers, body }: OutgoingAnswer, nowMs: number): SinkOutcome {
  if (status >= 200 && status < 300) return { outcome: "taken" };
  const words = decoder.decode(body.subarray(0, ANSWER_LENGTH_MAX * 4)).slice(0, ANSWER_LENGTH_MAX);
  const reason = `the receiver answers ${status}${words === "" ? "" : `: ${words}`}`;
  if (REFUSED.has(status)) return { outcome: "refused", reason };
  return { outcome: "later", reason, afterMs: retryAfterMs(headers.get("retry-after"), nowMs) };
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX) : undefined;
}
