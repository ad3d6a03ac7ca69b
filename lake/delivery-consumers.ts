/** Deliveries as consumers of table commits: what they have still to send stays readable. */
import type { Delivery, DeliveryPosition } from "../core/delivery.ts";
import { neededAfter } from "../core/delivery.ts";
import type { Registry } from "../core/registry.ts";
import type { LogConsumer } from "./table/log-cleanup.ts";

/** @param tableId of the table's incarnation: how far a delivery was with another one says nothing */
export function deliveryConsumers(
  registry: Registry,
  table: string,
  tableId: string,
): readonly LogConsumer[] {
  return registry.list<Delivery>("delivery").flatMap(({ value }) => {
    if (value?.table !== table) return [];
    const position = registry.get<DeliveryPosition>("delivery-position", value.name)?.value;
    const isOfIt = position?.id === value.id && position.tableId === tableId;
    return [{ name: `delivery ${value.name}`, version: isOfIt ? neededAfter(position) : -1 }];
  });
}
