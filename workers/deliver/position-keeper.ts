/**
 * How far a delivery is, in the registry. Moved by compare-and-set: who finds that somebody else has moved it is not
 * the one who delivers, and stands by.
 */
import type { Delivery, DeliveryPosition } from "../../core/delivery.ts";
import type { Registry } from "../../core/registry.ts";

const KIND = "delivery-position";

export class PositionKeeper {
  readonly #registry: Registry;
  readonly #delivery: Delivery;
  #revision = 0;
  #saved: DeliveryPosition | undefined;

  constructor(registry: Registry, delivery: Delivery) {
    this.#registry = registry;
    this.#delivery = delivery;
  }

  /** @returns undefined where the delivery is gone */
  async load(): Promise<DeliveryPosition | undefined> {
    await this.#registry.refresh();
    const stored = this.#registry.get<DeliveryPosition>(KIND, this.#delivery.name);
    this.#revision = stored?.revision ?? 0;
    this.#saved = stored?.value?.id === this.#delivery.id ? stored.value : undefined;
    return this.#saved;
  }

  /** Grows with each save, of whichever process. */
  get revision(): number {
    return this.#revision;
  }

  isSaved(position: DeliveryPosition): boolean {
    return position === this.#saved;
  }

  /** @throws declaration.conflict where somebody else moved it */
  async save(position: DeliveryPosition): Promise<void> {
    if (position === this.#saved) return;
    const { revision } = await this.#registry.put(KIND, this.#delivery.name, this.#revision, position);
    this.#revision = revision;
    this.#saved = position;
  }
}
