/**
 * Spans of OpenTelemetry, through its API alone: who collects them is the composition root's (adapters/otel), or the
 * runtime's (Deno with `OTEL_DENO=true`).
 *
 * Surprising rule: until `switchTracing` was called nothing of this makes a span, an object or a context. A span
 * stands for a batch, a commit, a query, a step; never for an event.
 */
import {
  type Attributes,
  context,
  createTraceState,
  INVALID_SPAN_CONTEXT,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { MuaraError } from "./errors.ts";
import {
  CE_TRACEPARENT_HEADER,
  formatTraceparent,
  parseTraceparent,
  TRACEPARENT_HEADER,
} from "./traceparent.ts";

export type { Attributes, Link, Span };

/** What a span that nobody collects is. */
const NO_SPAN = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
const SCOPE = "muara";

let isOn = false;

/** Whether spans are made. */
export function isTracing(): boolean {
  return isOn;
}

/** Once, when somebody collects spans; `false` for tests. */
export function switchTracing(on: boolean): void {
  isOn = on;
}

export interface SpanOptions {
  readonly attributes?: Attributes;
  /** Of what it took in: batches of others end where it begins, so they are no parents. */
  readonly links?: readonly Link[];
  readonly kind?: SpanKind;
}

/** Runs `work` as a span below the active one. @param options are asked for only where spans are made */
export async function traced<Result>(
  name: string,
  options: () => SpanOptions,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  if (!isOn) return work(NO_SPAN);
  const span = startSpan(name, options());
  try {
    return await context.with(trace.setSpan(context.active(), span), () => work(span));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** A span that its caller ends; below the active one. */
export function startSpan(name: string, { attributes = {}, links = [], kind }: SpanOptions): Span {
  if (!isOn) return NO_SPAN;
  return trace
    .getTracer(SCOPE)
    .startSpan(name, { attributes, links: [...links], kind: kind ?? SpanKind.INTERNAL });
}

/** Runs `work` below a span that its caller ends. */
export function within<Result>(span: Span, work: () => Result): Result {
  return isOn ? context.with(trace.setSpan(context.active(), span), work) : work();
}

/** A code, never a message: messages may quote what somebody sent. */
export function fail(span: Span, error: unknown): void {
  const code = error instanceof MuaraError ? error.code : "internal";
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
  span.setAttribute("error.type", code);
}

/** Tells the active span more. */
export function annotate(attributes: Attributes): void {
  if (isOn) trace.getActiveSpan()?.setAttributes(attributes);
}

/** Whether there is a span to be below of. */
export function hasSpan(): boolean {
  return isOn && trace.getActiveSpan() !== undefined;
}

/** Names a request's span by its route; addresses would be as many names as there are things. */
export function nameRequest(method: string, route: string): void {
  if (!isOn) return;
  const span = trace.getActiveSpan();
  span?.updateName(`${method} ${route}`);
  span?.setAttribute("http.route", route);
}

/** The active span for whoever is told next; undefined where there is none, or nobody keeps it. */
export function activeTraceparent(): string | undefined {
  const active = isOn ? trace.getActiveSpan()?.spanContext() : undefined;
  if (!active || (active.traceFlags & 1) === 0 || !trace.isSpanContextValid(active)) return undefined;
  return formatTraceparent({ traceId: active.traceId, spanId: active.spanId, flags: active.traceFlags });
}

/** For requests to others. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const traceparent = activeTraceparent();
  return traceparent === undefined ? {} : { [TRACEPARENT_HEADER]: traceparent };
}

/** The trace of the active span; undefined where there is none. */
export function activeTraceId(): string | undefined {
  const active = isOn ? trace.getActiveSpan()?.spanContext() : undefined;
  return active && trace.isSpanContextValid(active) ? active.traceId : undefined;
}

/** A link to the span that `traceparent` names. */
export function linkTo(traceparent: string): Link | undefined {
  const remote = remoteContext(traceparent, null);
  return remote && { context: remote };
}

function remoteContext(traceparent: string | null, tracestate: string | null): SpanContext | undefined {
  const parent = parseTraceparent(traceparent);
  if (!parent) return undefined;
  const { traceId, spanId, flags } = parent;
  const state = tracestate === null ? {} : { traceState: createTraceState(tracestate) };
  return { traceId, spanId, traceFlags: flags & 1, isRemote: true, ...state };
}

/** Runs `answer` as the span of a request, below the one that its sender names. */
export async function tracedRequest(
  request: Request,
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  const { method, headers } = request;
  const remote = remoteContext(headers.get(TRACEPARENT_HEADER), headers.get("tracestate"));
  const above = remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
  const attributes: Attributes = { "http.request.method": method, "url.scheme": "http" };
  const bytes = Number(headers.get("content-length") ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) attributes["http.request.body.size"] = bytes;
  // The event's trace is not the request's: the request is one of its transports.
  const event = linkTo(headers.get(CE_TRACEPARENT_HEADER) ?? "");
  const options = { kind: SpanKind.SERVER, attributes, links: event ? [event] : [] };
  const span = trace.getTracer(SCOPE).startSpan(method, options, above);
  try {
    const response = await context.with(trace.setSpan(above, span), answer);
    span.setAttribute("http.response.status_code", response.status);
    if (response.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    return response;
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}
