/** A refused request, for the audit log: only refusals of access, with nothing of the request's query or body. */
import { type ErrorCode, MuaraError } from "./errors.ts";
import type { Audit } from "./ports/audit.ts";

const PATH_LENGTH_MAX = 300;
const REFUSALS: ReadonlySet<ErrorCode> = new Set(["auth.missing", "auth.invalid", "auth.forbidden"]);

export function auditRefusal(
  audit: Audit | undefined,
  error: unknown,
  request: Request,
  about: { readonly user: string | undefined; readonly flowId: string },
): void {
  if (!audit || !(error instanceof MuaraError) || !REFUSALS.has(error.code)) return;
  const path = new URL(request.url).pathname.slice(0, PATH_LENGTH_MAX);
  audit.refused({
    resource_type: "request",
    resource_id: `${request.method} ${path}`,
    user: about.user ?? "unknown",
    code: error.code,
    request_id: about.flowId,
  });
}
