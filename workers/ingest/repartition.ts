/**
 * More partitions for an event type (Nakadi's `PUT /event-types/{name}/partition-count`). They are added to the stream
 * first, then declared: what is declared is there. A crash in between leaves partitions that are used and read already.
 *
 * Where the hash of a key decides, events of one key go to another partition from then on: their order is kept before
 * and after, not across (as in Nakadi).
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import { type EventType, invalidEventType, PARTITIONS_MAX, partitionCount } from "../../core/event-type.ts";
import { type DeclarePorts, ensureStream, findEventType, KIND, notFound } from "./declaration.ts";
import { declaredName } from "./declared-name.ts";
import { checkPartitions } from "./event-type-rules.ts";

const ATTEMPTS_MAX = 32;

/**
 * @param isAdmin of the system: the configured number is no bound
 * @returns the type, and whether it changed
 * @throws event_type.not_found, event_type.invalid, declaration.conflict
 */
export async function repartition(
  ports: DeclarePorts,
  name: string,
  count: number,
  isAdmin: boolean,
): Promise<{ readonly type: EventType; readonly isChanged: boolean }> {
  const { log, registry, clock } = ports;
  if (!Number.isInteger(count) || count < 1 || count > PARTITIONS_MAX)
    throw invalidEventType("partition_count", `must be a whole number from 1 to ${PARTITIONS_MAX}`);
  if (ports.rules && !isAdmin) checkPartitions(ports.rules, count, "partition_count");
  for (let attempt = 1; ; attempt++) {
    await registry.refresh();
    const declared = await findEventType(registry, name);
    const before = declared?.value;
    if (!before) return notFound(name);
    const stream = await ensureStream(log, before);
    if (count < stream.partitions)
      throw invalidEventType("partition_count", `cannot be less than ${stream.partitions}, as it is now`);
    if (count > stream.partitions) await log.alterStream(name, { ...stream, partitions: count });
    if (partitionCount(before) === count) return { type: before, isChanged: count > stream.partitions };
    const statistic = { ...before.default_statistic, read_parallelism: count, write_parallelism: count };
    const updated_at = new Date(clock.nowMs()).toISOString();
    const type: EventType = { ...before, default_statistic: statistic, updated_at };
    try {
      await registry.put<EventType>(KIND, declaredName(name), declared.revision, type);
      return { type, isChanged: true };
    } catch (error) {
      if (!hasCode(error, "declaration.conflict") || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** The body: `{"partition_count": 4}`. @throws event_type.invalid */
export function countIn(body: unknown): number {
  const count = (body as { readonly partition_count?: unknown } | null)?.partition_count;
  if (typeof count === "number") return count;
  throw new MuaraError("event_type.invalid", "partition_count: must be a whole number", {
    details: { field: "partition_count" },
  });
}
