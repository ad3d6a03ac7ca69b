/**
 * The end of an event type that was deleted: when all of its stream has landed, and nobody can believe any more that
 * the type is there, the table says so, then the stream goes, then the name is free. Each step may be repeated.
 */
import { type Removal, REMOVAL, REMOVAL_GRACE_MS } from "../../core/event-type-removal.ts";
import { hasCode } from "../../core/errors.ts";
import { landConsumer } from "../../core/landed.ts";
import type { Registry } from "../../core/registry.ts";
import type { LandPorts } from "./options.ts";
import type { TableLanding } from "./table-landing.ts";

type EndPorts = Pick<LandPorts, "log" | "clock" | "logger"> & { readonly registry: Registry };

/**
 * @param landing undefined where the type never was to land
 * @returns whether the stream is gone
 */
export async function endStream(
  ports: EndPorts,
  removal: Removal,
  landing: TableLanding | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { log, clock, logger } = ports;
  const { type, topicId, sinceMs } = removal;
  if (clock.nowMs() - sinceMs < REMOVAL_GRACE_MS) return false;
  if (landing && !(await landing.retire(signal))) return false;
  if (topicId !== null) {
    // What a process accepted that had not read of it yet lands first.
    if (landing && (await landing.waiting()).offsets > 0) return false;
    await log.deleteStream(type.name, topicId);
  }
  await log.hold(landConsumer(type.name), []);
  await markDone(ports, removal);
  logger.info("the stream of a deleted event type is gone; its table stays", { event_type: type.name });
  return true;
}

async function markDone({ registry }: EndPorts, removal: Removal): Promise<void> {
  const name = removal.type.name.toLowerCase();
  const declared = registry.get<Removal>(REMOVAL, name);
  if (!declared?.value || declared.value.sinceMs !== removal.sinceMs) return; // deleted anew meanwhile
  try {
    await registry.put<Removal>(REMOVAL, name, declared.revision, { ...declared.value, isDone: true });
  } catch (error) {
    if (!hasCode(error, "declaration.conflict")) throw error;
  }
}
