/**
 * The public keys of one issuer (RFC 7517), fetched by the guarded way out and kept. They are fetched again when they
 * are old, or when a token names a key that is not among them, which is how a rotation shows; but at most once per
 * cooldown, so that made-up key names cost the issuer nothing. While an issuer does not answer, old keys go on.
 */
import { createLocalJWKSet, errors, type CryptoKey, type JWK, type JWSHeaderParameters } from "jose";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { isSafeAddress, type Issuer } from "../../core/issuer.ts";
import type { Logger } from "../../core/logger.ts";
import type { Outgoing } from "../../core/ports/outgoing.ts";
import { strictObject } from "./strict-json.ts";

const MAX_AGE_MS = 600_000;
/** Without an answer keys are trusted this long. */
const STALE_MS = 24 * 3_600_000;
const COOLDOWN_MS = 30_000;
const FAILED_COOLDOWN_MS = 5_000;
const FETCH_MS = 5_000;
const ANSWER_BYTES = 262_144;
const KEYS_MAX = 100;

export interface KeySetServices {
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class KeySet {
  readonly #name: string;
  readonly #issuer: Issuer;
  readonly #services: KeySetServices;
  #find: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetchedMs = -Infinity;
  #notBeforeMs = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(name: string, issuer: Issuer, services: KeySetServices) {
    this.#name = name;
    this.#issuer = issuer;
    this.#services = services;
  }

  /** The key that a token's header asks for. @throws auth.unavailable, or jose's errors where there is none */
  async key(header: JWSHeaderParameters): Promise<CryptoKey> {
    const ageMs = this.#services.clock.monotonicMs() - this.#fetchedMs;
    if (!this.#find || ageMs > MAX_AGE_MS) await this.#refresh();
    const find = this.#current();
    try {
      return await find(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      if (this.#current() === find) throw error;
      return this.#current()(header);
    }
  }

  /** @throws auth.unavailable */
  #current(): ReturnType<typeof createLocalJWKSet> {
    const isFresh = this.#services.clock.monotonicMs() - this.#fetchedMs <= STALE_MS;
    if (this.#find && isFresh) return this.#find;
    throw new MuaraError("auth.unavailable", `The keys of the issuer "${this.#name}" cannot be had.`);
  }

  /** Whoever comes meanwhile waits for the same answer. Never throws: what is not there shows in `#current`. */
  #refresh(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    if (this.#services.clock.monotonicMs() < this.#notBeforeMs) return Promise.resolve();
    this.#fetching = this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { clock, logger } = this.#services;
    try {
      const keys = await this.#download();
      this.#find = createLocalJWKSet({ keys });
      this.#fetchedMs = clock.monotonicMs();
      this.#notBeforeMs = this.#fetchedMs + COOLDOWN_MS;
    } catch (error) {
      this.#notBeforeMs = clock.monotonicMs() + FAILED_COOLDOWN_MS;
      logger.warn("the keys of an issuer were not to be had", { issuer: this.#name, problem: String(error) });
    }
  }

  async #download(): Promise<JWK[]> {
    const { keys } = await this.#get(this.#issuer.jwks ?? (await this.#discovered()));
    if (!Array.isArray(keys) || keys.length > KEYS_MAX) throw new Error("the answer holds no list of keys");
    return keys.filter(isPublicKey);
  }

  /** OpenID Connect Discovery 1.0 §4: the document must name the very issuer that was asked. */
  async #discovered(): Promise<string> {
    const { issuer } = this.#issuer;
    const found = await this.#get(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    const address = found["jwks_uri"];
    if (found["issuer"] !== issuer) throw new Error("the discovery document is another issuer's");
    if (typeof address !== "string" || !isSafeAddress(address)) throw new Error("jwks_uri is not https");
    return address;
  }

  async #get(url: string): Promise<Readonly<Record<string, unknown>>> {
    const { status, body } = await this.#services.outgoing.send({
      method: "GET",
      url,
      headers: { accept: "application/json" },
      timeoutMs: FETCH_MS,
      answerBytes: ANSWER_BYTES,
    });
    const parsed = status === 200 ? strictObject(body) : undefined;
    if (parsed) return parsed;
    throw new Error(`the issuer answered ${status}${status === 200 ? " without a JSON object" : ""}`);
  }
}

/** Shared secrets have no place in a published set, and private keys are not to be kept. */
function isPublicKey(key: unknown): key is JWK {
  if (typeof key !== "object" || key === null) return false;
  const { kty, d } = key as Readonly<Record<string, unknown>>;
  return d === undefined && (kty === "RSA" || kty === "EC" || kty === "OKP");
}
