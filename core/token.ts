/**
 * Bearer tokens: `muara_<id>_<secret>`, the secret 256 random bits. Only its SHA-256 is stored, in the registry;
 * the text is shown once. A hash without salt is enough, because the secret is not guessable. Other texts are for the
 * verifier of issuers' tokens, where there is one.
 */
import type { Grant, Principal } from "./authorize.ts";
import type { Clock } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import type { Bearer, BearerVerifier } from "./ports/bearer-verifier.ts";
import type { Registry } from "./registry.ts";
import { Roles } from "./role.ts";

const TOKEN = /^muara_([0-9a-f]{12})_([0-9A-Za-z_-]{43})$/;
const TOKEN_LENGTH_MAX = 256;
const CACHE_ENTRIES_MAX = 1_000;
const PRINCIPAL_PREFIX = "token:";

/** What the registry keeps of a token, under its id. */
export interface DeclaredToken {
  readonly id: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  readonly description: string;
  readonly grants: readonly Grant[];
  /** Names of roles, whose grants are added at each request; absent: none. */
  readonly roles?: readonly string[];
  readonly createdMs: number;
  /** null: never. */
  readonly expiresMs: number | null;
}

/** Creates a token. @returns its text, to be shown once, and what is stored */
export async function createToken(
  description: string,
  grants: readonly Grant[],
  createdMs: number,
  expiresMs: number | null,
  roles: readonly string[] = [],
): Promise<{ text: string; declared: DeclaredToken }> {
  const id = hex(crypto.getRandomValues(new Uint8Array(6)));
  const secret = base64Url(crypto.getRandomValues(new Uint8Array(32)));
  const declared = { id, hash: await sha256(secret), description, grants, roles, createdMs, expiresMs };
  return { text: `muara_${id}_${secret}`, declared };
}

/** Turns an Authorization header into a principal, against the registry's tokens. */
export class Authenticator {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #roles: Roles;
  /** Token text → the declaration that it matched; the hash is computed once per token, not per request. */
  readonly #known = new Map<string, DeclaredToken>();
  readonly #verifier: BearerVerifier | undefined;
  /** Principal → the last token of an issuer that was seen of it, for those that come back without a token. */
  readonly #bearers = new Map<string, Bearer>();

  constructor(
    registry: Registry,
    clock: Clock,
    roles: Roles = new Roles(registry),
    verifier?: BearerVerifier,
  ) {
    this.#registry = registry;
    this.#clock = clock;
    this.#roles = roles;
    this.#verifier = verifier;
  }

  /**
   * @throws auth.missing without a header, auth.invalid for a malformed, unknown, expired or revoked token
   * @throws auth.unavailable where an issuer's keys cannot be had
   */
  async authenticate(authorization: string | null | undefined): Promise<Principal> {
    if (!authorization) throw new MuaraError("auth.missing", "The request carries no token.");
    const [scheme, text = "", ...rest] = authorization.split(" ", 3);
    const isBearer = scheme?.toLowerCase() === "bearer" && rest.length === 0;
    const parts = isBearer && text.length <= TOKEN_LENGTH_MAX ? TOKEN.exec(text) : null;
    if (isBearer && !parts && this.#verifier) return this.#bearer(await this.#verifier.verify(text));
    if (!parts) throw new MuaraError("auth.invalid", "The Authorization header is not `Bearer muara_...`.");
    const declared = this.#registry.get<DeclaredToken>("token", parts[1]!)?.value;
    if (!declared || !(await this.#matches(text, parts[2]!, declared)))
      throw new MuaraError("auth.invalid", "The token is not known here.");
    return this.#principalOf(declared);
  }

  /**
   * The principal of a token that was authenticated before, as long as it is declared.
   * @param principalId as `authenticate` gave it out @throws auth.invalid for one that was revoked or has expired
   */
  recall(principalId: string): Principal {
    const bearer = this.#bearers.get(principalId);
    if (bearer) return this.#principalOfBearer(bearer);
    const id = principalId.startsWith(PRINCIPAL_PREFIX) ? principalId.slice(PRINCIPAL_PREFIX.length) : "";
    const declared = this.#registry.get<DeclaredToken>("token", id)?.value;
    if (!declared) throw new MuaraError("auth.invalid", "The token is not known here.");
    return this.#principalOf(declared);
  }

  /** The same principal with the rights of now. @throws auth.invalid */
  renew(principal: Principal): Principal {
    if (principal.id.startsWith(PRINCIPAL_PREFIX)) return this.recall(principal.id);
    this.#checkExpiry(principal.expiresMs ?? null);
    return { ...principal, grants: this.#roles.grantsOf(principal.roles ?? []) };
  }

  #bearer(bearer: Bearer): Principal {
    const principal = this.#principalOfBearer(bearer);
    if (this.#bearers.size >= CACHE_ENTRIES_MAX && !this.#bearers.has(principal.id)) this.#bearers.clear();
    this.#bearers.set(principal.id, bearer);
    return principal;
  }

  #principalOfBearer({ issuer, subject, roles, scopes, expiresMs }: Bearer): Principal {
    this.#checkExpiry(expiresMs);
    const id = `${issuer}:${subject}`;
    return { id, grants: this.#roles.grantsOf(roles), roles, scopes, expiresMs };
  }

  #checkExpiry(expiresMs: number | null): void {
    if (expiresMs !== null && expiresMs <= this.#clock.nowMs())
      throw new MuaraError("auth.invalid", "The token has expired.");
  }

  #principalOf({ id, grants, roles, expiresMs }: DeclaredToken): Principal {
    this.#checkExpiry(expiresMs);
    const all = [...grants, ...this.#roles.grantsOf(roles ?? [])];
    return { id: `${PRINCIPAL_PREFIX}${id}`, grants: all, ...(roles?.length ? { roles } : {}) };
  }

  async #matches(text: string, secret: string, declared: DeclaredToken): Promise<boolean> {
    if (this.#known.get(text) === declared) return true;
    if (!equalInConstantTime(await sha256(secret), declared.hash)) return false;
    if (this.#known.size >= CACHE_ENTRIES_MAX) this.#known.clear();
    this.#known.set(text, declared);
    return true;
  }
}

async function sha256(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function equalInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % Math.max(1, b.length));
  return difference === 0;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
