/**
 * How everything goes, once a second while somebody looks: per event type the accounts that the books have, how far
 * landing is behind, and the last commit; the alerts that fire. Counted from what log and tables keep anyway.
 */
import { WATERMARK_TXN } from "../../core/landed.ts";
import type { Principal } from "../../core/authorize.ts";
import type { Rule } from "../../core/rule.ts";
import { mayReadWhole } from "../../lake/query/part.ts";
import { type PartitionAccount, partitionAccounts, totalAccount } from "../accounts.ts";
import { isoOrNull, type ApiPorts } from "../context.ts";
import { mayRead, stateOf } from "../rule-states.ts";
import { waitsSince } from "../table-freshness.ts";

/** Between two looks, ms. */
export const NOW_EVERY_MS = 1_000;
/** Rules change by their evaluations, which are seconds apart. */
const ALERTS_EVERY_MS = 5_000;
/** Over what rates are taken, ms. */
const RATE_MS = 5_000;
/** Types told of one by one; the others are in the sums. */
const TYPES_MAX = 100;
/** Rules whose state is read at a look, alerts told of. */
const RULES_MAX = 200;
const ALERTS_MAX = 50;

interface TypeState {
  readonly event_type: string;
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly balanced: boolean;
  readonly version: number;
  readonly committedMs: number | null;
  readonly watermarkMs: number | null;
  /** For so long the oldest accepted event that has not landed waits; 0 where there is none. */
  readonly lagMs: number;
}
type Counted = "accepted" | "landed" | "duplicates" | "dead_letters";
const COUNTED = ["accepted", "landed", "duplicates", "dead_letters"] as const;

interface Look {
  readonly atMs: number;
  readonly types: ReadonlyMap<string, TypeState>;
}

interface Firing {
  readonly rule: Rule;
  readonly alert: Readonly<Record<string, unknown>>;
}

export class NowChannel {
  readonly #ports: ApiPorts;
  #looks: Look[] = [];
  #firing: readonly Firing[] = [];
  #firingAtMs = -Infinity;
  /** By `TYPE/PARTITION`, where the record at the cursor waits: the log is asked once for each cursor. */
  readonly #waiting = new Map<string, { readonly cursor: number; readonly sinceMs: number }>();
  /** Grows with each look. */
  sequence = 0;

  constructor(ports: ApiPorts) {
    this.#ports = ports;
  }

  async look(): Promise<void> {
    const { clock } = this.#ports;
    const types = new Map<string, TypeState>();
    for (const { name, kind } of await this.#ports.catalog.list()) {
      if (kind !== "event_type") continue;
      const state = await this.#typeState(name);
      if (state) types.set(name, state);
    }
    const atMs = clock.monotonicMs();
    this.#looks = [
      ...this.#looks.filter((look) => atMs - look.atMs <= RATE_MS + NOW_EVERY_MS / 2),
      { atMs, types },
    ];
    if (atMs - this.#firingAtMs >= ALERTS_EVERY_MS) {
      this.#firingAtMs = atMs;
      this.#firing = await this.#alerts();
    }
    this.sequence++;
  }

  async #typeState(name: string): Promise<TypeState | undefined> {
    const { log, catalog } = this.#ports;
    const stream = await log.stream(name);
    if (!stream) return undefined;
    const snapshot = await catalog.snapshot(name);
    const partitions = await partitionAccounts(log, stream, snapshot);
    const total = totalAccount(partitions);
    const watermark = snapshot.txns.get(WATERMARK_TXN);
    return {
      event_type: name,
      accepted: total.accepted,
      landed: total.landed,
      duplicates: total.duplicates,
      dead_letters: total.deadLetters,
      in_flight: total.inFlight,
      balanced: total.isBalanced,
      version: snapshot.version,
      committedMs: snapshot.version < 0 ? null : snapshot.timestampMs,
      watermarkMs: watermark === undefined ? null : Number(watermark),
      lagMs: await this.#lagMs(name, partitions),
    };
  }

  async #lagMs(name: string, partitions: readonly PartitionAccount[]): Promise<number> {
    let oldestMs = Infinity;
    for (const { partition, cursor, endOffset } of partitions) {
      const place = `${name}/${partition}`;
      if (cursor >= endOffset) {
        this.#waiting.delete(place);
        continue;
      }
      let known = this.#waiting.get(place);
      if (known?.cursor !== cursor) {
        const sinceMs = await waitsSince(this.#ports.log, name, partition, cursor);
        // Of what the log has no more, nobody knows; where nothing is yet, something may come.
        if (typeof sinceMs !== "number") continue;
        known = { cursor, sinceMs };
        this.#waiting.set(place, known);
      }
      oldestMs = Math.min(oldestMs, known.sinceMs);
    }
    return oldestMs === Infinity ? 0 : Math.max(0, this.#ports.clock.nowMs() - oldestMs);
  }

  async #alerts(): Promise<readonly Firing[]> {
    const rules = this.#ports.registry.list<Rule>("rule").slice(0, RULES_MAX);
    const found = await Promise.all(
      rules.map(async ({ value: rule }): Promise<readonly Firing[]> => {
        if (!rule || rule.isPaused) return [];
        const state = await stateOf(this.#ports, rule).catch(() => undefined);
        const firing = (state?.alerts.alerts ?? []).filter(({ status }) => status === "firing");
        return firing.map(({ fingerprint, labels, annotations, value, startsAtMs }) => ({
          rule,
          alert: {
            rule: rule.name,
            fingerprint,
            labels,
            annotations,
            value,
            starts_at: isoOrNull(startsAtMs),
          },
        }));
      }),
    );
    return found.flat();
  }

  /** What one who asks may see of the last look: the value of `now` in the stream. */
  valueFor(principal: Principal): Readonly<Record<string, unknown>> {
    const last = this.#looks.at(-1);
    const first = this.#looks[0];
    const mine = [...(last?.types.values() ?? [])].filter(({ event_type: name }) =>
      mayReadWhole(principal, name),
    );
    const types = mine.map((state) => ({ state, rates: ratesOf(state, first, last) }));
    types.sort((a, b) => b.rates.accepted - a.rates.accepted || b.state.accepted - a.state.accepted);
    const alerts = this.#firing.filter(({ rule }) => mayRead(principal, rule));
    return {
      as_of: isoOrNull(this.#ports.clock.nowMs()),
      totals: totalOf(mine),
      rates: Object.fromEntries(COUNTED.map((name) => [name, sum(types, ({ rates }) => rates[name])])),
      lag_ms: Math.max(0, ...mine.map(({ lagMs }) => lagMs)),
      complete_through: isoOrNull(lowest(mine.map(({ watermarkMs }) => watermarkMs))),
      last_commit: lastCommit(mine),
      event_types: types.slice(0, TYPES_MAX).map(({ state, rates }) => shown(state, rates)),
      event_types_count: types.length,
      alerts: alerts.slice(0, ALERTS_MAX).map(({ alert }) => alert),
      alerts_count: alerts.length,
    };
  }
}

function ratesOf(state: TypeState, first: Look | undefined, last: Look | undefined): Record<Counted, number> {
  const before = first?.types.get(state.event_type);
  const seconds = first && last ? (last.atMs - first.atMs) / 1_000 : 0;
  const rate = (name: Counted): number =>
    before && seconds > 0 ? Math.round((Math.max(0, state[name] - before[name]) / seconds) * 10) / 10 : 0;
  return Object.fromEntries(COUNTED.map((name) => [name, rate(name)])) as Record<Counted, number>;
}

function shown(
  { committedMs, watermarkMs, lagMs, ...state }: TypeState,
  rates: Record<Counted, number>,
): unknown {
  return {
    ...state,
    rates,
    committed_at: isoOrNull(committedMs),
    complete_through: isoOrNull(watermarkMs),
    lag_ms: lagMs,
  };
}

function totalOf(types: readonly TypeState[]): Readonly<Record<string, unknown>> {
  return {
    accepted: sum(types, ({ accepted }) => accepted),
    landed: sum(types, ({ landed }) => landed),
    duplicates: sum(types, ({ duplicates }) => duplicates),
    dead_letters: sum(types, ({ dead_letters: dead }) => dead),
    in_flight: sum(types, ({ in_flight: inFlight }) => inFlight),
    balanced: types.every(({ balanced }) => balanced),
  };
}

function lastCommit(types: readonly TypeState[]): unknown {
  const newest = types.reduce<TypeState | undefined>(
    (best, one) => ((one.committedMs ?? -1) > (best?.committedMs ?? -1) ? one : best),
    undefined,
  );
  return newest && newest.committedMs !== null
    ? { table: newest.event_type, version: newest.version, at: isoOrNull(newest.committedMs) }
    : null;
}

function lowest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function sum<T>(items: readonly T[], pick: (item: T) => number): number {
  return Math.round(items.reduce((total, item) => total + pick(item), 0) * 10) / 10;
}
