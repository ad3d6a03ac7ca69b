/**
 * The HTTP answer that carries a stream. Bytes are made when the connection takes them. The connection is closed at the
 * stream's end, since some clients (pyNakadi) wait for that and not for the last chunk.
 *
 * Surprising rules: pyNakadi (known by `python-requests`) says that it takes gzip, and then reads the bare socket
 * behind the back of its HTTP library. It gets no gzip, and nothing before its library has surely read the headers:
 * what comes together with them would be lost. And where the headers announce the close, its library takes the socket
 * away.
 */
import type { Clock } from "../../../core/clock.ts";
import { answerHeaders, describeBug, HANG_UP_HEADER } from "../../../core/http.ts";
import type { Logger } from "../../../core/logger.ts";
import type { EventStream } from "./event-stream.ts";

/** Compresses a stream so that what was written can be read at once, chunk by chunk. */
export type Compress = (body: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>;

export interface AnswerPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: nothing is compressed. */
  readonly compress?: Compress | undefined;
}

export interface AnswerOptions {
  readonly request: Request;
  readonly flowId: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Once, when no more bytes come: at the stream's end, or when the client has gone. */
  readonly onEnd: () => void;
}

/** Library of a client that reads the bare socket. */
const RAW_READER = /^python-requests\//;
/** How long such a client has to read the headers, ms. */
const HEADERS_MS = 300;
const STREAM_TYPE = "application/x-json-stream";
/** A client that takes nothing until so long after the stream's end is cut off, ms. */
const STALLED_MS = 30_000;

export function streamAnswer(ports: AnswerPorts, stream: EventStream, options: AnswerOptions): Response {
  const { request, flowId } = options;
  const isRaw = RAW_READER.test(request.headers.get("user-agent") ?? "");
  const takesGzip = !isRaw && acceptsGzip(request.headers.get("accept-encoding"));
  const compress = takesGzip ? ports.compress : undefined;
  const plain = bodyOf(ports, stream, options, isRaw ? HEADERS_MS : 0);
  const body = compress ? compress(plain) : plain;
  const headers = {
    ...answerHeaders(flowId, STREAM_TYPE),
    ...options.headers,
    ...(isRaw ? { [HANG_UP_HEADER]: "1" } : { connection: "close" }),
    ...(compress ? { "content-encoding": "gzip", vary: "accept-encoding" } : {}),
  };
  return new Response(body as BodyInit, { status: 200, headers });
}

function bodyOf(
  { clock, logger }: AnswerPorts,
  stream: EventStream,
  { flowId, onEnd }: AnswerOptions,
  delayMs: number,
): ReadableStream<Uint8Array> {
  const over = new AbortController();
  let waitMs = delayMs;
  const end = (): void => {
    if (over.signal.aborted) return;
    over.abort();
    stream.release();
    onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        void cutOffStalled(controller);
      },
      pull: async (controller) => {
        try {
          if (waitMs > 0) await clock.sleep(waitMs, over.signal);
          waitMs = 0;
          const bytes = await stream.next();
          if (bytes) return controller.enqueue(bytes);
          if (over.signal.aborted) return undefined;
          end();
          return controller.close();
        } catch (error) {
          logger.error("a stream broke off", { flow_id: flowId, ...describeBug(error) });
          end();
          controller.error(error);
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );

  async function cutOffStalled(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const leftMs = stream.endsAtMs - clock.monotonicMs();
    await clock.sleep(leftMs + STALLED_MS, over.signal);
    if (over.signal.aborted) return;
    end();
    controller.error(new Error("the client takes nothing"));
  }
}

/** RFC 9110: by name, unless its weight is zero. */
function acceptsGzip(header: string | null): boolean {
  return (header ?? "").split(",").some((part) => {
    const [name, ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    return name === "gzip" && !parameters.some((text) => /^q=0(\.0*)?$/.test(text));
  });
}
