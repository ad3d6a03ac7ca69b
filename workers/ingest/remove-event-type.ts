/**
 * Deleting an event type (Nakadi's `DELETE /event-types/{name}`). From here on nothing is accepted; landing brings what
 * was accepted into the table, then removes the stream (workers/land). The table stays as it is.
 *
 * The order: the record of the removal, the schema, then the type itself. A crash in between leaves a type that is
 * declared, and can be deleted again.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import { REMOVAL, type Removal } from "../../core/event-type-removal.ts";
import type { DeclarationKind, Registry } from "../../core/registry.ts";
import { isOn } from "../../core/settings.ts";
import { type DeclarePorts, findEventType, KIND, notFound } from "./declaration.ts";
import { declaredName } from "./declared-name.ts";
import { archiveSchema } from "./schema-archive.ts";

const ATTEMPTS_MAX = 32;
const NAMED_MAX = 10;
/** Nakadi's own consumer for the lake, which nobody has to delete first. */
const ARCHIVER = { owning_application: "nakadi_archiver", consumer_group: "nakadi_to_s3" } as const;
const SUBSCRIPTION_KINDS: readonly DeclarationKind[] = [
  "subscription",
  "subscription-topology",
  "subscription-cursors",
];

interface Subscriber {
  readonly id: string;
  readonly owning_application: string;
  readonly consumer_group: string;
  readonly event_types: readonly string[];
}

/** @throws event_type.not_found, event_type.in_use */
export async function removeEventType(
  { log, registry, clock }: DeclarePorts,
  name: string,
): Promise<EventType> {
  const key = declaredName(name);
  for (let attempt = 1; ; attempt++) {
    await registry.refresh();
    const declared = await findEventType(registry, name);
    const type = declared?.value;
    if (!type) return notFound(name);
    const subscribers = subscribersOf(registry, name);
    checkUnused(registry, name, subscribers);
    const stream = await log.stream(name);
    const before = registry.get<Removal>(REMOVAL, key);
    const removal = { type, topicId: stream?.topicId ?? null, sinceMs: clock.nowMs(), isDone: false };
    try {
      await registry.put<Removal>(REMOVAL, key, before?.revision ?? 0, removal);
      await archiveSchema(registry, type);
      await registry.put<EventType>(KIND, key, declared.revision, null);
      for (const { id } of subscribers) await removeSubscription(registry, id);
      return type;
    } catch (error) {
      if (!hasCode(error, "declaration.conflict") || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** Those that name it; who reads all types just has one less. */
function subscribersOf(registry: Registry, name: string): readonly Subscriber[] {
  return registry
    .list<Subscriber>("subscription")
    .flatMap(({ value }) => (value?.event_types.includes(name) ? value : []));
}

function checkUnused(registry: Registry, name: string, subscribers: readonly Subscriber[]): void {
  if (isOn(registry, "delete_event_type_with_subscriptions")) return;
  const others = subscribers.filter(
    (one) =>
      one.owning_application !== ARCHIVER.owning_application ||
      one.consumer_group !== ARCHIVER.consumer_group,
  );
  if (others.length === 0) return;
  const shown = others.slice(0, NAMED_MAX).map(({ id }) => id);
  const more = others.length > shown.length ? ` and ${others.length - shown.length} more` : "";
  throw new MuaraError(
    "event_type.in_use",
    `"${name}" has subscriptions: ${shown.join(", ")}${more}. Delete them first.`,
    { details: { event_type: name, subscriptions: shown } },
  );
}

async function removeSubscription(registry: Registry, id: string): Promise<void> {
  for (const kind of SUBSCRIPTION_KINDS)
    for (let attempt = 1; ; attempt++) {
      const declared = registry.get(kind, id);
      if (!declared) break;
      try {
        await registry.put(kind, id, declared.revision, null);
      } catch (error) {
        if (!hasCode(error, "declaration.conflict") || attempt === ATTEMPTS_MAX) throw error;
        await registry.refresh();
      }
    }
}
