/**
 * Holds the id set that an owner lands with against the two other ways to get it: built anew from the lake, and taken
 * from the owner's newest state image and the commits since. All three must be the same function of the version.
 */
import assert from "node:assert/strict";
import type { IdentitySet } from "../../core/kernel.ts";
import { silentLogger } from "../../core/logger.ts";
import { secretOf } from "../../lake/id-key.ts";
import { rebuildIdentities, rollForward } from "../../workers/land/identities.ts";
import { readWriting } from "../../workers/land/lineage.ts";
import { StateImages } from "../../workers/land/state-image.ts";
import { kernel, type LandingWorld, type Owner, type Plant } from "./landing-world.ts";

export interface IdentityCounts {
  /** Versions at which a live set was looked at. */
  looks: number;
  images: number;
  /** Ids found in live sets. */
  ids: number;
}

export class IdentitiesAudit {
  readonly counts: IdentityCounts;
  readonly #sets: { readonly owner: object; readonly ids: IdentitySet }[] = [];
  readonly #looked = new Map<Owner, number>();
  /** The furthest that any set was expired to: below it a set may have less. */
  #slowestMs = 0;

  constructor(counts: IdentityCounts) {
    this.counts = counts;
  }

  /** Notes the sets that landing makes. */
  readonly plant: Plant = (ports) => {
    const { state } = ports;
    const watched = new Proxy(kernel, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== "createIdentitySet") return typeof value === "function" ? value.bind(target) : value;
        return (...options: Parameters<typeof kernel.createIdentitySet>) => {
          const ids = kernel.createIdentitySet(...options);
          const expire = ids.expire.bind(ids);
          ids.expire = (slowestMs) => {
            this.#slowestMs = Math.max(this.#slowestMs, slowestMs);
            expire(slowestMs);
          };
          this.#sets.push({ owner: state!, ids });
          return ids;
        };
      },
    });
    return { ...ports, kernel: watched };
  };

  readonly observe = async (world: LandingWorld): Promise<void> => {
    for (const owner of world.owners) {
      const state = owner.landing?.state;
      const live = this.#sets.findLast((one) => one.owner === owner.ports.state)?.ids;
      if (!state || !live || !owner.landing?.isUsable || world.kind === "plain") continue;
      if (this.#looked.get(owner) === state.snapshot.version) continue;
      this.#looked.set(owner, state.snapshot.version);
      const { name } = world.type;
      const context = `${owner.name} at version ${state.snapshot.version}`;
      const ports = { store: world.store, kernel };
      const expected = this.#dump(live);
      const fresh = kernel.createIdentitySet(world.options);
      try {
        await rebuildIdentities(ports, fresh, name, state);
        assert.deepEqual(this.#dump(fresh), expected, `${context}: rebuilt from the lake`);
        fresh.clear();
        const images = new StateImages(
          { state: owner.images, kernel, randomness: world.random, logger: silentLogger },
          name,
          state.snapshot.metadata!.id,
        );
        const image = await images.load(fresh, {
          tableId: state.snapshot.metadata!.id,
          secret: secretOf(state.snapshot),
          version: state.snapshot.version,
          writingOf: (version) => readWriting(world.table, version),
        });
        const isCurrent = image !== undefined;
        if (isCurrent && (await rollForward(ports, fresh, name, world.table, image, state)) !== undefined) {
          assert.deepEqual(this.#dump(fresh), expected, `${context}: from the image of version ${image}`);
          this.counts.images++;
        }
      } finally {
        fresh.destroy();
      }
      this.counts.looks++;
      this.counts.ids += expected.length;
    }
  };

  /** Every entry that somebody may still meet, sorted. */
  #dump(ids: IdentitySet): readonly string[] {
    return ids
      .generations()
      .flatMap(({ number }, place) => {
        const entries = ids.exportGeneration(place);
        const view = new DataView(entries.buffer);
        return Array.from({ length: entries.length / 20 }, (_, i) => ({
          ms: number * ids.generationMs + view.getUint32(i * 20 + 16, true),
          id: `${view.getBigUint64(i * 20, true)}/${view.getBigUint64(i * 20 + 8, true)}`,
        }));
      })
      .filter(({ ms }) => ms >= this.#slowestMs - ids.horizonMs)
      .map(({ ms, id }) => `${ms} ${id}`)
      .sort();
  }
}
