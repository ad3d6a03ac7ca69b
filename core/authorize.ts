/**
 * Who may do what: one function, deny by default. A principal is what a token stands for; a grant gives it one
 * right on a resource, by exact name or "*" for all of that kind.
 */
import { MuaraError } from "./errors.ts";

export type Action = "read" | "write" | "admin";
export type ResourceKind = "event_type" | "table" | "extract" | "token" | "system";

export interface Resource {
  readonly kind: ResourceKind;
  readonly name: string;
}

export interface Grant {
  readonly action: Action;
  readonly kind: ResourceKind | "*";
  readonly name: string;
}

export interface Principal {
  /** Stable and unique, e.g. the token's id. Appears in audit and error texts. */
  readonly id: string;
  readonly grants: readonly Grant[];
}

/** `admin` on a resource includes `write` and `read` there; `write` and `read` include nothing else. */
export function isAuthorized(principal: Principal | undefined, action: Action, resource: Resource): boolean {
  if (!principal) return false;
  return principal.grants.some(
    (grant) =>
      (grant.action === action || grant.action === "admin") &&
      (grant.kind === "*" || grant.kind === resource.kind) &&
      (grant.name === "*" || grant.name === resource.name),
  );
}

/** @throws auth.missing without a principal, auth.forbidden without the grant */
export function authorize(principal: Principal | undefined, action: Action, resource: Resource): void {
  if (!principal) throw new MuaraError("auth.missing", "This address needs a token.");
  if (isAuthorized(principal, action, resource)) return;
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may not ${action} ${resource.kind} "${resource.name}".`,
  );
}

export const EVERYTHING: readonly Grant[] = [{ action: "admin", kind: "*", name: "*" }];
