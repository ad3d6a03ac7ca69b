/**
 * The groups of one stream as a chain: group n + 1 exists only after group n, and says where the stream stands after
 * it. This file finds the chain's end, follows it, and finds the group that holds an offset or a time.
 *
 * The end is found from a hint (the number of a checkpoint, written now and then) by looking ahead in growing steps;
 * the hint may be old or missing, which costs time only. Retention writes it before it deletes anything, so a chain
 * without a hint begins at 0.
 *
 * Surprising rule: what was known of the end is worth nothing after a few minutes, and is looked for anew. The group
 * that followed may have been written *and deleted* since; its number would be free, and a group written there would
 * be lost. Retention leaves every group for longer than that.
 */
import type { Clock } from "../../core/clock.ts";
import type { StreamInfo } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { corrupt } from "./frame.ts";
import { type Group, groupFolder, type GroupHeader, groupPath } from "./group.ts";
import type { GroupCache } from "./group-cache.ts";
import { StreamState } from "./stream-state.ts";

/** Groups asked for at a time while a chain is followed. */
const WIDTH_MAX = 16;
/** Steps that one look ahead takes: 1, 2, 4 … groups. */
const LOOKS = 7;
/** What was known of the end is good for this long, ms; less than retention leaves a group, by a margin. */
const KNOWN_MS = 240_000;

export interface ChainPorts {
  readonly store: ObjectStore;
  readonly cache: GroupCache;
  readonly clock: Clock;
  /** An end that was looked up less than this ago is taken as it is, ms. */
  readonly freshMs: number;
  /** Called for each new group that holds records, whoever wrote it. */
  readonly onRecords: () => void;
}

export class Chain {
  /** As it was when this process found it. */
  readonly #found: StreamInfo;
  readonly #ports: ChainPorts;
  #state: StreamState | undefined;
  #lookedMs = -Infinity;

  constructor(info: StreamInfo, ports: ChainPorts) {
    this.#found = info;
    this.#ports = ports;
  }

  /** As far as this process has read. */
  get info(): StreamInfo {
    const options = this.#state?.header.options;
    return options ? { ...this.#found, ...options } : this.#found;
  }

  /** Whether the stream is known to be deleted. */
  get isClosed(): boolean {
    return this.#state?.header.isClosed === true;
  }

  /** Where the stream stood when this process last looked; opens the chain where it never did. */
  async state(): Promise<StreamState> {
    if (this.#state && this.#ports.clock.monotonicMs() - this.#lookedMs < KNOWN_MS) return this.#state;
    const found = await this.#open();
    const known = this.#state?.header.group ?? -1;
    if (!this.#state || found.header.group > known) {
      this.#heed(this.#state?.header.erasures, found.header);
      this.#state = found;
    }
    if (found.header.group > known && known >= 0) this.#ports.onRecords();
    return this.#state;
  }

  /** Where the stream stands now, or stood a moment ago. */
  async fresh(isUrgent = false): Promise<StreamState> {
    const startedMs = this.#ports.clock.monotonicMs();
    const state = await this.state();
    const isNew = this.#lookedMs >= startedMs;
    const ageMs = startedMs - this.#lookedMs;
    if (!isNew && (isUrgent || ageMs >= this.#ports.freshMs)) await this.#follow(state);
    return state;
  }

  /** Takes over a group that this process wrote. @param startedMs monotonic ms before it was written */
  async append(group: number, bytes: Uint8Array, startedMs: number): Promise<void> {
    let state = await this.state();
    // What others have seen already they may have erased from.
    if (state.header.group < group) {
      const { header } = await this.#ports.cache.keep(groupPath(this.info, group), bytes);
      state = await this.state();
      this.#apply(state, header);
    }
    if (state.header.group === group) this.#lookedMs = Math.max(this.#lookedMs, startedMs);
  }

  /** Reads the groups that follow until there is none. */
  async #follow(state: StreamState): Promise<void> {
    const startedMs = this.#ports.clock.monotonicMs();
    for (let width = 1; ; width = Math.min(WIDTH_MAX, width * 2)) {
      const next = state.header.group + 1;
      const found = await this.#headers(next, width);
      for (const header of found) if (header) this.#apply(state, header);
      if (found.includes(undefined)) break;
    }
    this.#lookedMs = startedMs;
  }

  #apply(state: StreamState, header: GroupHeader): void {
    const { erasures } = state.header;
    if (!state.apply(header)) return;
    this.#heed(erasures, header);
    if (header.batches.length > 0) this.#ports.onRecords();
  }

  /** After an erasure groups are not what they were when they were loaded. */
  #heed(known: number | undefined, { erasures }: GroupHeader): void {
    if (erasures !== known) this.#ports.cache.forgetBelow(`${groupFolder(this.info)}/`);
  }

  /** Headers of the groups from `first` on, up to the first that is not there. */
  async #headers(first: number, count: number): Promise<(GroupHeader | undefined)[]> {
    const numbers = Array.from({ length: count }, (_, i) => first + i);
    const groups = await Promise.all(numbers.map((group) => this.header(group)));
    const end = groups.indexOf(undefined);
    return (end < 0 ? groups : groups.slice(0, end + 1)).map((group) => group?.header);
  }

  /** @returns undefined where there is no such group (any more) */
  header(group: number): Promise<Group | undefined> {
    return this.#ports.cache.header(groupPath(this.info, group));
  }

  /** The same with its records. */
  whole(group: number): Promise<Group | undefined> {
    return this.#ports.cache.whole(groupPath(this.info, group));
  }

  /** Remembers where to begin to look for the end. @throws store.unavailable, where only time is lost */
  async writeHint(group: number): Promise<void> {
    await this.#ports.store.put(this.#hintPath, new TextEncoder().encode(JSON.stringify({ group })));
  }

  /** When the hint was written, by the store's clock. @returns 0 where there is none */
  async hintMs(): Promise<number> {
    return (await this.#ports.store.head(this.#hintPath))?.modifiedMs ?? 0;
  }

  get #hintPath(): string {
    return `hints/${this.info.topicId}.json`;
  }

  async #open(): Promise<StreamState> {
    const startedMs = this.#ports.clock.monotonicMs();
    const last = await this.#findEnd();
    this.#lookedMs = startedMs;
    if (last === undefined) return StreamState.empty(this.info);
    const { checkpoint } = last.header;
    const found = await this.#headers(checkpoint, last.header.group - checkpoint + 1);
    const [first, ...others] = found;
    if (!first || others.includes(undefined))
      throw corrupt(groupPath(this.info, checkpoint), "is missing in the middle of the log");
    const state = StreamState.at(first);
    for (const header of others) state.apply(header!);
    return state;
  }

  /** The newest group. @returns undefined where the stream has none */
  async #findEnd(): Promise<Group | undefined> {
    const hint = await this.#ports.store.get(this.#hintPath);
    let at = 0;
    if (hint) at = Number((JSON.parse(new TextDecoder().decode(hint)) as { group: unknown }).group);
    let found = await this.header(at);
    if (!found && hint) {
      // An older hint came after a newer one, and its group is gone.
      const listed = await this.#ports.store.list(groupFolder(this.info));
      at = Number(listed.at(-1)?.path.split("/").at(-1) ?? 0);
      found = await this.header(at);
    }
    return found && this.#lookAhead(found);
  }

  async #lookAhead(start: Group): Promise<Group> {
    let last = start;
    for (;;) {
      const from = last.header.group;
      const steps = Array.from({ length: LOOKS }, (_, i) => 2 ** i);
      const looks = await Promise.all(steps.map((step) => this.header(from + step)));
      const missing = looks.indexOf(undefined);
      const before = missing < 0 ? looks.at(-1) : looks[missing - 1];
      if (before === undefined) return last;
      last = before;
    }
  }

  /** The first group from `low` on whose header fulfils `holds`, which holds for all later ones, too. */
  async firstGroup(low: number, holds: (header: GroupHeader) => boolean): Promise<number> {
    let from = low;
    let to = (await this.state()).header.group + 1;
    while (from < to) {
      const middle = Math.floor((from + to) / 2);
      const group = await this.header(middle);
      // A group that is gone was before those that are needed.
      if (group && holds(group.header)) to = middle;
      else from = middle + 1;
    }
    return from;
  }
}
