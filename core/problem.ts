/** Errors over HTTP: RFC 9457 problem details, `application/problem+json`. */
import { errorAddress } from "./error-page.ts";
import { ERRORS, MuaraError, type ErrorCode } from "./errors.ts";

export const PROBLEM_TYPE = "application/problem+json";

export interface Problem {
  /** Address of the code's page (core/error-page.ts). */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly hint: string;
  readonly [extension: string]: unknown;
}

/** Turns any error into a problem; what is no MuaraError becomes `internal` and keeps its text to itself. */
export function toProblem(error: unknown): Problem {
  const known =
    error instanceof MuaraError ? error : new MuaraError("internal", "An unexpected error occurred.");
  return {
    ...known.details,
    type: errorAddress(known.code),
    title: titleOf(known.code),
    status: known.status,
    detail: known.message,
    code: known.code,
    hint: ERRORS[known.code].help,
  };
}

/** A complete HTTP answer for an error, with `Retry-After` (seconds) where trying again makes sense. */
export function problemResponse(error: unknown, retryAfterSeconds = 1): Response {
  const problem = toProblem(error);
  const headers = new Headers({ "content-type": PROBLEM_TYPE });
  const challenge = challengeOf(problem);
  if (challenge) headers.set("www-authenticate", challenge);
  if (ERRORS[problem.code].retryable) headers.set("retry-after", String(retryAfterSeconds));
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/** RFC 6750 §3: what is wrong with a token, and which scope it lacks; nothing where none was sent. */
export function challengeOf({ status, code, detail, scope }: Problem): string | undefined {
  const realm = 'Bearer realm="muara"';
  if (code === "auth.invalid")
    return `${realm}, error="invalid_token", error_description="${detail.replace(/[^\x20-\x7e]|["\\]/g, "'")}"`;
  if (code === "auth.forbidden" && typeof scope === "string")
    return `${realm}, error="insufficient_scope", scope="${scope}"`;
  return status === 401 ? realm : undefined;
}

function titleOf(code: ErrorCode): string {
  const words = code.replace(/[._]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
