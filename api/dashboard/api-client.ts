/** The API as the pages ask it: with the token, cancelled with the page, and with errors that say what and why. */
import { systemClock } from "../../core/clock.ts";
import { forgetToken, token } from "./token.ts";

/** A refusal, as the server explains it (RFC 9457), or a server that cannot be reached (`code` unreachable). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    message: string,
    problem: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.problem = problem;
  }
}

export interface AskOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Waits before a read is tried again, ms: a restart of the server takes about a second. */
const RETRY_MS = [250, 1_000] as const;
const IS_PASSING: ReadonlySet<number> = new Set([0, 502, 503, 504]);

/**
 * The answer, whatever its form. Reads are tried again where the server is away for a moment; what changes something
 * is sent once. @throws ApiError; AbortError when the signal is aborted
 */
export async function ask(path: string, options: AskOptions = {}): Promise<Response> {
  const isRead = (options.method ?? "GET") === "GET";
  for (let attempt = 0; ; attempt++) {
    try {
      return await askOnce(path, options);
    } catch (error) {
      const waitMs = RETRY_MS[attempt];
      if (!isRead || waitMs === undefined || !(error instanceof ApiError) || !IS_PASSING.has(error.status))
        throw error;
      await systemClock.sleep(waitMs, options.signal);
      options.signal?.throwIfAborted();
    }
  }
}

/** @throws as `ask` */
export async function askJson<T>(path: string, options: AskOptions = {}): Promise<T> {
  return (await (await ask(path, options)).json()) as T;
}

/** As `ask`, tried once. */
export async function askOnce(
  path: string,
  { method = "GET", body, headers, signal }: AskOptions,
): Promise<Response> {
  const all: Record<string, string> = { accept: "application/json", ...headers };
  if (token.value !== undefined) all["authorization"] = `Bearer ${token.value}`;
  const init: RequestInit = { method, headers: all, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    all["content-type"] ??= "application/json";
    init.body = JSON.stringify(body);
  }
  if (signal) init.signal = signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(0, "unreachable", "The server cannot be reached.", { cause: String(error) });
  }
  if (response.ok) return response;
  if (response.status === 401) forgetToken();
  throw await refusalOf(response);
}

async function refusalOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  let problem: Record<string, unknown> = {};
  try {
    problem = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // A proxy's page: the status says what can be said.
  }
  const code = typeof problem["code"] === "string" ? problem["code"] : `http ${response.status}`;
  const said = problem["detail"] ?? problem["title"];
  const message = typeof said === "string" ? said : `The server answered ${response.status}.`;
  return new ApiError(response.status, code, message, problem);
}
