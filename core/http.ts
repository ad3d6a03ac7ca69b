/**
 * What every HTTP door of Muara does alike, without a framework: who is asking, the flow id, and the headers and
 * problems of an answer. Flow ids follow the header `X-Flow-Id` of Nakadi and of Zalando's API guidelines (#233).
 */
import { EVERYTHING, type Principal } from "./authorize.ts";
import type { Randomness } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import { problemResponse } from "./problem.ts";
import type { Authenticator } from "./token.ts";
import { activeTraceId } from "./trace.ts";
import { CE_TRACEPARENT_HEADER, parseTraceparent, TRACEPARENT_HEADER } from "./traceparent.ts";

export const FLOW_ID_HEADER = "x-flow-id";
/** Between a route and the server: closes the connection after the answer without saying so. Clients never see it. */
export const HANG_UP_HEADER = "x-muara-hang-up";
const FLOW_ID = /^[a-zA-Z0-9/+_=-]{1,128}$/;

/** Whoever asks where authentication is switched off. */
export const ANYBODY: Principal = { id: "anybody", grants: EVERYTHING };

/**
 * Who sent a request. `null` as the authenticator means that authentication is switched off.
 * @throws auth.missing, auth.invalid
 */
export async function authenticateRequest(
  request: Request,
  authenticator: Authenticator | null,
): Promise<Principal> {
  return authenticator ? authenticator.authenticate(request.headers.get("authorization")) : ANYBODY;
}

/**
 * The request's flow id where it is well-formed: what is malformed is never sent back. Else the trace that it belongs
 * to, so that either finds the other; else a fresh one.
 */
export function flowIdOf(request: Request, randomness: Randomness): string {
  const given = request.headers.get(FLOW_ID_HEADER);
  if (given !== null && FLOW_ID.test(given)) return given;
  const { headers } = request;
  const trace =
    parseTraceparent(headers.get(TRACEPARENT_HEADER)) ?? parseTraceparent(headers.get(CE_TRACEPARENT_HEADER));
  return trace?.traceId ?? activeTraceId() ?? randomness.uuid();
}

/** Headers of every answer. A plain object, so that a server can write it without building `Headers`. */
export function answerHeaders(flowId: string, contentType?: string): Record<string, string> {
  const headers: Record<string, string> = { [FLOW_ID_HEADER]: flowId, "x-content-type-options": "nosniff" };
  if (contentType !== undefined) headers["content-type"] = contentType;
  return headers;
}

export function jsonResponse(value: unknown, status: number, flowId: string): Response {
  return new Response(JSON.stringify(value), { status, headers: answerHeaders(flowId, "application/json") });
}

/** The problem for an error, with the headers of every answer. */
export function errorResponse(error: unknown, flowId: string, retryAfterSeconds?: number): Response {
  const response = problemResponse(error, retryAfterSeconds);
  for (const [name, value] of Object.entries(answerHeaders(flowId))) response.headers.set(name, value);
  return response;
}

/**
 * What may be logged of an unexpected error: its kind and where it was thrown. Its message stays out, since
 * engines quote the input in it.
 */
export function describeBug(error: unknown): { readonly kind: string; readonly stack: readonly string[] } {
  if (!(error instanceof Error)) return { kind: typeof error, stack: [] };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return { kind: error.name, stack: frames.slice(0, 10).map((line) => line.trim()) };
}

/** @throws request.media_type unless a body of this Content-Type (null: none given) is JSON in UTF-8 */
export function requireJson(contentType: string | null): void {
  if (contentType === null || contentType === "application/json") return;
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim().toLowerCase());
  const isJson = type === "" || type === "application/json" || /^application\/[\w.!#$&^-]+\+json$/.test(type);
  const isUtf8 = parameters.every(
    (part) => !part.startsWith("charset=") || /^charset="?utf-?8"?$/.test(part),
  );
  if (!isJson || !isUtf8)
    throw new MuaraError("request.media_type", "The body is not announced as JSON in UTF-8.");
}
