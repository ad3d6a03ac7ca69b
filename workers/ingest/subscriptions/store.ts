/**
 * Subscriptions as declarations in the registry, so that they survive restarts and every process has them: the
 * subscription itself, its committed cursors, and its topology. Each is replaced as a whole by compare-and-set.
 */
import { type Clock, type Randomness } from "../../../core/clock.ts";
import { hasCode, MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { Registry } from "../../../core/registry.ts";
import { parseOffset } from "../cursors/offset-text.ts";
import { Partitions } from "../cursors/partitions.ts";
import { findEventType, KIND } from "../declaration.ts";
import { feedKey } from "../streams/partition-feed.ts";
import {
  ALL_TYPES,
  invalidSubscription,
  type Subscription,
  subscriptionId,
  type SubscriptionInput,
} from "./subscription.ts";
import { EMPTY_TOPOLOGY, type Topology } from "./topology.ts";

export const SUBSCRIPTION = "subscription";
const CURSORS = "subscription-cursors";
const TOPOLOGY = "subscription-topology";
/** Of several who change one thing at once, each change makes the others try again. */
const ATTEMPTS_MAX = 64;
/** How long the number of an event type's partitions is believed, ms. */
const COUNT_MS = 10_000;

export interface Cursors {
  /** Of the subscription that they belong to: one of the same id may have been deleted. */
  readonly incarnation: string;
  /** Grows with every reset. */
  readonly epoch: number;
  /** By event type and partition: the offset that is read next. A partition that is not there: its first. */
  readonly positions: Readonly<Record<string, readonly number[]>>;
}

export interface StorePorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** One partition of a subscription. */
export interface Part {
  readonly key: string;
  readonly type: EventType;
  readonly partition: number;
}

export class SubscriptionStore {
  readonly #ports: StorePorts;
  readonly #partitionsMax: number;
  readonly #counts = new Map<string, { readonly count: number; readonly sinceMs: number }>();

  constructor(ports: StorePorts, partitionsMax: number) {
    this.#ports = ports;
    this.#partitionsMax = partitionsMax;
  }

  get registry(): Registry {
    return this.#ports.registry;
  }

  /** @returns what is there already, where it is @throws subscription.invalid, cursor.invalid */
  async create(
    input: SubscriptionInput,
    createdBy: string,
  ): Promise<{ readonly subscription: Subscription; readonly isNew: boolean }> {
    const { log, registry, clock, randomness } = this.#ports;
    const id = await subscriptionId(log.id, input);
    for (let attempt = 1; ; attempt++) {
      await registry.refresh();
      const known = registry.get<Subscription>(SUBSCRIPTION, id)?.value;
      if (known) return { subscription: known, isNew: false };
      const now = new Date(clock.nowMs()).toISOString();
      const subscription: Subscription = {
        ...input,
        id,
        authorization: input.authorization ?? null,
        annotations: input.annotations ?? {},
        labels: input.labels ?? {},
        created_at: now,
        updated_at: now,
        created_by: createdBy,
        incarnation: randomness.uuid(),
      };
      const positions = await this.#firstPositions(subscription);
      try {
        await registry.put<Subscription>(SUBSCRIPTION, id, 0, subscription, createdBy);
        await this.#putCursors(id, { incarnation: subscription.incarnation, epoch: 0, positions });
        return { subscription, isNew: true };
      } catch (error) {
        if (!hasCode(error, "declaration.conflict") || attempt === ATTEMPTS_MAX) throw error;
      }
    }
  }

  /** @throws subscription.not_found */
  async get(id: string): Promise<Subscription> {
    const { registry } = this.#ports;
    const known = registry.get<Subscription>(SUBSCRIPTION, id)?.value;
    if (known) return known;
    await registry.refresh();
    const found = this.known(id);
    if (found) return found;
    throw new MuaraError("subscription.not_found", "No such subscription is declared.");
  }

  /** As far as this process knows. */
  known(id: string): Subscription | undefined {
    return this.#ports.registry.get<Subscription>(SUBSCRIPTION, id)?.value ?? undefined;
  }

  /** Newest first. */
  async list(): Promise<readonly Subscription[]> {
    const { registry } = this.#ports;
    await registry.refresh();
    const all = registry.list<Subscription>(SUBSCRIPTION).map(({ value }) => value!);
    return all.sort((a, b) => (a.created_at === b.created_at ? 0 : a.created_at < b.created_at ? 1 : -1));
  }

  async change(
    id: string,
    changed: (before: Subscription) => Subscription,
    by: string,
  ): Promise<Subscription> {
    return this.#retry(async () => {
      const declared = this.#ports.registry.get<Subscription>(SUBSCRIPTION, id);
      if (!declared?.value)
        throw new MuaraError("subscription.not_found", "No such subscription is declared.");
      const after = changed(declared.value);
      await this.#ports.registry.put(SUBSCRIPTION, id, declared.revision, after, by);
      return after;
    });
  }

  async remove(id: string, by: string): Promise<void> {
    const { registry } = this.#ports;
    for (const kind of [SUBSCRIPTION, TOPOLOGY, CURSORS] as const)
      await this.#retry(async () => {
        const declared = registry.get(kind, id);
        if (declared) await registry.put(kind, id, declared.revision, null, by);
      });
  }

  /** Where it is read, made where it is missing. */
  async cursors(subscription: Subscription): Promise<Cursors> {
    const known = this.knownCursors(subscription);
    if (known) return known;
    const positions = await this.#firstPositions(subscription);
    const { incarnation } = subscription;
    await this.#putCursors(subscription.id, { incarnation, epoch: 0, positions });
    return this.knownCursors(subscription) ?? { incarnation, epoch: 0, positions };
  }

  /** As far as this process knows. */
  knownCursors({ id, incarnation }: Subscription): Cursors | undefined {
    const cursors = this.#ports.registry.get<Cursors>(CURSORS, id)?.value ?? undefined;
    return cursors?.incarnation === incarnation ? cursors : undefined;
  }

  /**
   * Replaces the cursors.
   * @param changed undefined: they stay; asked again when somebody else was first
   */
  async changeCursors(
    subscription: Subscription,
    changed: (before: Cursors) => Cursors | undefined,
  ): Promise<Cursors> {
    return this.#retry(async () => {
      const { registry } = this.#ports;
      const before = await this.cursors(subscription);
      const revision = registry.get(CURSORS, subscription.id)?.revision ?? 0;
      const after = changed(before);
      if (!after) return before;
      await registry.put(CURSORS, subscription.id, revision, after);
      return after;
    });
  }

  topology(id: string): Topology {
    return this.#ports.registry.get<Topology>(TOPOLOGY, id)?.value ?? EMPTY_TOPOLOGY;
  }

  /** Replaces the topology; `changed` is asked again when somebody else was first. */
  async changeTopology(id: string, changed: (before: Topology) => Topology | undefined): Promise<Topology> {
    return this.#retry(async () => {
      const { registry } = this.#ports;
      const declared = registry.get<Topology>(TOPOLOGY, id);
      const before = declared?.value ?? EMPTY_TOPOLOGY;
      const after = changed(before);
      if (!after || JSON.stringify(after) === JSON.stringify(before)) return before;
      await registry.put(TOPOLOGY, id, declared?.revision ?? 0, after);
      return after;
    });
  }

  /** Every partition that it has now. @throws subscription.invalid where an event type is not there */
  async parts(subscription: Subscription): Promise<readonly Part[]> {
    const parts: Part[] = [];
    for (const type of await this.#types(subscription)) {
      const count = await this.#count(type);
      for (let partition = 0; partition < count; partition++)
        parts.push({ key: feedKey(type.name, partition), type, partition });
    }
    return parts;
  }

  async #types({ event_types: names }: Pick<Subscription, "event_types">): Promise<readonly EventType[]> {
    const { registry } = this.#ports;
    if (names[0] === ALL_TYPES) return registry.list<EventType>(KIND).map(({ value }) => value!);
    const found = await Promise.all(names.map((name) => findEventType(registry, name)));
    return found.map((declared, i) => {
      if (declared?.value) return declared.value;
      throw invalidSubscription("event_types", `there is no "${names[i]!.slice(0, 255)}"`);
    });
  }

  async #count(type: EventType): Promise<number> {
    const nowMs = this.#ports.clock.monotonicMs();
    const known = this.#counts.get(type.name);
    if (known && nowMs - known.sinceMs < COUNT_MS) return known.count;
    const { count } = await Partitions.of(this.#ports.log, type);
    this.#counts.set(type.name, { count, sinceMs: nowMs });
    return count;
  }

  /** @throws subscription.invalid, cursor.invalid */
  async #firstPositions(
    subscription: Pick<Subscription, "event_types" | "read_from" | "initial_cursors">,
  ): Promise<Cursors["positions"]> {
    const types = await this.#types(subscription);
    const isAll = subscription.event_types[0] === ALL_TYPES;
    const { read_from: from, initial_cursors: initial } = subscription;
    let partitions = 0;
    const positions: Record<string, readonly number[]> = {};
    for (const type of types) {
      const parts = await Partitions.of(this.#ports.log, type);
      partitions += parts.count;
      if (partitions > this.#partitionsMax && !isAll)
        throw invalidSubscription("event_types", `have more than ${this.#partitionsMax} partitions`);
      const starts = Array.from({ length: parts.count }, async (_, partition) => {
        const { startOffset, endOffset } = await parts.bounds(partition);
        if (from === "begin") return startOffset;
        if (from === "end") return endOffset;
        const given = initial.filter(
          (one) => one.event_type === type.name && one.partition === String(partition),
        );
        if (given.length !== 1)
          throw invalidSubscription("initial_cursors", "must have each partition exactly once");
        const offset = parseOffset(given[0]!.offset, startOffset);
        if (offset === undefined || offset < startOffset - 1 || offset >= endOffset)
          throw invalidSubscription("initial_cursors", `an offset of ${type.name} cannot be read`);
        return offset + 1;
      });
      positions[type.name] = await Promise.all(starts);
    }
    if (from === "cursors" && initial.length !== partitions)
      throw invalidSubscription("initial_cursors", "must have each partition exactly once, and no others");
    return positions;
  }

  async #putCursors(id: string, cursors: Cursors): Promise<void> {
    await this.#retry(async () => {
      const declared = this.#ports.registry.get<Cursors>(CURSORS, id);
      if (declared?.value?.incarnation === cursors.incarnation) return;
      await this.#ports.registry.put(CURSORS, id, declared?.revision ?? 0, cursors);
    });
  }

  /** @throws subscription.busy where others come first time and again */
  async #retry<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (let n = 1; ; n++)
      try {
        return await attempt();
      } catch (cause) {
        if (!hasCode(cause, "declaration.conflict")) throw cause;
        if (n === ATTEMPTS_MAX)
          throw new MuaraError("subscription.busy", "Too many change it at once.", { cause });
        await this.#ports.registry.refresh();
      }
  }
}
