/**
 * Who may do what: one function, deny by default. A principal is what a token stands for; a grant gives it one
 * right on a resource, by exact name or "*" for all of that kind. Beside grants there are two rules of Nakadi: a
 * resource with lists of its own (event types, subscriptions) gives its rights by them, and a token with scopes may do
 * nothing for which it lacks the scope (docs/decisions/036-security.md).
 *
 * A grant to read a table can be of a part: some columns, some rows. Such a grant is no right to the table as a
 * whole, so `isAuthorized` says no, and only who asks for the part (`readRight`) gets it: code that knows nothing of
 * parts hands out nothing. Of several parts a cell is there iff one of them gives both its row and its column
 * (docs/decisions/028-parts-of-tables.md).
 */
import { MuaraError } from "./errors.ts";

export type Action = "read" | "write" | "admin";
export type ResourceKind = "event_type" | "table" | "extract" | "share" | "capture" | "token" | "system";

export interface Resource {
  readonly kind: ResourceKind;
  readonly name: string;
  /**
   * Where a resource has lists, they decide: `admin` on it passes by grant as well, since somebody must be able to
   * repair them; `read` and `write` do not.
   */
  readonly lists?: AccessLists | undefined;
  /** Who has the right on all resources of the kind, whatever the lists of one say (Nakadi's administrators). */
  readonly general?: AccessLists | undefined;
}

/** Nakadi's `authorization` of a resource. An absent list names nobody. */
export interface AccessLists {
  readonly admins?: readonly AccessAttribute[];
  readonly readers?: readonly AccessAttribute[];
  readonly writers?: readonly AccessAttribute[];
}

/**
 * A principal by its id, whole as the value (`token:4f…`) or in its two parts (`token`, `4f…`); all holders of a
 * role (`role`, its name); everybody who has a token (`*`, `*`).
 */
export interface AccessAttribute {
  readonly data_type: string;
  readonly value: string;
}

export interface Grant extends ReadScope {
  readonly action: Action;
  readonly kind: ResourceKind | "*";
  readonly name: string;
}

/** A part of a table. Of a grant only where it is `read` on one `table` by name. */
export interface ReadScope {
  /** Those that exist for the holder, at least one, ignoring case; absent: all. */
  readonly columns?: readonly string[] | undefined;
  /** SQL condition over any of the table's columns, as lake/query/row-condition.ts takes it; absent: every row. */
  readonly rows?: string | undefined;
}

export interface ReadRight {
  /** Neither columns nor rows are held back. */
  readonly isWhole: boolean;
  /** At least one; `[{}]` where it is whole. A cell is there iff one scope gives both its row and its column. */
  readonly scopes: readonly ReadScope[];
}

export interface Principal {
  /** Stable and unique, e.g. the token's id. Appears in audit and error texts. */
  readonly id: string;
  readonly grants: readonly Grant[];
  /** Names of roles, whose grants are among `grants`. */
  readonly roles?: readonly string[] | undefined;
  /** What its token may be used for, as its issuer says; absent: everything. */
  readonly scopes?: readonly string[] | undefined;
  /** From then on it is nobody, ms since 1970 UTC; absent: somebody else knows. */
  readonly expiresMs?: number | undefined;
}

/**
 * `admin` on a resource includes `write` and `read` there; `write` and `read` include nothing else. A grant of a
 * part of a table is none on the table.
 */
export function isAuthorized(principal: Principal | undefined, action: Action, resource: Resource): boolean {
  if (!principal || !hasScope(principal, scopeFor(action, resource.kind))) return false;
  const { kind, name, lists, general } = resource;
  if (lists && isListed(principal, lists[LISTS[action]] ?? [])) return true;
  if (general && isListed(principal, general[LISTS[action]] ?? [])) return true;
  if (general && isListed(principal, general.admins ?? [])) return true;
  return principal.grants.some(
    (grant) => !isPart(grant) && gives(grant, lists ? "admin" : action) && isOn(grant, kind, name),
  );
}

const LISTS = { read: "readers", write: "writers", admin: "admins" } as const;

/** Whether one of the attributes means the principal. */
export function isListed({ id, roles }: Principal, attributes: readonly AccessAttribute[]): boolean {
  return attributes.some(
    ({ data_type: type, value }) =>
      (type === "*" && value === "*") ||
      value === id ||
      `${type}:${value}` === id ||
      (type === "role" && roles?.includes(value) === true),
  );
}

/** Nakadi's scope that an action takes of a token which has scopes. */
export function scopeFor(action: Action, kind: ResourceKind): string {
  if (action === "read") return "nakadi.event_stream.read";
  if (kind !== "event_type") return "nakadi.config.write";
  return action === "write" ? "nakadi.event_stream.write" : "nakadi.event_type.write";
}

export function hasScope({ scopes }: Principal, scope: string): boolean {
  return scopes === undefined || scopes.includes(scope);
}

/** @throws auth.missing without a principal, auth.forbidden without the grant */
export function authorize(principal: Principal | undefined, action: Action, resource: Resource): void {
  if (!principal) throw new MuaraError("auth.missing", "This address needs a token.");
  if (isAuthorized(principal, action, resource)) return;
  demandScope(principal, scopeFor(action, resource.kind));
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may not ${action} ${resource.kind} "${resource.name}".`,
  );
}

/** @throws auth.forbidden naming the scope that the token lacks */
export function demandScope(principal: Principal, scope: string): void {
  if (hasScope(principal, scope)) return;
  throw new MuaraError("auth.forbidden", `The token of ${principal.id} lacks the scope ${scope}.`, {
    details: { scope },
  });
}

/**
 * What of a table the principal may read. Parts that make one together are one: of the same rows the columns are
 * added up, of the same columns the rows.
 * @param tableName the table's own name, as declared @returns undefined for nothing at all
 */
export function readRight(principal: Principal | undefined, tableName: string): ReadRight | undefined {
  if (!principal || !hasScope(principal, scopeFor("read", "table"))) return undefined;
  if (isAuthorized(principal, "read", { kind: "table", name: tableName })) return WHOLE;
  const parts = principal.grants.filter(
    (grant) => isPart(grant) && grant.action === "read" && grant.kind === "table" && grant.name === tableName,
  );
  if (parts.length === 0) return undefined;
  const scopes = merged(merged(parts, "rows"), "columns");
  return scopes.every(isPart) ? { isWhole: false, scopes } : WHOLE;
}

/** Whether `holder` may hand the grant on: it takes `admin`, without which nobody gives rights away. */
export function mayGrant(holder: Principal, grant: Grant): boolean {
  return holder.grants.some(
    (held) =>
      held.action === "admin" &&
      (held.kind === "*" || held.kind === grant.kind) &&
      (held.name === "*" || held.name === grant.name),
  );
}

export const EVERYTHING: readonly Grant[] = [{ action: "admin", kind: "*", name: "*" }];

const WHOLE: ReadRight = { isWhole: true, scopes: [{}] };

function isPart({ columns, rows }: ReadScope): boolean {
  return columns !== undefined || rows !== undefined;
}

function gives(grant: Grant, action: Action): boolean {
  return grant.action === action || grant.action === "admin";
}

function isOn(grant: Grant, kind: ResourceKind, name: string): boolean {
  return (grant.kind === "*" || grant.kind === kind) && (grant.name === "*" || grant.name === name);
}

/** Scopes that agree in `same` become one, with the other added up. */
function merged(scopes: readonly ReadScope[], same: "rows" | "columns"): readonly ReadScope[] {
  const groups = new Map<string, ReadScope>();
  for (const scope of scopes) {
    const { rows } = scope;
    const columns = scope.columns && [...new Set(scope.columns.map((name) => name.toLowerCase()))].toSorted();
    const key = JSON.stringify((same === "rows" ? rows : columns) ?? null);
    const other = groups.get(key);
    if (!other) groups.set(key, { columns, rows });
    else if (same === "rows") groups.set(key, { rows, columns: eitherColumns(other.columns, columns) });
    else groups.set(key, { columns, rows: eitherRows(other.rows, rows) });
  }
  return [...groups.values()];
}

function eitherColumns(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
): readonly string[] | undefined {
  return a && b ? [...new Set([...a, ...b])].toSorted() : undefined;
}

function eitherRows(a: string | undefined, b: string | undefined): string | undefined {
  // On lines of their own: a condition may end in a comment.
  return a === undefined || b === undefined ? undefined : `(${a}\n) OR (${b}\n)`;
}
