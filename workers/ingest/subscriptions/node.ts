/**
 * The streams of subscriptions that are connected to this process: it takes them in and out of the topology, and keeps
 * them at what is declared, here or elsewhere. While there are none it does nothing.
 */
import { describeBug } from "../../../core/http.ts";
import type { StreamPorts } from "../streams/stream-host.ts";
import { giveUp } from "./give-up.ts";
import { Nodes } from "./nodes.ts";
import type { Session, SessionHost } from "./session.ts";
import type { Part, SubscriptionStore } from "./store.ts";
import { policyOf, type Subscription } from "./subscription.ts";
import { closing, joined, left, rebalanced, released, type Topology } from "./topology.ts";
import { failed, isGivenUp, type Uncommitted } from "./trials.ts";

/** How often a process with streams looks at what others declared, ms. */
const TICK_MS = 250;

export interface NodeOptions {
  /** After so long without a sign of life a process is dead, ms. */
  readonly deadMs: number;
  readonly isAlone: boolean;
}

type Parts = ReadonlyMap<string, Part>;

/** A subscription with streams here. */
interface Local {
  readonly sessions: Map<string, Session>;
  parts: Parts;
  /** Whether the topology may name streams that are over. */
  isUnsettled: boolean;
}

export class SubscriptionNode implements SessionHost {
  readonly #ports: StreamPorts;
  readonly #store: SubscriptionStore;
  readonly #nodes: Nodes;
  readonly #locals = new Map<string, Local>();
  readonly #work = new Set<Promise<unknown>>();
  #seenChanges = -1;
  #ticking: AbortController | undefined;

  constructor(ports: StreamPorts, store: SubscriptionStore, options: NodeOptions) {
    this.#ports = ports;
    this.#store = store;
    this.#nodes = new Nodes({ ...ports, ...options, id: ports.randomness.uuid() });
  }

  get id(): string {
    return this.#nodes.id;
  }

  /**
   * Gives a stream its place. What it has it gets by and by.
   * @param direct partitions that it asks for
   * @throws subscription.no_slot
   */
  async open(
    subscription: Subscription,
    session: Session,
    direct: readonly string[] | undefined,
  ): Promise<void> {
    const { id } = subscription;
    const local = this.#locals.get(id) ?? { sessions: new Map(), parts: new Map(), isUnsettled: false };
    this.#locals.set(id, local);
    local.sessions.set(session.id, session);
    try {
      await this.#store.registry.refresh();
      await this.#nodes.beat();
      await this.#nodes.bury();
      local.parts = await this.#partsOf(subscription);
      const keys = [...local.parts.keys()];
      const { epoch } = session.options;
      const entry = { node: this.id, epoch, ...(direct ? { direct } : {}) };
      await this.#store.changeTopology(id, (before) =>
        joined(this.#withoutDead(subscription, before, keys), session.id, entry, keys),
      );
      session.isJoined = true;
    } catch (error) {
      local.sessions.delete(session.id);
      throw error;
    } finally {
      this.#start();
    }
    this.notice(id);
  }

  /** Something of a subscription was declared: its streams here look at it. */
  notice(id: string): void {
    const local = this.#locals.get(id);
    if (!local) return;
    const subscription = this.#store.known(id);
    const cursors = subscription && this.#store.knownCursors(subscription);
    const topology = this.#store.topology(id);
    for (const session of local.sessions.values())
      if (!subscription || !cursors) session.end("The subscription was deleted");
      else session.reconcile(topology, cursors, local.parts);
  }

  /** Ends all streams. @returns when nothing is declared of them any more */
  async close(): Promise<void> {
    for (const local of this.#locals.values())
      for (const session of local.sessions.values()) session.end("The service is shutting down");
    while (this.#work.size > 0) await Promise.all(this.#work);
    this.#ticking?.abort();
    await this.#nodes.leave();
  }

  release(session: Session, keys: readonly string[], uncommitted: Uncommitted): void {
    this.#change(session.subscriptionId, (before, all) => {
      const after = released(before, session.id, keys, all);
      return failed(after, uncommitted, this.#policy(session.subscriptionId));
    });
  }

  closing(session: Session): void {
    this.#change(session.subscriptionId, (before, all) => closing(before, session.id, all));
  }

  left(session: Session, uncommitted: Uncommitted): void {
    const id = session.subscriptionId;
    this.#locals.get(id)?.sessions.delete(session.id);
    this.#change(id, (before, all) => {
      const after = left(before, (streamId) => streamId === session.id, all);
      return before.sessions[session.id] ? failed(after, uncommitted, this.#policy(id)) : after;
    });
  }

  failed(session: Session, error: unknown): void {
    this.#ports.logger.error("a partition could not be begun", { stream: session.id, ...describeBug(error) });
    session.end("The service has failed; see its log");
  }

  async prepare(session: Session, part: Part, position: number): Promise<number> {
    const subscription = this.#store.known(session.subscriptionId);
    const policy = this.#policy(session.subscriptionId);
    const trial = this.#store.topology(session.subscriptionId).trials[part.key];
    if (!subscription || !policy || !isGivenUp(trial, position, policy)) return position;
    return giveUp({ ...this.#ports, store: this.#store }, subscription, part, position, policy);
  }

  /** Up to this offset events of a partition are sent one at a time; -1: none. */
  singleUntil(id: string, key: string): number {
    const trial = this.#store.topology(id).trials[key];
    return trial?.isSingle ? trial.until : -1;
  }

  #policy(id: string): ReturnType<typeof policyOf> {
    return policyOf(this.#store.known(id)?.annotations ?? {});
  }

  #change(id: string, changed: (before: Topology, keys: readonly string[]) => Topology): void {
    const keys = (): readonly string[] => [...(this.#locals.get(id)?.parts.keys() ?? [])];
    const work = this.#store
      .changeTopology(id, (before) => changed(before, keys()))
      .then(() => this.notice(id))
      .catch((error: unknown) => {
        const local = this.#locals.get(id);
        if (local) local.isUnsettled = true;
        this.#ports.logger.warn("streams of a subscription could not be declared", {
          subscription: id,
          error,
        });
      })
      .finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  /**
   * Takes out what is over: streams of dead processes, of this one that it does not know, and of before a reset; and
   * marks those whose clients have gone, should that not have been declared yet.
   */
  #withoutDead(subscription: Subscription, before: Topology, keys: readonly string[]): Topology {
    const sessions = this.#locals.get(subscription.id)?.sessions;
    const epoch = this.#store.knownCursors(subscription)?.epoch ?? 0;
    const isGone = (streamId: string, entry: Topology["sessions"][string]): boolean =>
      entry.epoch < epoch ||
      (entry.node === this.id ? sessions?.has(streamId) !== true : !this.#nodes.isAlive(entry.node));
    let after = left(before, isGone, keys);
    for (const session of sessions?.values() ?? [])
      if (session.isClosing) after = closing(after, session.id, keys);
    return after;
  }

  async #partsOf(subscription: Subscription): Promise<Parts> {
    const parts = await this.#store.parts(subscription);
    return new Map(parts.map((part) => [part.key, part]));
  }

  #start(): void {
    if (this.#ticking || this.#locals.size === 0) return;
    this.#ticking = new AbortController();
    void this.#run(this.#ticking.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let isFailing = false;
    while (!signal.aborted && this.#locals.size > 0) {
      try {
        await this.#tick();
        isFailing = false;
      } catch (error) {
        if (!isFailing) this.#ports.logger.warn("streams of subscriptions go on as they are", { error });
        isFailing = true;
      }
      for (const [id, { sessions }] of this.#locals)
        for (const session of sessions.values()) session.checkTime(this.#store.topology(id));
      await this.#ports.clock.sleep(TICK_MS, signal);
    }
    this.#ticking = undefined;
    if (signal.aborted) return;
    const work = this.#nodes.leave().catch(() => undefined);
    this.#work.add(work);
    await work.finally(() => this.#work.delete(work));
  }

  async #tick(): Promise<void> {
    const { registry } = this.#store;
    await registry.refresh();
    const isAlive = await this.#nodes.beat();
    if (!isAlive) await this.#nodes.beat();
    const hasBuried = await this.#nodes.bury();
    const isChanged = registry.changeCount !== this.#seenChanges;
    this.#seenChanges = registry.changeCount;
    for (const [id, local] of this.#locals) {
      if (isChanged || hasBuried || local.isUnsettled) await this.#settle(id, local);
      if (local.sessions.size === 0 && !local.isUnsettled && this.#work.size === 0) this.#locals.delete(id);
    }
  }

  async #settle(id: string, local: Local): Promise<void> {
    const subscription = this.#store.known(id);
    if (!subscription) {
      local.isUnsettled = false;
      return this.notice(id);
    }
    const parts = await this.#partsOf(subscription).catch(() => local.parts);
    local.parts = parts;
    const keys = [...parts.keys()];
    await this.#store.changeTopology(id, (before) =>
      rebalanced(this.#withoutDead(subscription, before, keys), keys),
    );
    local.isUnsettled = false;
    this.notice(id);
  }
}
