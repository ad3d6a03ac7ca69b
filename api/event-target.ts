/** An event type of this Muara, as what a delivery goes into. */
import { authorize, type Principal } from "../core/authorize.ts";
import type { Delivery } from "../core/delivery.ts";
import { MuaraError } from "../core/errors.ts";
import { type EventType, isCompacted, RESERVED_PREFIX, sqlAlias } from "../core/event-type.ts";
import { isCaptured } from "../core/event-type-annotations.ts";
import type { Registry } from "../core/registry.ts";
import { adminsOf } from "../core/settings.ts";
import { deliveryFlows, ringOf, tableFlows } from "../core/table-flow.ts";

/** By its name, or by the one that SQL has for its table. */
export function eventTypeAt(registry: Registry, name: string): EventType | undefined {
  const known = registry.list<EventType>("event-type").flatMap(({ value }) => value ?? []);
  return known.find((type) => type.name === name) ?? known.find((type) => sqlAlias(type.name) === name);
}

/**
 * It takes the right to publish there. The right is asked first: whoever has it not does not learn what there is.
 * @throws auth.forbidden, request.malformed
 */
export function checkEventTarget(registry: Registry, principal: Principal, name: string): void {
  if (name.toLowerCase().startsWith(RESERVED_PREFIX))
    throw new MuaraError("auth.forbidden", `"${name}" is Muara's own.`);
  const found = registry.get<EventType>("event-type", name.toLowerCase())?.value;
  const type = found?.name === name ? found : undefined;
  const resource = {
    kind: "event_type",
    name,
    lists: type?.authorization,
    general: adminsOf(registry),
  } as const;
  authorize(principal, "write", resource);
  const why = type ? reasonAgainst(type) : "is not declared";
  if (why === undefined) return;
  const pointer = "/log/event_type";
  throw new MuaraError("request.malformed", `${pointer}: "${name}" ${why}`, { details: { pointer } });
}

function reasonAgainst(type: EventType): string | undefined {
  if (isCaptured(type)) return "has the changes of a database, and nothing else";
  if (type.category === "undefined") return "has events without an id of Muara's: a row could count twice";
  if (isCompacted(type)) return "is compacted, and a row says no key of its own";
  if (type.partition_strategy === "user_defined")
    return "takes partitions from its producers, and a row says none";
  return undefined;
}

/** @throws delivery.loop naming the way */
export function checkDeliveryLoop(registry: Registry, delivery: Delivery): void {
  const others = tableFlows(registry);
  for (const flow of deliveryFlows(delivery)) {
    const ring = ringOf(flow, others);
    if (!ring) continue;
    throw new MuaraError("delivery.loop", `It would read what it brings: ${ring.join(" → ")}.`, {
      details: { delivery: delivery.name, loop: ring },
    });
  }
}
