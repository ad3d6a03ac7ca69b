/**
 * Groups by path, loaded from the store or kept in memory within a budget of bytes, the longest unused going first.
 * A group changes only by an erasure, which says so in the chain (erasure.ts); then all of its stream are forgotten,
 * and what was asked for before is not kept. One that retention deleted may still be found.
 */
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { headerEnd } from "./frame.ts";
import { decodeGroup, type Group } from "./group.ts";

/** Read at first: all of a small group, the header of any but a large checkpoint. */
const HEAD_BYTES = 65_536;
/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 1_000;

interface Entry {
  readonly group: Group;
  readonly bytes: number;
}

export class GroupCache {
  readonly #store: ObjectStore;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  /** How often groups were forgotten. */
  #epoch = 0;

  constructor(store: ObjectStore, maxBytes: number) {
    this.#store = store;
    this.#maxBytes = maxBytes;
  }

  /** With its header at least. @returns undefined where there is no such group. @throws log.corrupt */
  async header(path: string): Promise<Group | undefined> {
    const known = this.#known(path);
    if (known) return known;
    const epoch = this.#epoch;
    const head = await this.#store.getRange(path, 0, HEAD_BYTES);
    if (!head) return undefined;
    const end = headerEnd(head, path);
    const bytes = end <= head.length ? head : await this.#store.getRange(path, 0, end);
    return bytes && this.#decode(path, bytes, epoch);
  }

  /** With its records. @returns undefined where there is no such group. @throws log.corrupt */
  async whole(path: string): Promise<Group | undefined> {
    const found = await this.header(path);
    if (!found || found.body) return found;
    const epoch = this.#epoch;
    const bytes = await this.#store.get(path);
    return bytes && this.#decode(path, bytes, epoch);
  }

  /** What was just written need not be read. */
  async keep(path: string, bytes: Uint8Array): Promise<Group> {
    return this.#decode(path, bytes, this.#epoch);
  }

  /** @param prefix of paths */
  forgetBelow(prefix: string): void {
    this.#epoch++;
    for (const path of this.#entries.keys()) if (path.startsWith(prefix)) this.#forget(path);
  }

  /** @param epoch when the bytes were asked for */
  async #decode(path: string, bytes: Uint8Array, epoch: number): Promise<Group> {
    const group = await decodeGroup(bytes, path);
    const size = ENTRY_BYTES + group.frame.bodyAt + (group.body?.length ?? 0);
    if (epoch === this.#epoch) this.#remember(path, group, size);
    return group;
  }

  #known(path: string): Group | undefined {
    const entry = this.#entries.get(path);
    if (!entry) return undefined;
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    return entry.group;
  }

  #remember(path: string, group: Group, bytes: number): void {
    this.#forget(path);
    this.#entries.set(path, { group, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#forget(oldest);
    }
  }

  #forget(path: string): void {
    this.#bytes -= this.#entries.get(path)?.bytes ?? 0;
    this.#entries.delete(path);
  }
}
