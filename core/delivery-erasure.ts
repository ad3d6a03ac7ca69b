/**
 * What a delivery has still to do for an erasure: rows of the subject that it has delivered go where it delivers to.
 * Declared when the lake has erased the rows (`delivery-erasure` in the registry), done once the delivery has passed
 * the version without them; nothing of the subject can follow then. The value is kept until it is done.
 */
import type { Delivery } from "./delivery.ts";
import type { Declaration, Registry } from "./registry.ts";

export const DELIVERY_ERASURE = "delivery-erasure";

export interface DeliveryErasure {
  /** Its id. */
  readonly erasure: string;
  /** Its name, and the id of its declaration. */
  readonly delivery: string;
  readonly deliveryId: string;
  /** Of the event type's table. */
  readonly column: string;
  /** null once it is done, or once the delivery is gone. */
  readonly value: string | null;
  /** Of the table: newer versions have nothing of the subject that was there when it was erased. */
  readonly version: number;
  /** Rows that went there; null where it is not done, or nothing can be taken back. */
  readonly rows: number | null;
  readonly doneMs: number | null;
}

/** Of an erasure. */
export function deliveryErasures(registry: Registry, erasure: string): readonly DeliveryErasure[] {
  return registry
    .list<DeliveryErasure>(DELIVERY_ERASURE)
    .flatMap(({ value }) => (value?.erasure === erasure ? [value] : []));
}

/** Of a delivery, what is to be done. @param deliveryId of the declaration */
export function pendingErasures(
  registry: Registry,
  deliveryId: string,
): readonly Declaration<DeliveryErasure>[] {
  return registry
    .list<DeliveryErasure>(DELIVERY_ERASURE)
    .filter(({ value }) => value?.deliveryId === deliveryId && value.value !== null);
}

/** Asks every delivery of the table, once the lake has nothing of the subject in `version`. */
export async function askDeliveries(
  registry: Registry,
  table: string,
  asked: Pick<DeliveryErasure, "erasure" | "column" | "version"> & { readonly value: string },
): Promise<void> {
  await registry.refresh();
  for (const { value } of registry.list<Delivery>("delivery")) {
    if (value?.table !== table) continue;
    const { name: delivery, id: deliveryId } = value;
    const own: DeliveryErasure = { ...asked, delivery, deliveryId, rows: null, doneMs: null };
    await registry.put(DELIVERY_ERASURE, `${asked.erasure}.${deliveryId}`, 0, own);
  }
}

/** Of a delivery that is no more: nobody can do it, and the value is not to be kept. */
export async function dropErasures(registry: Registry, deliveryId: string): Promise<void> {
  for (const { name, revision, value } of pendingErasures(registry, deliveryId))
    await registry.put(DELIVERY_ERASURE, name, revision, { ...value!, value: null });
}
