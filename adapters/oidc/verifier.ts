/**
 * Access tokens as signed JWTs (RFC 7519, RFC 8725 for what goes wrong with them). Cryptography is jose's. What a token
 * says about itself decides nothing: its algorithm must be one of the configuration, its key comes from the configured
 * issuer alone, and headers that bring or point to keys (`jwk`, `jku`, `x5c`, `x5u`) are refused before anything else.
 */
import { base64url, errors, jwtVerify } from "jose";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Issuer } from "../../core/issuer.ts";
import type { Bearer, BearerVerifier } from "../../core/ports/bearer-verifier.ts";
import { KeySet, type KeySetServices } from "./key-set.ts";
import { strictObject } from "./strict-json.ts";

/** Longer ones do not fit into a request's headers beside others anyway. */
const TOKEN_LENGTH_MAX = 8_192;
const SUBJECT = /^[^\p{Cc}\p{Zl}\p{Zp}]{1,255}$/u;
const KEY_NAME = /^[\x20-\x7e]{1,256}$/;
const TYPES = new Set(["jwt", "at+jwt", "application/at+jwt"]);
const FORBIDDEN_HEADERS = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"];
const SCOPES_MAX = 200;
/** A verified token is not verified again for so long, so that a key that was withdrawn stops counting. */
const KNOWN_MS = 60_000;
const KNOWN_MAX = 1_000;

type Json = Readonly<Record<string, unknown>>;

interface Known {
  readonly bearer: Bearer;
  readonly untilMs: number;
}

/** @param issuers by their names in the configuration */
export function createOidcVerifier(
  issuers: Readonly<Record<string, Issuer>>,
  services: KeySetServices,
): BearerVerifier {
  return new OidcVerifier(issuers, services);
}

class OidcVerifier implements BearerVerifier {
  readonly #clock: Clock;
  readonly #issuers: readonly { readonly name: string; readonly issuer: Issuer; readonly keys: KeySet }[];
  readonly #known = new Map<string, Known>();

  constructor(issuers: Readonly<Record<string, Issuer>>, services: KeySetServices) {
    this.#clock = services.clock;
    this.#issuers = Object.entries(issuers).map(([name, issuer]) => ({
      name,
      issuer,
      keys: new KeySet(name, issuer, services),
    }));
  }

  async verify(token: string): Promise<Bearer> {
    const known = this.#known.get(token);
    if (known && this.#clock.monotonicMs() < known.untilMs && this.#clock.nowMs() < known.bearer.expiresMs)
      return known.bearer;
    const claims = this.#precheck(token);
    const found = this.#issuers.find(({ issuer }) => issuer.issuer === claims["iss"]);
    if (!found) throw invalid("its issuer is not known here");
    const { name, issuer, keys } = found;
    const nowMs = this.#clock.nowMs();
    try {
      await jwtVerify(token, (header) => keys.key(header), {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: issuer.algorithms,
        clockTolerance: issuer.leewayMs / 1_000,
        currentDate: new Date(nowMs),
        requiredClaims: ["exp", issuer.principalClaim],
        ...(issuer.maxAgeMs === undefined ? {} : { maxTokenAge: issuer.maxAgeMs / 1_000 }),
      });
    } catch (error) {
      throw refusalOf(error);
    }
    const bearer = bearerOf(name, issuer, claims);
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(token, { bearer, untilMs: this.#clock.monotonicMs() + KNOWN_MS });
    return bearer;
  }

  /** What can be refused without a key. @returns claims that nobody has vouched for yet */
  #precheck(token: string): Json {
    if (token.length > TOKEN_LENGTH_MAX) throw invalid(`it is longer than ${TOKEN_LENGTH_MAX} bytes`);
    const parts = token.split(".");
    if (parts.length !== 3) throw invalid("it is not a signed JWT");
    const [header, claims] = parts.slice(0, 2).map((part) => decoded(part));
    if (!header || !claims) throw invalid("it is not a signed JWT, or has a member twice");
    const forbidden = FORBIDDEN_HEADERS.find((member) => Object.hasOwn(header, member));
    if (forbidden) throw invalid(`its header has "${forbidden}", which is not allowed`);
    const { alg, typ, kid } = header;
    const isAllowed = this.#issuers.some(({ issuer }) => issuer.algorithms.some((one) => one === alg));
    if (!isAllowed) throw invalid("its algorithm is not allowed");
    if (typ !== undefined && !(typeof typ === "string" && TYPES.has(typ.toLowerCase())))
      throw invalid("it is not an access token by its type");
    if (kid !== undefined && !(typeof kid === "string" && KEY_NAME.test(kid)))
      throw invalid("its key name is malformed");
    return claims;
  }
}

function decoded(part: string): Json | undefined {
  // The decoder takes more alphabets than one; a token has one form.
  if (!/^[\w-]+$/.test(part)) return undefined;
  try {
    return strictObject(base64url.decode(part));
  } catch {
    return undefined;
  }
}

/** @throws auth.invalid where a claim has another form than it should */
function bearerOf(name: string, issuer: Issuer, claims: Json): Bearer {
  const subject = claims[issuer.principalClaim];
  if (typeof subject !== "string" || !SUBJECT.test(subject)) throw invalid("it names nobody");
  const claimed = texts(claims[issuer.rolesClaim], false);
  const roles = ["*", ...claimed].flatMap((role) =>
    Object.hasOwn(issuer.roles, role) ? issuer.roles[role]! : [],
  );
  return {
    issuer: name,
    subject,
    scopes: issuer.scopesClaim === null ? undefined : texts(claims[issuer.scopesClaim], true),
    roles: [...new Set(roles)],
    expiresMs: (claims["exp"] as number) * 1_000 + issuer.leewayMs,
  };
}

/** A list of texts, or for scopes one text with spaces between (RFC 8693 §4.2). */
function texts(claim: unknown, isSplit: boolean): readonly string[] {
  if (claim === undefined || claim === null) return [];
  const list = typeof claim === "string" ? (isSplit ? claim.split(" ").filter(Boolean) : [claim]) : claim;
  if (!Array.isArray(list) || list.length > SCOPES_MAX || !list.every((one) => typeof one === "string"))
    throw invalid("its scopes or roles are malformed");
  return list;
}

const CLAIM_REASONS: Readonly<Record<string, string>> = {
  nbf: "it is not valid yet",
  iat: "its time of issue is missing or in the future",
  aud: "it is for another audience",
  iss: "its issuer is not known here",
  exp: "it has no time of expiry",
};

function refusalOf(error: unknown): Error {
  if (error instanceof MuaraError) return error;
  if (error instanceof errors.JWTExpired) return invalid("it has expired", error);
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalid(CLAIM_REASONS[error.claim] ?? "it lacks a claim, or has one of another form", error);
  if (error instanceof errors.JOSEAlgNotAllowed) return invalid("its algorithm is not allowed", error);
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return invalid("it is signed with no key of its issuer that is known here", error);
  if (error instanceof errors.JOSEError || error instanceof TypeError)
    return invalid("its signature does not hold", error);
  return error instanceof Error ? error : new Error(String(error));
}

function invalid(reason: string, cause?: unknown): MuaraError {
  return new MuaraError("auth.invalid", `The token is refused: ${reason}.`, { cause });
}
