/** Reading one stream: by offset and by time, from the snapshot of a compacted stream and from its groups. */
import { MuaraError } from "../../core/errors.ts";
import type { ReadBatch } from "../../core/record.ts";
import type { Chain } from "./chain.ts";
import { corrupt } from "./frame.ts";
import { type Group, type GroupHeader, groupPath, recordsOf, startsOf } from "./group.ts";
import { Picker } from "./records.ts";
import type { Snapshot, Snapshots } from "./snapshot.ts";

/** Groups asked for at a time. */
const WIDTH_MAX = 8;
/** Retention may take away what is being read; then the stream's start has moved. */
const ATTEMPTS = 4;

export class Reader {
  readonly #chain: Chain;
  readonly #snapshots: Snapshots;
  /** [partition] where the last read ended, and the group to go on with. */
  readonly #hints: ({ readonly offset: number; readonly group: number } | undefined)[] = [];

  constructor(chain: Chain, snapshots: Snapshots) {
    this.#chain = chain;
    this.#snapshots = snapshots;
  }

  /** @throws log.offset_out_of_range */
  async read(partition: number, offset: number, maxBytes: number): Promise<ReadBatch> {
    for (let attempt = 1; ; attempt++) {
      let { header } = await this.#chain.state();
      if (offset >= header.ends[partition]!) ({ header } = await this.#chain.fresh(attempt > 1));
      if (offset > header.ends[partition]!) ({ header } = await this.#chain.fresh(true));
      this.#checkRange(header, partition, offset);
      const picker = new Picker(maxBytes);
      const next = await this.#pick(header, partition, offset, picker);
      if (next !== undefined) {
        const { name } = this.#chain.info;
        const endOffset = header.ends[partition]!;
        return { stream: name, partition, next, endOffset, ...picker.picked() };
      }
      // Groups that hold nothing of this partition go, too.
      this.#hints[partition] = undefined;
      await this.#chain.fresh(true);
      if (attempt === ATTEMPTS)
        throw corrupt(
          groupPath(this.#chain.info, header.group),
          `has no group before it for offset ${offset}`,
        );
    }
  }

  #checkRange({ starts, ends }: GroupHeader, partition: number, offset: number): void {
    const [start, end] = [starts[partition]!, ends[partition]!];
    if (offset >= start && offset <= end) return;
    const { name } = this.#chain.info;
    throw new MuaraError(
      "log.offset_out_of_range",
      `${name}/${partition} holds [${start}, ${end}), not ${offset}`,
      { details: { stream: name, partition, offset, start, end } },
    );
  }

  /** @returns where to read on; undefined where something was deleted under the reader's hands */
  async #pick(
    header: GroupHeader,
    partition: number,
    offset: number,
    picker: Picker,
  ): Promise<number | undefined> {
    const end = header.ends[partition]!;
    let at = offset;
    const { snapshot } = header;
    if (snapshot && at < snapshot.ends[partition]!) {
      const stored = await this.#snapshots.load(snapshot);
      if (!stored) return undefined;
      const rest = picker.take(stored.partitions[partition]!, at);
      if (rest !== undefined) return rest;
      at = snapshot.ends[partition]!;
    }
    if (at >= end) return end;
    let group = await this.#groupOf(header, partition, at);
    for (let width = 1; group <= header.group && !picker.isFull; width = Math.min(WIDTH_MAX, width * 2)) {
      const count = Math.min(width, header.group - group + 1);
      const numbers = Array.from({ length: count }, (_, i) => group + i);
      const loaded = await Promise.all(numbers.map((number) => this.#chain.whole(number)));
      for (const found of loaded) {
        if (!found || startsOf(found.header)[partition]! > at) return undefined;
        const rest = takeGroup(found, partition, at, picker);
        if (rest !== undefined) return this.#remember(partition, rest, found.header.group);
        at = found.header.ends[partition]!;
        group = found.header.group + 1;
        if (picker.isFull) break;
      }
    }
    return this.#remember(partition, at, group);
  }

  #remember(partition: number, offset: number, group: number): number {
    this.#hints[partition] = { offset, group };
    return offset;
  }

  /** The group that holds `offset`. */
  async #groupOf(header: GroupHeader, partition: number, offset: number): Promise<number> {
    const hint = this.#hints[partition];
    // What compaction put into the snapshot since then needs no group.
    if (hint?.offset === offset) return Math.max(hint.group, lowest(header));
    return this.#chain.firstGroup(lowest(header), ({ ends }) => ends[partition]! > offset);
  }

  /** The first offset of a group of this partition that begins at or before `offset`. */
  async groupStart(partition: number, offset: number): Promise<number> {
    const { header } = await this.#chain.state();
    if (offset >= header.ends[partition]!) return header.ends[partition]!;
    const found = await this.#chain.header(await this.#groupOf(header, partition, offset));
    return found ? Math.min(offset, startsOf(found.header)[partition]!) : header.starts[partition]!;
  }

  /** The first group that holds records of this partition from `offset` on; the one to come where none does yet. */
  async firstGroupOf(partition: number, offset: number): Promise<number> {
    const { header } = await this.#chain.state();
    return this.#chain.firstGroup(lowest(header), ({ ends }) => ends[partition]! > offset);
  }

  /** The first offset with an ingest time of at least `ingestMs`; the end where there is none. */
  async offsetAt(partition: number, ingestMs: number): Promise<number> {
    const { header } = await this.#chain.fresh();
    const { snapshot } = header;
    if (snapshot) {
      const stored: Snapshot | undefined = await this.#snapshots.load(snapshot);
      const records = stored?.partitions[partition];
      const i = records?.ingestMs.findIndex((at) => at >= ingestMs) ?? -1;
      if (i >= 0) return records!.offsets[i]!;
    }
    const number = await this.#chain.firstGroup(lowest(header), (group) => group.ingestMs >= ingestMs);
    const found = number > header.group ? undefined : await this.#chain.header(number);
    if (!found) return header.ends[partition]!;
    return Math.max(header.starts[partition]!, startsOf(found.header)[partition] ?? 0);
  }
}

/** The first group that records are read from. */
function lowest({ first, snapshot }: GroupHeader): number {
  return Math.max(first, snapshot ? snapshot.group + 1 : 0);
}

/** @returns the first offset without room; undefined where all were taken */
function takeGroup(group: Group, partition: number, offset: number, picker: Picker): number | undefined {
  for (const batch of recordsOf(group, partition)) {
    const rest = picker.take(batch, offset);
    if (rest !== undefined) return rest;
  }
  return undefined;
}
