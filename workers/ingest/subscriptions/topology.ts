/**
 * Which stream has which partition of a subscription, on which process: a value that is only ever replaced as a whole,
 * by compare-and-set. Here are its rules, without I/O.
 *
 * A partition moves in two steps: its holder is told to leave it, stops sending, waits for commits and lets it go; then
 * the next one takes it. Nobody takes what another still holds.
 */
import { MuaraError } from "../../../core/errors.ts";

export interface SessionEntry {
  /** The process that the stream is connected to. */
  readonly node: string;
  /** Of the cursors: a reset ends all streams before it. */
  readonly epoch: number;
  /** Partitions that it asked for; absent: it gets its share. */
  readonly direct?: readonly string[];
  /** It sends no more and waits for commits. */
  readonly isClosing?: true;
}

export interface Held {
  readonly by: string;
  /** Its holder shall let it go. */
  readonly isLeaving?: true;
}

/** Of a partition whose events nobody commits: how often they were tried. */
export interface Trial {
  /** Sends that nobody committed: of batches or, one at a time, of the event at `at`. */
  readonly failures: number;
  /** Offset of the last event that was among them. */
  readonly until: number;
  /** Events are sent one at a time to find the one. */
  readonly isSingle?: true;
  /** Offset to be read next when the failures were counted. */
  readonly at: number;
}

export interface Topology {
  /** By stream id. */
  readonly sessions: Readonly<Record<string, SessionEntry>>;
  /** By partition, `type/0`. */
  readonly held: Readonly<Record<string, Held>>;
  readonly trials: Readonly<Record<string, Trial>>;
}

export const EMPTY_TOPOLOGY: Topology = { sessions: {}, held: {}, trials: {} };

/**
 * Takes a stream in.
 * @param partitions all of the subscription
 * @throws subscription.no_slot where no partition is left for it
 */
export function joined(
  topology: Topology,
  streamId: string,
  entry: SessionEntry,
  partitions: readonly string[],
): Topology {
  const taken = directlyTaken(topology);
  if (entry.direct?.some((key) => taken.has(key)))
    throw new MuaraError("subscription.no_slot", "Another stream has asked for one of these partitions.");
  const autos = Object.values(topology.sessions).filter((one) => !one.isClosing && !one.direct);
  if (!entry.direct && autos.length >= partitions.filter((key) => !taken.has(key)).length)
    throw new MuaraError("subscription.no_slot", "Every partition of the subscription has a stream.");
  const sessions = { ...topology.sessions, [streamId]: entry };
  return rebalanced({ ...topology, sessions }, partitions);
}

/** Takes streams out, with all that they hold. */
export function left(
  topology: Topology,
  isGone: (streamId: string, entry: SessionEntry) => boolean,
  partitions: readonly string[],
): Topology {
  const sessions = filtered(topology.sessions, (id, entry) => !isGone(id, entry));
  const held = filtered(topology.held, (_key, { by }) => sessions[by] !== undefined);
  return rebalanced({ ...topology, sessions, held }, partitions);
}

/** It sends no more; its partitions go to others as soon as it lets them go. */
export function closing(topology: Topology, streamId: string, partitions: readonly string[]): Topology {
  const entry = topology.sessions[streamId];
  if (!entry) return topology;
  const sessions = { ...topology.sessions, [streamId]: { ...entry, isClosing: true as const } };
  return rebalanced({ ...topology, sessions }, partitions);
}

/** A stream lets partitions go that it shall leave. */
export function released(
  topology: Topology,
  streamId: string,
  keys: readonly string[],
  partitions: readonly string[],
): Topology {
  const isReleased = (key: string, held: Held): boolean =>
    held.by === streamId && held.isLeaving === true && keys.includes(key);
  const held = filtered(topology.held, (key, one) => !isReleased(key, one));
  return rebalanced({ ...topology, held }, partitions);
}

/** Shares are as equal as can be, and as few partitions move as can be. */
export function rebalanced(topology: Topology, partitions: readonly string[]): Topology {
  const target = targets(topology, partitions);
  const held: Record<string, Held> = {};
  for (const key of new Set([...partitions, ...Object.keys(topology.held)])) {
    const by = topology.held[key]?.by;
    const wanted = target.get(key);
    if (by === undefined) {
      if (wanted !== undefined) held[key] = { by: wanted };
    } else held[key] = by === wanted ? { by } : { by, isLeaving: true };
  }
  return { ...topology, held };
}

/** @returns by partition the stream that should have it */
function targets(topology: Topology, partitions: readonly string[]): Map<string, string> {
  const target = new Map<string, string>();
  const active = Object.entries(topology.sessions).filter(([, { isClosing }]) => !isClosing);
  for (const [id, { direct }] of active) for (const key of direct ?? []) target.set(key, id);
  const free = partitions.filter((key) => !target.has(key));
  const autos = active.flatMap(([id, { direct }]) => (direct ? [] : id)).toSorted();
  if (autos.length === 0) return target;
  const holds = (id: string): readonly string[] => free.filter((key) => topology.held[key]?.by === id);
  // Who has most keeps the one more that some get.
  autos.sort((a, b) => holds(b).length - holds(a).length);
  const base = Math.floor(free.length / autos.length);
  const more = free.length % autos.length;
  const room = new Map<string, number>();
  autos.forEach((id, i) => {
    const share = base + (i < more ? 1 : 0);
    // What it was not told to leave comes first: a change of mind costs the most.
    const kept = holds(id)
      .toSorted((a, b) => Number(topology.held[a]?.isLeaving ?? 0) - Number(topology.held[b]?.isLeaving ?? 0))
      .slice(0, share);
    for (const key of kept) target.set(key, id);
    room.set(id, share - kept.length);
  });
  for (const key of free) {
    if (target.has(key)) continue;
    const id = autos.find((one) => room.get(one)! > 0)!;
    target.set(key, id);
    room.set(id, room.get(id)! - 1);
  }
  return target;
}

function directlyTaken({ sessions }: Topology): ReadonlySet<string> {
  return new Set(
    Object.values(sessions).flatMap(({ direct, isClosing }) => (isClosing ? [] : (direct ?? []))),
  );
}

function filtered<Value>(
  record: Readonly<Record<string, Value>>,
  isKept: (key: string, value: Value) => boolean,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).filter(([key, value]) => isKept(key, value)));
}
