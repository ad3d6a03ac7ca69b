/**
 * Commits of cursors. Those of one subscription that come while one is being made durable go together in the next, so
 * many clients share a sync of the log; those of several subscriptions share it in the log itself.
 *
 * A cursor only moves ahead, and only by the stream that has the partition. Both are judged against what the new
 * cursors are built on: where somebody else was first, everything is judged again.
 */
import { MuaraError } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import { feedKey } from "../streams/partition-feed.ts";
import type { Cursors, SubscriptionStore } from "./store.ts";
import type { Subscription } from "./subscription.ts";
import { committed } from "./trials.ts";

export interface Commit {
  readonly eventType: string;
  readonly partition: number;
  /** Of the last event that is done. */
  readonly offset: number;
}

export type CommitResult = "committed" | "outdated";

interface Waiting {
  readonly streamId: string;
  readonly commits: readonly Commit[];
  readonly done: (results: readonly CommitResult[]) => void;
  readonly failed: (error: unknown) => void;
}

export interface CommitterPorts {
  readonly log: Log;
  readonly store: SubscriptionStore;
  /** The cursors of a subscription have moved. */
  readonly moved: (subscriptionId: string) => void;
}

export class Committer {
  readonly #ports: CommitterPorts;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(ports: CommitterPorts) {
    this.#ports = ports;
  }

  /** @throws stream.unknown, cursor.invalid, and whatever the log throws */
  commit(
    subscription: Subscription,
    streamId: string,
    commits: readonly Commit[],
  ): Promise<readonly CommitResult[]> {
    return new Promise((done, failed) => {
      const one = { streamId, commits, done, failed };
      const waiting = this.#waiting.get(subscription.id);
      if (waiting) waiting.push(one);
      else {
        const queue = [one];
        this.#waiting.set(subscription.id, queue);
        void this.#run(subscription, queue);
      }
    });
  }

  async #run(subscription: Subscription, queue: Waiting[]): Promise<void> {
    // Whoever comes in the same turn goes along.
    await Promise.resolve();
    for (;;) {
      const group = queue.splice(0);
      if (group.length === 0) break;
      await this.#together(subscription, group);
    }
    this.#waiting.delete(subscription.id);
  }

  async #together(subscription: Subscription, group: readonly Waiting[]): Promise<void> {
    const { store, moved } = this.#ports;
    let outcomes: (readonly CommitResult[] | MuaraError)[] = [];
    let cursors: Cursors;
    try {
      await store.registry.refresh();
      const faults = await Promise.all(group.map((one) => this.#fault(one)));
      cursors = await store.changeCursors(subscription, (before) => {
        const draft = new CursorDraft(before);
        outcomes = group.map((one, i) => faults[i] ?? this.#judge(subscription, one, draft));
        return draft.hasMoved ? draft.cursors : undefined;
      });
    } catch (error) {
      for (const { failed } of group) failed(error);
      return;
    }
    group.forEach(({ done, failed }, i) => {
      const outcome = outcomes[i]!;
      if (outcome instanceof MuaraError) failed(outcome);
      else done(outcome);
    });
    moved(subscription.id);
    await this.#forget(subscription, cursors);
  }

  #judge(subscription: Subscription, { streamId, commits }: Waiting, draft: CursorDraft): Outcome {
    const { sessions, held } = this.#ports.store.topology(subscription.id);
    const entry = sessions[streamId];
    if (!entry || entry.epoch !== draft.cursors.epoch)
      return new MuaraError("stream.unknown", "There is no such stream (any more).");
    const foreign = commits.find(
      ({ eventType, partition }) => held[feedKey(eventType, partition)]?.by !== streamId,
    );
    if (foreign)
      return new MuaraError(
        "stream.unknown",
        `The stream does not have partition ${foreign.partition} of "${foreign.eventType}".`,
      );
    return commits.map((one) => (draft.move(one) ? "committed" : "outdated"));
  }

  /** What lies beyond the end was never sent. */
  async #fault({ commits }: Waiting): Promise<MuaraError | undefined> {
    try {
      for (const { eventType, partition, offset } of commits) {
        const { endOffset } = await this.#ports.log.bounds(eventType, partition);
        if (offset >= endOffset)
          return new MuaraError(
            "cursor.invalid",
            `${eventType}, partition ${partition}: the offset lies beyond the newest event.`,
          );
      }
      return undefined;
    } catch (error) {
      if (error instanceof MuaraError && error.status < 500)
        return new MuaraError("cursor.invalid", error.message);
      throw error;
    }
  }

  /** Counts of failed sends end with a commit. Nobody waits for it. */
  async #forget({ id }: Subscription, { positions }: Cursors): Promise<void> {
    const { store } = this.#ports;
    const { trials } = store.topology(id);
    if (Object.keys(trials).length === 0) return;
    const at = new Map(
      Object.entries(positions).flatMap(([type, all]) =>
        all.map((next, p) => [feedKey(type, p), next] as const),
      ),
    );
    await store.changeTopology(id, (before) => committed(before, at)).catch(() => undefined);
  }
}

type Outcome = readonly CommitResult[] | MuaraError;

/** Cursors that are being moved. */
class CursorDraft {
  cursors: Cursors;
  hasMoved = false;

  constructor(before: Cursors) {
    this.cursors = before;
  }

  move({ eventType, partition, offset }: Commit): boolean {
    const { positions } = this.cursors;
    const next = offset + 1;
    if ((positions[eventType]?.[partition] ?? 0) >= next) return false;
    const moved = [...(positions[eventType] ?? [])];
    for (let p = moved.length; p < partition; p++) moved[p] = 0;
    moved[partition] = next;
    this.cursors = { ...this.cursors, positions: { ...positions, [eventType]: moved } };
    this.hasMoved = true;
    return true;
  }
}
