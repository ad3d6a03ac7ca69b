/**
 * One stream of a subscription, on the process that its client is connected to. It does what the topology says: begins
 * with the partitions that it has got, leaves those that it shall, and tells when it has left. What its client commits,
 * here or at another process, it sees in the cursors.
 */
import type { Clock } from "../../../core/clock.ts";
import type { EventStream } from "../streams/event-stream.ts";
import type { SubscriptionRules } from "../streams/stream-parameters.ts";
import type { Cursors, Part } from "./store.ts";
import type { Topology } from "./topology.ts";
import { Tracked } from "./tracked.ts";
import type { Uncommitted } from "./trials.ts";

/** What the session asks of its process. */
export interface SessionHost {
  /** Partitions that it has left. */
  release(session: Session, keys: readonly string[], uncommitted: Uncommitted): void;
  /** It sends no more, and waits for commits. */
  closing(session: Session): void;
  /** It is over. */
  left(session: Session, uncommitted: Uncommitted): void;
  /** Before a partition is begun: what is given up comes behind. @returns the offset to begin with */
  prepare(session: Session, part: Part, position: number): Promise<number>;
  failed(session: Session, error: unknown): void;
}

export interface SessionOptions {
  readonly id: string;
  readonly subscriptionId: string;
  readonly epoch: number;
  readonly rules: SubscriptionRules;
  readonly clock: Clock;
  readonly host: SessionHost;
}

type State = "open" | "closing" | "over";

export class Session {
  readonly options: SessionOptions;
  stream: EventStream | undefined;
  /** Whether the topology has had it. */
  isJoined = false;
  readonly #tracked = new Map<string, Tracked>();
  /** Partitions that are being begun or left right now. */
  readonly #busy = new Set<string>();
  #state: State = "open";

  constructor(options: SessionOptions) {
    this.options = options;
  }

  get id(): string {
    return this.options.id;
  }

  get subscriptionId(): string {
    return this.options.subscriptionId;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  get isClosing(): boolean {
    return this.#state === "closing";
  }

  /**
   * How many more events of a partition may be sent now.
   * @param singleUntil up to this offset they go one at a time, each after the commit of the one before; -1: none
   */
  allowance(key: string, singleUntil: number): number {
    let uncommitted = 0;
    for (const one of this.#tracked.values()) uncommitted += one.uncommitted;
    const left = this.options.rules.uncommittedMax - uncommitted;
    const own = this.#tracked.get(key);
    if (!own || own.committed > singleUntil) return left;
    return own.uncommitted === 0 ? Math.min(1, left) : 0;
  }

  sent(key: string, events: number, lastOffset: number): void {
    this.#tracked.get(key)?.sent(events, lastOffset, this.options.clock.monotonicMs());
  }

  /** Does what is declared now. */
  reconcile(topology: Topology, cursors: Cursors, parts: ReadonlyMap<string, Part>): void {
    if (this.isOver || !this.isJoined) return;
    const entry = topology.sessions[this.id];
    if (!entry || cursors.epoch !== this.options.epoch) {
      const isReset = cursors.epoch !== this.options.epoch;
      this.end(isReset ? "The cursors were reset" : "The stream was taken for dead by another process");
      return;
    }
    for (const [key, part] of parts) {
      const held = topology.held[key];
      const position = cursors.positions[part.type.name]?.[part.partition] ?? 0;
      if (held?.by !== this.id) this.#drop(key);
      else if (!this.#tracked.has(key)) {
        if (!held.isLeaving && this.#state === "open") void this.#begin(part, position);
        else if (held.isLeaving && !this.#busy.has(key)) this.#release(key);
      } else {
        if (this.#tracked.get(key)!.commit(position, this.options.clock.monotonicMs())) this.stream?.wake();
        if (held.isLeaving) this.stream?.remove(key);
        else if (this.#state === "open" && !this.stream?.feed(key)) void this.#resume(part);
        if (held.isLeaving && this.#tracked.get(key)!.uncommitted === 0) this.#release(key);
      }
    }
    if (this.#state === "closing" && this.#isCommitted()) this.#leave();
  }

  /** Ends what waits too long for a commit. */
  checkTime(topology: Topology): void {
    if (this.isOver) return;
    const nowMs = this.options.clock.monotonicMs();
    for (const [key, tracked] of this.#tracked) {
      if (tracked.waitedMs(nowMs) < this.options.rules.commitMs) continue;
      if (this.#state === "closing") return this.#leave();
      if (!topology.held[key]?.isLeaving) return this.end("Commit timeout reached");
      this.#release(key);
    }
  }

  /** Its answer is over: nothing more can be sent, but commits may still come. */
  answered(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    if (this.#isCommitted()) this.#leave();
    else this.options.host.closing(this);
  }

  /** Ends it at once, whatever is not committed. */
  end(reason: string): void {
    if (this.isOver) return;
    this.stream?.close(reason);
    this.#leave();
  }

  async #begin(part: Part, position: number): Promise<void> {
    const { host } = this.options;
    if (this.#busy.has(part.key)) return;
    this.#busy.add(part.key);
    try {
      const from = await host.prepare(this, part, position);
      if (this.#state !== "open") return;
      this.#tracked.set(part.key, new Tracked(part.key, from));
      await this.#read(part, from);
    } catch (error) {
      host.failed(this, error);
    } finally {
      this.#busy.delete(part.key);
    }
  }

  /** A partition that it was told to leave and may keep after all. */
  async #resume(part: Part): Promise<void> {
    if (this.#busy.has(part.key)) return;
    this.#busy.add(part.key);
    try {
      await this.#read(part, this.#tracked.get(part.key)!.lastSent + 1);
    } catch (error) {
      this.options.host.failed(this, error);
    } finally {
      this.#busy.delete(part.key);
    }
  }

  async #read({ key, type, partition }: Part, next: number): Promise<void> {
    await this.stream?.add({ type, partition, next, cursorToken: this.id });
    // It may have been lost meanwhile.
    if (!this.#tracked.has(key)) this.stream?.remove(key);
  }

  #drop(key: string): void {
    if (!this.#tracked.delete(key)) return;
    this.stream?.remove(key);
  }

  #release(key: string): void {
    const uncommitted = this.#uncommitted([key]);
    this.#drop(key);
    this.options.host.release(this, [key], uncommitted);
  }

  #leave(): void {
    this.#state = "over";
    this.options.host.left(this, this.#uncommitted([...this.#tracked.keys()]));
  }

  #uncommitted(keys: readonly string[]): Uncommitted {
    const tracked = keys.flatMap((key) => this.#tracked.get(key) ?? []);
    const open = tracked.filter(({ uncommitted }) => uncommitted > 0);
    return new Map(open.map(({ key, committed, lastSent }) => [key, { from: committed, last: lastSent }]));
  }

  #isCommitted(): boolean {
    return [...this.#tracked.values()].every(({ uncommitted }) => uncommitted === 0);
  }
}
