/**
 * Events that nobody commits ("poison"), for subscriptions that say what to do with them: after so many sends without a
 * commit a partition is sent one event at a time; the event that then is not committed so many times is given up.
 * The count is kept in the topology, so it goes on over streams and processes.
 */
import type { PoisonPolicy } from "./subscription.ts";
import type { Topology, Trial } from "./topology.ts";

/** By partition: what a stream had sent and not got committed when it left: the first offset, and the last. */
export type Uncommitted = ReadonlyMap<string, { readonly from: number; readonly last: number }>;

/** Counts sends that nobody committed. */
export function failed(
  topology: Topology,
  uncommitted: Uncommitted,
  policy: PoisonPolicy | undefined,
): Topology {
  if (!policy || uncommitted.size === 0) return topology;
  const trials = { ...topology.trials };
  for (const [key, { from, last }] of uncommitted) {
    const before = trials[key];
    const isSame = before?.at === from;
    const failures = (isSame ? before.failures : 0) + 1;
    const until = Math.max(before?.until ?? -1, last);
    const isSingle = before?.isSingle ?? false;
    if (isSingle) trials[key] = { failures, until: before!.until, at: from, isSingle: true };
    else if (failures >= policy.sendsMax) trials[key] = { failures: 0, until, at: from, isSingle: true };
    else trials[key] = { failures, until, at: from };
  }
  return { ...topology, trials };
}

/** Forgets what is committed. @param positions by partition the offset that is read next */
export function committed(topology: Topology, positions: ReadonlyMap<string, number>): Topology {
  const kept = Object.entries(topology.trials).filter(([key, { isSingle, until, at }]) => {
    const position = positions.get(key) ?? -1;
    return isSingle ? position <= until : position <= at;
  });
  if (kept.length === Object.keys(topology.trials).length) return topology;
  return { ...topology, trials: Object.fromEntries(kept) };
}

/** Whether the event at `position` has failed often enough. */
export function isGivenUp(
  trial: Trial | undefined,
  position: number,
  policy: PoisonPolicy | undefined,
): boolean {
  if (!trial || !policy) return false;
  return trial.isSingle === true && trial.at === position && trial.failures >= policy.sendsMax;
}
