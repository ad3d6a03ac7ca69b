/** How far a subscription is, by event type and partition, as Nakadi shows it. */
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { Cursors, Part } from "./store.ts";
import type { Topology } from "./topology.ts";

export interface PartitionState {
  readonly partition: string;
  readonly state: "unassigned" | "reassigning" | "assigned";
  /** Of the stream that has it; empty where none has. */
  readonly stream_id: string;
  readonly assignment_type?: "direct" | "auto";
}

export interface PartitionStats extends PartitionState {
  /** Offsets between the cursor and the end. */
  readonly unconsumed_events: number;
  /** Since when the oldest of them has been there. */
  readonly consumer_lag_seconds?: number;
}

export interface TypeItem<Partition> {
  readonly event_type: string;
  readonly partitions: readonly Partition[];
}

export function statesOf(topology: Topology, parts: readonly Part[]): readonly TypeItem<PartitionState>[] {
  return byType(
    parts,
    parts.map((part) => stateOf(topology, part)),
  );
}

export async function statsOf(
  { log, clock }: { readonly log: Log; readonly clock: Clock },
  topology: Topology,
  cursors: Cursors,
  parts: readonly Part[],
  showsLag: boolean,
): Promise<readonly TypeItem<PartitionStats>[]> {
  const stats = parts.map(async (part): Promise<PartitionStats> => {
    const { name } = part.type;
    const { startOffset, endOffset } = await log.bounds(name, part.partition);
    const position = Math.max(cursors.positions[name]?.[part.partition] ?? 0, startOffset);
    const unconsumed = Math.max(0, endOffset - position);
    const lag = { consumer_lag_seconds: 0 };
    if (showsLag && unconsumed > 0) {
      const { ingestMs } = await log.read(name, part.partition, position, 1);
      if (ingestMs.length > 0)
        lag.consumer_lag_seconds = Math.max(0, Math.floor((clock.nowMs() - ingestMs[0]!) / 1_000));
    }
    return { ...stateOf(topology, part), unconsumed_events: unconsumed, ...(showsLag ? lag : {}) };
  });
  return byType(parts, await Promise.all(stats));
}

function stateOf({ held, sessions }: Topology, { key, partition }: Part): PartitionState {
  const one = held[key];
  if (!one) return { partition: String(partition), state: "unassigned", stream_id: "" };
  return {
    partition: String(partition),
    state: one.isLeaving ? "reassigning" : "assigned",
    stream_id: one.by,
    assignment_type: sessions[one.by]?.direct ? "direct" : "auto",
  };
}

function byType<Item>(parts: readonly Part[], items: readonly Item[]): readonly TypeItem<Item>[] {
  const types = new Map<string, Item[]>();
  parts.forEach(({ type }, i) => {
    const list = types.get(type.name) ?? [];
    list.push(items[i]!);
    types.set(type.name, list);
  });
  return [...types].map(([event_type, partitions]) => ({ event_type, partitions }));
}
