/**
 * A refused request, counted, and for the audit log: only refusals of access, with nothing of the request's query or
 * body.
 */
import { type ErrorCode, MuaraError } from "./errors.ts";
import type { Measures } from "./measures.ts";
import type { Audit } from "./ports/audit.ts";

const PATH_LENGTH_MAX = 300;
const REFUSALS: ReadonlySet<ErrorCode> = new Set(["auth.missing", "auth.invalid", "auth.forbidden"]);

export function auditRefusal(
  { audit, measures }: { readonly audit?: Audit | undefined; readonly measures?: Measures | undefined },
  error: unknown,
  request: Request,
  about: { readonly user: string | undefined; readonly flowId: string },
): void {
  if (!(error instanceof MuaraError) || !REFUSALS.has(error.code)) return;
  measures?.count("muara_auth_refusals", { code: error.code });
  if (!audit) return;
  const path = new URL(request.url).pathname.slice(0, PATH_LENGTH_MAX);
  audit.refused({
    resource_type: "request",
    resource_id: `${request.method} ${path}`,
    user: about.user ?? "unknown",
    code: error.code,
    request_id: about.flowId,
  });
}
