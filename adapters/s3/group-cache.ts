/**
 * Groups by path, loaded from the store or kept in memory within a budget of bytes, the longest unused going first.
 * A group never changes, so nothing here is ever stale; one that retention deleted may still be found.
 */
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { bodyOf, corrupt, decodeHeader, headerEnd } from "./frame.ts";
import type { Group, GroupHeader } from "./group.ts";

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

  constructor(store: ObjectStore, maxBytes: number) {
    this.#store = store;
    this.#maxBytes = maxBytes;
  }

  /** With its header at least. @returns undefined where there is no such group. @throws log.corrupt */
  async header(path: string): Promise<Group | undefined> {
    const known = this.#known(path);
    if (known) return known;
    const head = await this.#store.getRange(path, 0, HEAD_BYTES);
    if (!head) return undefined;
    const end = headerEnd(head, path);
    const bytes = end <= head.length ? head : await this.#store.getRange(path, 0, end);
    return bytes && this.#decode(path, bytes);
  }

  /** With its records. @returns undefined where there is no such group. @throws log.corrupt */
  async whole(path: string): Promise<Group | undefined> {
    const found = await this.header(path);
    if (!found || found.body) return found;
    const bytes = await this.#store.get(path);
    return bytes && this.#decode(path, bytes);
  }

  /** What was just written need not be read. */
  async keep(path: string, bytes: Uint8Array): Promise<Group> {
    return this.#decode(path, bytes);
  }

  async #decode(path: string, bytes: Uint8Array): Promise<Group> {
    const frame = await decodeHeader(bytes, path);
    const header = frame.header as GroupHeader;
    if (!Array.isArray(header.ends) || !Array.isArray(header.batches))
      throw corrupt(path, "has a header that is none");
    const isWhole = bytes.length >= frame.bodyAt + frame.bodyBytes;
    const body = isWhole ? await bodyOf(bytes, frame, path) : undefined;
    const group = { header, frame, body };
    this.#remember(path, group, ENTRY_BYTES + frame.bodyAt + (body?.length ?? 0));
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
