/**
 * An event type that was deleted: its stream is closed, landed to its end, then removed; its table stays. The record
 * says how far that is, and stays in the registry for as long as the table may: whoever declares a type of this name
 * again goes on with the same table.
 */
import type { EventType } from "./event-type.ts";
import type { Registry } from "./registry.ts";

export const REMOVAL = "event-type-removal";

/**
 * A process that has not read yet that a type is gone may still accept events of it. They land as long as the stream
 * is there, ms: longer than a process reads the registry without (core/follow-registry.ts) and the door lets wait.
 */
export const REMOVAL_GRACE_MS = 10_000;

export interface Removal {
  /** As it was declared last. */
  readonly type: EventType;
  /** Of the stream that goes; null where there was none. */
  readonly topicId: string | null;
  /** ms since 1970 UTC */
  readonly sinceMs: number;
  /** The stream is gone, and the name free. */
  readonly isDone: boolean;
}

/** @param declaredName the type's name, case-folded */
export function removalOf(registry: Registry, declaredName: string): Removal | undefined {
  return registry.get<Removal>(REMOVAL, declaredName)?.value ?? undefined;
}

/** Types that are gone while their streams are not. */
export function pendingRemovals(registry: Registry): readonly Removal[] {
  return registry
    .list<Removal>(REMOVAL)
    .flatMap(({ name, value }) => (value && !value.isDone && !registry.get("event-type", name) ? value : []));
}
