/**
 * A receiver of OTLP over HTTP (JSON encoding, opentelemetry-proto 1.x) for tests: takes what exporters post to
 * `/v1/traces`, checks the form of every span by the specification, and keeps them.
 */
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

export interface ReceivedSpan {
  readonly name: string;
  readonly service: string;
  readonly scope: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** 1 internal, 2 server, 3 client (SpanKind of the protocol). */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly durationMs: number;
  readonly statusCode: number;
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Forms that break the specification. */
  readonly faults: string[];
  close(): Promise<void>;
}

type Value = Readonly<Record<string, unknown>>;
interface Attribute {
  readonly key: string;
  readonly value: Value;
}
interface WireSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number };
}

/** @param delayMs before each answer: a collector that is slow */
export async function startOtlpReceiver(delayMs = 0): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const faults: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const raw = Buffer.concat(chunks);
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
      if (request.url !== "/v1/traces" || request.headers["content-type"] !== "application/json")
        faults.push(`${request.method} ${request.url} ${request.headers["content-type"]}`);
      else take(JSON.parse(body.toString()), spans, faults);
      setTimeout(() => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end("{}");
      }, delayMs);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    faults,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function take(body: unknown, spans: ReceivedSpan[], faults: string[]): void {
  const { resourceSpans } = body as {
    resourceSpans: readonly {
      resource: { attributes: readonly Attribute[] };
      scopeSpans: readonly { scope: { name: string }; spans: readonly WireSpan[] }[];
    }[];
  };
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = String(attributesOf(resource.attributes)["service.name"]);
    for (const { scope, spans: wire } of scopeSpans)
      for (const span of wire) {
        const fault = faultOf(span);
        if (fault) faults.push(`${span.name}: ${fault}`);
        spans.push(received(span, service, scope.name));
      }
  }
}

function faultOf(span: WireSpan): string | undefined {
  if (!/^[0-9a-f]{32}$/.test(span.traceId)) return `trace id ${span.traceId}`;
  if (!/^[0-9a-f]{16}$/.test(span.spanId)) return `span id ${span.spanId}`;
  if (span.parentSpanId && !/^[0-9a-f]{16}$/.test(span.parentSpanId)) return `parent ${span.parentSpanId}`;
  if (BigInt(span.endTimeUnixNano) < BigInt(span.startTimeUnixNano)) return "ends before it starts";
  if (span.kind < 1 || span.kind > 5) return `kind ${span.kind}`;
  return undefined;
}

function received(span: WireSpan, service: string, scope: string): ReceivedSpan {
  const nanos = BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano);
  return {
    name: span.name,
    service,
    scope,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? "",
    kind: span.kind,
    attributes: attributesOf(span.attributes ?? []),
    links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
    durationMs: Number(nanos) / 1_000_000,
    statusCode: span.status?.code ?? 0,
  };
}

function attributesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

/** AnyValue: one member, named by its type; 64-bit integers may be texts. */
function valueOf(value: Value): unknown {
  const [kind, content] = Object.entries(value)[0] ?? [];
  if (kind === "intValue") return Number(content);
  if (kind === "arrayValue") return ((content as { values?: readonly Value[] }).values ?? []).map(valueOf);
  return content;
}
