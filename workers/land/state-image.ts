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
  type ImagePart,
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
  /** By stamp: what of the present set is stored already. */
  #stored = new Map<bigint, ImagePart>();

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
      const format = "muara state image 3" as const;
      const generations = await this.#saveGenerations(ids);
      if (!generations) return false;
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
    for (const generation of image.generations) {
      const { number, name, parts } = generation;
      for (const part of parts) {
        const bytes = await this.#read(part);
        if (typeof bytes === "string") return bytes;
        if (!ids.importPart(number, bytes)) return `${part.name} does not fit`;
      }
      const entries = await this.#read(generation);
      if (typeof entries === "string") return entries;
      if (entries.length % 20 !== 0 || !ids.importGeneration(number, entries)) return `${name} does not fit`;
    }
    this.#noteStored(ids, image);
    return undefined;
  }

  /** What lies under a name, or what is wrong with it. */
  async #read({ name, bytes: size, sha256: digest }: ImagePart): Promise<Uint8Array | string> {
    const bytes = await this.#ports.state.get(this.#pathOf(name));
    if (!bytes) return `${name} is missing`;
    return bytes.length === size && sha256(bytes) === digest ? bytes : `${name} is damaged`;
  }

  /** What the image filled the set with need not be written again; but less memory than it was made with changes it. */
  #noteStored(ids: IdentitySet, image: ImageHeading): void {
    for (const [place, { number, size, stamp }] of ids.generations().entries()) {
      const generation = image.generations.find((one) => one.number === number);
      const parts = ids.parts(place).toReversed();
      if (!generation || parts.length !== generation.parts.length || size * 20 !== generation.bytes) continue;
      const isSame = parts.every(({ bytes }, i) => bytes + 20 === generation.parts[i]!.bytes);
      if (!isSame) continue;
      this.#stored.set(stamp, generation);
      for (const [i, part] of parts.entries()) this.#stored.set(part.stamp, generation.parts[i]!);
    }
  }

  /** @returns undefined where the set was sealed meanwhile, for the sake of others: then there is no image this time */
  async #saveGenerations(ids: IdentitySet): Promise<ImageGeneration[] | undefined> {
    const stored = new Map<bigint, ImagePart>();
    const generations: ImageGeneration[] = [];
    const before = stampsOf(ids).join();
    const save = async (stamp: bigint, kind: string, exportBytes: () => Uint8Array): Promise<boolean> => {
      const known = this.#stored.get(stamp);
      if (known) stored.set(stamp, known);
      else {
        const bytes = exportBytes();
        const name = `${this.#ports.randomness.uuid()}.${kind}`;
        await this.#ports.state.put(this.#pathOf(name), bytes);
        stored.set(stamp, { name, bytes: bytes.length, sha256: sha256(bytes) });
      }
      return stampsOf(ids).join() === before;
    };
    for (const [place, { number, stamp }] of ids.generations().entries()) {
      if (!(await save(stamp, "ids", () => ids.exportGeneration(place)))) return undefined;
      const parts: ImagePart[] = [];
      for (const [index, part] of [...ids.parts(place).entries()].toReversed()) {
        if (!(await save(part.stamp, "part", () => ids.exportPart(place, index)))) return undefined;
        parts.push(plain(stored.get(part.stamp)!));
      }
      generations.push({ number, ...plain(stored.get(stamp)!), parts });
    }
    this.#stored = stored;
    return generations;
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
        ...generations.flatMap(({ name, parts }) => [name, ...parts.map((part) => part.name)]),
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

/** All that a set holds, in a form that changes when it does. */
function stampsOf(ids: IdentitySet): bigint[] {
  return ids
    .generations()
    .flatMap(({ stamp }, place) => [stamp, ...ids.parts(place).map((part) => part.stamp)]);
}

function plain({ name, bytes, sha256: digest }: ImagePart): ImagePart {
  return { name, bytes, sha256: digest };
}

function headingName(version: number): string {
  return `${String(version).padStart(20, "0")}.image`;
}
