/**
 * How much a principal may publish: events and bytes per second, as allowances that refill and hold a burst's worth. A
 * request is charged as a whole, never event by event, and may overdraw: what it costs is known only once it is read,
 * so it is admitted while there is anything left, and whoever comes next waits until the debt is paid. In the long run
 * the rate holds exactly. Each process counts for itself.
 *
 * Of several rates a principal has the one of its own; without one the largest of its roles'; else the general one.
 * Headers follow draft-ietf-httpapi-ratelimit-headers (`RateLimit-Policy`, `RateLimit`).
 */
import type { Principal } from "./authorize.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import { MuaraError } from "./errors.ts";

const PRINCIPALS_MAX = 10_000;

export type QuotaConfig = Config["quotas"];
type Rates = QuotaConfig["principals"][string];
const KINDS = ["events", "bytes"] as const;
type Kind = (typeof KINDS)[number];
const KEYS = { events: "eventsPerSecond", bytes: "bytesPerSecond" } as const;

export class Quotas {
  readonly #config: QuotaConfig;
  readonly #clock: Clock;
  /** By principal and its rates, the longest unused first. */
  readonly #known = new Map<string, Quota>();

  constructor(config: QuotaConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** @returns undefined where nothing is limited */
  of(principal: Principal): Quota | undefined {
    const rates = this.#rates(principal);
    if (rates.events === undefined && rates.bytes === undefined) return undefined;
    const key = `${principal.id} ${rates.events} ${rates.bytes}`;
    const quota = this.#known.get(key) ?? new Quota(rates, this.#config.burstMs, this.#clock);
    this.#known.delete(key);
    this.#known.set(key, quota);
    if (this.#known.size > PRINCIPALS_MAX) this.#known.delete(this.#known.keys().next().value!);
    return quota;
  }

  /** Streams at a time; undefined: as many as everybody. */
  streamsOf(principal: Principal): number | undefined {
    return this.#rate(principal, "streams");
  }

  #rates(principal: Principal): Record<Kind, number | undefined> {
    return { events: this.#rate(principal, KEYS.events), bytes: this.#rate(principal, KEYS.bytes) };
  }

  #rate({ id, roles = [] }: Principal, key: keyof Rates): number | undefined {
    const { principals, roles: ofRoles } = this.#config;
    const own = Object.hasOwn(principals, id) ? principals[id]![key] : undefined;
    if (own !== undefined) return own;
    const given = roles.flatMap((role) => (Object.hasOwn(ofRoles, role) ? (ofRoles[role]![key] ?? []) : []));
    if (given.length > 0) return Math.max(...given);
    return key === "streams" ? undefined : this.#config[key];
  }
}

/** Charges one request. */
export interface Meter {
  /** Of one part of the request. */
  events(count: number): void;
  /** Once: of the whole body. */
  bytes(length: number): void;
}

/** What one principal has left. */
export class Quota {
  readonly #allowances: ReadonlyMap<Kind, Allowance>;

  constructor(rates: Readonly<Record<Kind, number | undefined>>, burstMs: number, clock: Clock) {
    this.#allowances = new Map(
      KINDS.flatMap((kind) =>
        rates[kind] === undefined ? [] : [[kind, new Allowance(rates[kind], burstMs, clock)]],
      ),
    );
  }

  /**
   * Lets a request in and charges what is known of it: one event, and the bytes that it announces. The rest is charged
   * as it becomes known.
   * @throws quota.exceeded, and then nothing is charged
   */
  admit(announcedBytes: number): Meter {
    for (const [kind, allowance] of this.#allowances)
      if (allowance.level < 1) throw exceeded(kind, allowance);
    const [events, bytes] = [this.#allowances.get("events"), this.#allowances.get("bytes")];
    events?.take(1);
    bytes?.take(announcedBytes);
    let prepaid = 1;
    return {
      events: (count) => {
        events?.take(count - Math.min(prepaid, count));
        prepaid -= Math.min(prepaid, count);
      },
      bytes: (length) => bytes?.take(Math.max(0, length - announcedBytes)),
    };
  }

  headers(): Record<string, string> {
    const allowances = [...this.#allowances];
    return {
      "ratelimit-policy": allowances.map(([kind, allowance]) => policyOf(kind, allowance)).join(", "),
      ratelimit: allowances
        .map(
          ([kind, { level, fullInMs }]) =>
            `"${kind}";r=${Math.max(0, Math.floor(level))};t=${seconds(fullInMs)}`,
        )
        .join(", "),
    };
  }
}

class Allowance {
  readonly rate: number; // per second
  readonly capacity: number;
  readonly burstMs: number;
  readonly #clock: Clock;
  /** In thousandths, so that whole milliseconds give whole numbers, and a wait is what was promised. */
  #thousandths: number;
  #atMs: number;

  constructor(rate: number, burstMs: number, clock: Clock) {
    this.rate = rate;
    this.burstMs = burstMs;
    // Below one nothing would ever be let in.
    this.capacity = Math.max(1, (rate * burstMs) / 1_000);
    this.#clock = clock;
    this.#thousandths = this.capacity * 1_000;
    this.#atMs = clock.monotonicMs();
  }

  /** What is left now; negative: owed. */
  get level(): number {
    const nowMs = this.#clock.monotonicMs();
    const grown = this.#thousandths + (nowMs - this.#atMs) * this.rate;
    this.#thousandths = Math.min(this.capacity * 1_000, grown);
    this.#atMs = nowMs;
    return this.#thousandths / 1_000;
  }

  /** Until somebody is let in again, ms. */
  get openInMs(): number {
    return Math.max(0, (1_000 - this.level * 1_000) / this.rate);
  }

  get fullInMs(): number {
    return ((this.capacity - this.level) * 1_000) / this.rate;
  }

  take(amount: number): void {
    this.#thousandths -= amount * 1_000;
  }
}

function policyOf(kind: Kind, { capacity, burstMs }: Allowance): string {
  return `"${kind}";q=${Math.floor(capacity)};w=${seconds(burstMs)}`;
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

function exceeded(kind: Kind, allowance: Allowance): MuaraError {
  const waitMs = Math.ceil(allowance.openInMs);
  return new MuaraError("quota.exceeded", `More than ${allowance.rate} ${kind} per second were published.`, {
    details: {
      quota: kind,
      limit: allowance.rate,
      wait_ms: waitMs,
      policy: policyOf(kind, allowance),
      left: `"${kind}";r=0;t=${seconds(waitMs)}`,
    },
  });
}
