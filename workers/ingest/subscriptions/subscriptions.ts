/** The parts that subscriptions are made of, put together once per process. */
import type { StreamHost } from "../streams/stream-host.ts";
import { Committer } from "./committer.ts";
import { SubscriptionNode } from "./node.ts";
import { SubscriptionStore } from "./store.ts";

/** What all subscriptions of this process share. */
export interface Subscriptions {
  readonly host: StreamHost;
  readonly store: SubscriptionStore;
  readonly node: SubscriptionNode;
  readonly committer: Committer;
  /** Ends their streams. */
  readonly close: () => Promise<void>;
}

export function createSubscriptions(host: StreamHost, isAlone: boolean): Subscriptions {
  const { ports, limits } = host;
  const store = new SubscriptionStore(ports, limits.partitions);
  const node = new SubscriptionNode(ports, store, { deadMs: limits.nodeMs, isAlone });
  const committer = new Committer({ log: ports.log, store, moved: (id) => node.notice(id) });
  return { host, store, node, committer, close: () => node.close() };
}
