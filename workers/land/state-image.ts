/**
 * State images: the id set of a table at a version, so that a start need not read the id column of two days again.
 * An image is a cache and nothing else: everything in it follows from the table, and whatever is wrong with one
 * (another table, another history, a version that the table does not have, damage, an unknown format) costs a line in
 * the log and the time to build the set anew. Cursors, counters and watermark need none: they are `txn`s.
 *
 * The surprising rule: an image newer than the table is as worthless as one of another table. A table that was
 * restored from a copy would take its ids for known and lose their resends.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Randomness } from "../../core/clock.ts";
import type { IdentitySet, Kernel } from "../../core/kernel.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { isStorePath } from "../../core/store-path.ts";
import { fingerprintOf } from "../../lake/id-key.ts";
import {
  decodeHeading,
  encodeHeading,
  type ImageGeneration,
  type ImageHeading,
  sha256,
} from "./image-format.ts";

const HEADING = /^(\d{20})\.image$/;

export interface ImagePorts {
  /** Where images lie; not the lake. */
  readonly state: ObjectStore;
  readonly kernel: Kernel;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/** What an image is held against. */
export interface ImageTable {
  readonly tableId: string;
  readonly secret: Uint8Array;
  /** The newest version of the table. */
  readonly version: number;
  /** Tells which commit a version was; undefined where it is not known any more. */
  readonly writingOf: (version: number) => Promise<string | undefined>;
}

export class StateImages {
  readonly #ports: ImagePorts;
  readonly #tableId: string;
  /** By number: what of the present set is stored already. */
  #stored = new Map<number, { readonly stamp: bigint; readonly generation: ImageGeneration }>();

  constructor(ports: ImagePorts, table: string, tableId: string) {
    this.#ports = { ...ports, logger: ports.logger.with({ table }) };
    this.#tableId = tableId;
  }

  /**
   * Fills an empty set from the newest image that fits the table.
   * @returns the image's version; undefined where none fits: the set is empty then
   */
  async load(ids: IdentitySet, table: ImageTable): Promise<number | undefined> {
    try {
      for (const version of (await this.#versions()).toReversed())
        if (await this.#loadOne(ids, table, version)) return version;
    } catch (error) {
      if (!hasCode(error, "store.unavailable")) throw error;
      this.#ports.logger.warn("state images cannot be read", { error });
    }
    ids.clear();
    return undefined;
  }

  /**
   * Stores the set as the image of `table.version`; the one before stays, older ones go. Whatever fails is logged:
   * without an image the next start takes longer, no more.
   * @returns whether it was stored
   */
  async save(ids: IdentitySet, table: ImageTable): Promise<boolean> {
    try {
      const writing = await table.writingOf(table.version);
      if (writing === undefined || !this.#isStorable) return false;
      const { tableId, version } = table;
      const { horizonMs, generationMs } = ids;
      const fingerprint = fingerprintOf(this.#ports.kernel, table.secret);
      const format = "muara state image 1" as const;
      const generations = await this.#saveGenerations(ids);
      const heading = {
        format,
        tableId,
        version,
        writing,
        fingerprint,
        horizonMs,
        generationMs,
        generations,
      };
      await this.#ports.state.put(this.#pathOf(headingName(version)), encodeHeading(heading));
      await this.#deleteOthers(heading);
      this.#ports.logger.debug("state image written", { version, ids: ids.size });
      return true;
    } catch (error) {
      if (!(error instanceof MuaraError)) throw error;
      this.#ports.logger.warn("no state image was written", { error });
      return false;
    }
  }

  /** Why an image must not be used for a table; undefined where it may. */
  async judge(image: ImageHeading, ids: IdentitySet, table: ImageTable): Promise<string | undefined> {
    if (image.tableId !== table.tableId) return "it is another table's";
    if (image.version > table.version) return "it is newer than the table";
    if (image.horizonMs !== ids.horizonMs || image.generationMs !== ids.generationMs)
      return "the horizon was another one";
    if (image.fingerprint !== fingerprintOf(this.#ports.kernel, table.secret))
      return "the table's id key was another one";
    const writing = await table.writingOf(image.version);
    if (writing === undefined) return "its version was cleaned up";
    return writing === image.writing ? undefined : "the table has another history";
  }

  async #loadOne(ids: IdentitySet, table: ImageTable, version: number): Promise<boolean> {
    const { state, logger } = this.#ports;
    const bytes = await state.get(this.#pathOf(headingName(version)));
    const image = bytes && decodeHeading(bytes);
    const wrong =
      image?.version === version
        ? await this.judge(image, ids, table)
        : "its heading is damaged or of another format";
    const problem = wrong ?? (await this.#fill(ids, image!));
    if (problem === undefined) return true;
    logger.warn("a state image is discarded", { version, head: table.version, problem });
    return false;
  }

  /** @returns what is wrong with it; the set must not be used then */
  async #fill(ids: IdentitySet, image: ImageHeading): Promise<string | undefined> {
    ids.clear();
    this.#stored.clear();
    for (const { number, name, bytes: size, sha256: digest } of image.generations) {
      const bytes = await this.#ports.state.get(this.#pathOf(name));
      if (!bytes) return `${name} is missing`;
      if (bytes.length !== size || size % 20 !== 0 || sha256(bytes) !== digest) return `${name} is damaged`;
      if (!ids.importGeneration(number, bytes)) return `${name} does not fit`;
    }
    for (const { number, stamp } of ids.generations()) {
      const generation = image.generations.find((one) => one.number === number);
      if (generation) this.#stored.set(number, { stamp, generation });
    }
    return undefined;
  }

  async #saveGenerations(ids: IdentitySet): Promise<ImageGeneration[]> {
    const stored = new Map<number, { stamp: bigint; generation: ImageGeneration }>();
    for (const [place, { number, stamp }] of ids.generations().entries()) {
      const known = this.#stored.get(number);
      if (known?.stamp === stamp) {
        stored.set(number, known);
        continue;
      }
      const bytes = ids.exportGeneration(place);
      const name = `${this.#ports.randomness.uuid()}.ids`;
      await this.#ports.state.put(this.#pathOf(name), bytes);
      stored.set(number, { stamp, generation: { number, name, bytes: bytes.length, sha256: sha256(bytes) } });
    }
    this.#stored = stored;
    return [...stored.values()].map(({ generation }) => generation);
  }

  /** Leaves the image just written, the one before it, and what these two name. */
  async #deleteOthers(newest: ImageHeading): Promise<void> {
    const { state } = this.#ports;
    const before = (await this.#versions()).findLast((version) => version < newest.version);
    const bytes = before === undefined ? undefined : await state.get(this.#pathOf(headingName(before)));
    const older = bytes && decodeHeading(bytes);
    const images = older ? [newest, older] : [newest];
    const named = new Set(
      images.flatMap(({ version, generations }) => [
        headingName(version),
        ...generations.map(({ name }) => name),
      ]),
    );
    for (const { path } of await state.list(this.#tableId))
      if (!named.has(path.slice(this.#tableId.length + 1))) await state.delete(path);
  }

  /** Of the images, oldest first. */
  async #versions(): Promise<number[]> {
    if (!this.#isStorable) return [];
    const objects = await this.#ports.state.list(this.#tableId);
    return objects.flatMap(({ path }) => {
      const match = HEADING.exec(path.slice(this.#tableId.length + 1));
      return match ? [Number(match[1])] : [];
    });
  }

  /** A foreign table's id may be no name. */
  get #isStorable(): boolean {
    return isStorePath(this.#tableId) && !this.#tableId.includes("/");
  }

  #pathOf(name: string): string {
    return `${this.#tableId}/${name}`;
  }
}

function headingName(version: number): string {
  return `${String(version).padStart(20, "0")}.image`;
}
