/**
 * The other Nakadi, as its clients see it: a subscription, one stream at a time, commits. Every request asks for the
 * token anew, so that one that was rotated counts from the next connection on.
 */
import { hasCode } from "../../core/errors.ts";
import type { Outgoing, OutgoingAnswer } from "../../core/ports/outgoing.ts";
import type { Pull } from "../../core/pull.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { isObject } from "../ingest/json-schema.ts";
import type { Cursor } from "./batch-line.ts";

const HEAD_MS = 30_000;
const REQUEST_MS = 20_000;
const DETAIL_LENGTH_MAX = 300;
const STREAM_ID = "X-Nakadi-StreamId";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The remote's answer where it is not the one asked for. */
export class RemoteRefusal extends Error {
  override readonly name = "RemoteRefusal";
  readonly status: number;
  /** What `Retry-After` says, ms; undefined where it says nothing. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, detail: string, retryAfterMs?: number) {
    super(`the remote answers ${status}: ${detail}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface RemoteStream {
  readonly id: string;
  /** As they come, decompressed. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface RemotePorts {
  readonly outgoing: Outgoing;
  readonly readSecret: ReadSecret;
}

export class Remote {
  readonly #ports: RemotePorts;
  readonly #pull: Pull;

  constructor(ports: RemotePorts, pull: Pull) {
    this.#ports = ports;
    this.#pull = pull;
  }

  /** The id of the subscription, which is made where there is none. @throws RemoteRefusal, outgoing.* */
  async subscribe(signal: AbortSignal): Promise<string> {
    const { subscription, owningApplication, consumerGroup, eventTypes, readFrom } = this.#pull;
    if (subscription !== undefined) return subscription;
    const wanted = {
      owning_application: owningApplication,
      event_types: [...eventTypes.keys()],
      consumer_group: consumerGroup,
      read_from: readFrom,
    };
    const answer = await this.#post("/subscriptions", wanted, {}, signal);
    const declared = parsed(answer.body);
    const id = isObject(declared) ? declared["id"] : undefined;
    if ((answer.status === 200 || answer.status === 201) && typeof id === "string") return id;
    throw refusalOf(answer);
  }

  /** @throws RemoteRefusal, outgoing.* */
  async open(subscription: string, batchEvents: number, signal: AbortSignal): Promise<RemoteStream> {
    const { url, maxUncommittedEvents, flushSeconds, commitSeconds, silenceMs } = this.#pull;
    const query = new URLSearchParams({
      batch_limit: String(batchEvents),
      batch_flush_timeout: String(flushSeconds),
      max_uncommitted_events: String(Math.max(maxUncommittedEvents, batchEvents)),
      commit_timeout: String(commitSeconds),
    });
    const stream = await this.#ports.outgoing.open({
      method: "GET",
      url: `${url}/subscriptions/${encodeURIComponent(subscription)}/events?${query}`,
      headers: { ...(await this.#headers()), "accept-encoding": "gzip", accept: "application/x-json-stream" },
      timeoutMs: HEAD_MS,
      idleMs: silenceMs,
      signal,
    });
    const { status, headers } = stream;
    const chunks = decompressed(stream.chunks, headers.get("content-encoding"));
    const id = headers.get(STREAM_ID);
    if (status === 200 && id !== null) return { id, chunks };
    throw refusalOf({ status, headers, body: await beginning(chunks) });
  }

  /** @throws RemoteRefusal (422: the stream is over, or has lost a partition), outgoing.* */
  async commit(subscription: string, streamId: string, cursors: readonly Cursor[]): Promise<void> {
    const path = `/subscriptions/${encodeURIComponent(subscription)}/cursors`;
    const answer = await this.#post(path, { items: cursors }, { [STREAM_ID]: streamId });
    // 200: some were committed before, by whoever had the partition.
    if (answer.status !== 204 && answer.status !== 200) throw refusalOf(answer);
  }

  async #post(
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<OutgoingAnswer> {
    return this.#ports.outgoing.send({
      method: "POST",
      url: this.#pull.url + path,
      headers: { ...(await this.#headers()), "content-type": "application/json", ...headers },
      body: encoder.encode(JSON.stringify(body)),
      timeoutMs: REQUEST_MS,
      ...(signal ? { signal } : {}),
    });
  }

  async #headers(): Promise<Record<string, string>> {
    const { token } = this.#pull;
    const agent = { "user-agent": "muara-pull" };
    return token ? { ...agent, authorization: `Bearer ${await this.#ports.readSecret(token)}` } : agent;
  }
}

async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  encoding: string | null,
): AsyncGenerator<Uint8Array> {
  if (encoding !== "gzip") {
    yield* chunks;
    return;
  }
  const iterator = chunks[Symbol.asyncIterator]();
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: async (controller) => {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      },
    },
    { highWaterMark: 0 },
  );
  yield* source.pipeThrough(new DecompressionStream("gzip")) as unknown as AsyncIterable<Uint8Array>;
}

async function beginning(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  try {
    for await (const chunk of chunks) return chunk;
  } catch (error) {
    if (!hasCode(error, "outgoing.failed")) throw error;
  }
  return new Uint8Array(0);
}

function refusalOf({ status, headers, body }: OutgoingAnswer): RemoteRefusal {
  const problem = parsed(body);
  const detail = isObject(problem) ? (problem["detail"] ?? problem["title"]) : undefined;
  const text = typeof detail === "string" ? detail.slice(0, DETAIL_LENGTH_MAX) : "without a reason";
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return new RemoteRefusal(status, text, Number.isFinite(seconds) ? seconds * 1_000 : undefined);
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch {
    return undefined;
  }
}
