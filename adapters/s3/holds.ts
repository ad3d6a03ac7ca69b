/** What consumers still need: one object per consumer, replaced as a whole. */
import type { Hold } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { pathName } from "./names.ts";

const FOLDER = "holds";

export class Holds {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  async declare(consumer: string, holds: readonly Hold[]): Promise<void> {
    const path = await this.#pathOf(consumer);
    if (holds.length === 0) await this.#store.delete(path);
    else await this.#store.put(path, new TextEncoder().encode(JSON.stringify({ consumer, holds })));
  }

  async isHolding(consumer: string): Promise<boolean> {
    return (await this.#store.head(await this.#pathOf(consumer))) !== undefined;
  }

  /** Of all consumers. */
  async all(): Promise<readonly Hold[]> {
    const listed = await this.#store.list(FOLDER);
    const found = await Promise.all(listed.map(({ path }) => this.#store.get(path)));
    return found.flatMap((bytes) => {
      if (!bytes) return []; // released just now
      return (JSON.parse(new TextDecoder().decode(bytes)) as { holds: readonly Hold[] }).holds;
    });
  }

  async #pathOf(consumer: string): Promise<string> {
    return `${FOLDER}/${await pathName(consumer)}.json`;
  }
}
