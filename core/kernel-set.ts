/**
 * What dedup knows: identities and when they were ingested. A record is a duplicate exactly when the set holds
 * the same identity with an ingest time at most the horizon away, earlier or later, so partitions may be
 * processed in any order.
 *
 * What `admit` adds is tentative until the commit that lands it is known: `keep` after it, `undo` when the
 * attempt is given up.
 *
 * Within a budget (identity-budget.ts) entries are sealed into parts that say no more than "maybe". Whoever admits then
 * looks the unsettled records up in the lake and says what it found: a maybe alone never makes a duplicate.
 */
import { assert } from "./assert.ts";
import type { MuaraError } from "./errors.ts";
import type { IdentityBudget } from "./identity-budget.ts";
import { ENTRY_BYTES, SET_BAD_ENTRY, SET_MAYBE } from "./kernel-abi.ts";
import type { KernelMemory } from "./kernel-memory.ts";

export const ADMIT_DUPLICATE = 0;
export const ADMIT_NEW = 1;
/** Not in the set, and not added, since the record has a verdict. */
export const ADMIT_UNKNOWN = 2;
/** A sealed part may have it: the lake has to say, then the records are admitted again. */
export const ADMIT_UNSETTLED = 3;

/** What the lake said of a record (`admit`): not asked; has it within the horizon; has not. */
export const SETTLED_NOT = 0;
export const SETTLED_IN_LAKE = 1;
export const SETTLED_NEW = 2;

const HOUR_MS = 3_600_000;
/** Entries moved per call of the kernel, a multiple of 16. */
const CHUNK = 65_536;
/** Entries, first and last ms within the generation, shard bits, bytes of the filter: u32 each. */
const PART_NUMBERS_BYTES = 20;

/** The entries of one span of ingest time: [number, number + 1) × generationMs. */
export interface Generation {
  readonly number: number;
  /** Entries. */
  readonly size: number;
  /** Equal stamps mean equal entries, for as long as the process lives. */
  readonly stamp: bigint;
  /** Room of its table, entries or none. */
  readonly slots: number;
}

/** Entries of one generation as a filter. */
export interface SealedPart {
  /** Entries. */
  readonly size: number;
  /** Ingest times of the oldest and the newest, ms since 1970 UTC. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Of the filter; 0: there is none, every record near is unsettled. */
  readonly bytes: number;
  /** Equal stamps mean equal parts, for as long as the process lives. */
  readonly stamp: bigint;
}

export interface IdentitySetOptions {
  /** Ingest times this far apart are still duplicates. Default 48 h. */
  readonly horizonMs?: number;
  /** Entries leave in spans of this length, at most the horizon. Default 12 h. */
  readonly generationMs?: number;
}

export class IdentitySet {
  readonly horizonMs: number;
  readonly generationMs: number;
  readonly #memory: KernelMemory;
  readonly #budget: IdentityBudget;
  #handle: number;

  constructor(memory: KernelMemory, options: IdentitySetOptions, budget: IdentityBudget) {
    this.horizonMs = options.horizonMs ?? 48 * HOUR_MS;
    this.generationMs = options.generationMs ?? 12 * HOUR_MS;
    assert(this.generationMs >= 1 && this.generationMs < 2 ** 32, "a generation takes 1 ms to 49 days");
    assert(this.horizonMs >= this.generationMs, "a generation is no longer than the horizon");
    assert(this.horizonMs <= 2 ** 45, "a horizon is at most 1,115 years");
    this.#memory = memory;
    this.#budget = budget;
    this.#handle = memory.address(memory.exports.createSet(this.horizonMs, this.generationMs));
    budget.join(this);
  }

  /** Entries, tentative and sealed ones included. */
  get size(): number {
    return (this.#memory.exports.setSize(this.#open()) >>> 0) + this.sealed;
  }

  /** Entries in sealed parts. */
  get sealed(): number {
    return this.#memory.exports.sealedSize(this.#open()) >>> 0;
  }

  /** Memory that the set takes. */
  get bytes(): number {
    return this.#memory.exports.setBytes(this.#open()) >>> 0;
  }

  get tentative(): number {
    return this.#memory.exports.tentativeCount(this.#open()) >>> 0;
  }

  /**
   * Judges `count` records in order; each new one is known to those behind it.
   * @param identities [record × 2] as `Scan.identities` gives them
   * @param ingestMs [record] whole ms since 1970 UTC
   * @param verdicts [record] where not 0, the record is only looked up
   * @param settled [record] SETTLED_*, what the lake said; absent: nobody asked it
   * @returns [record] ADMIT_*. With an ADMIT_UNSETTLED among them nothing was added, and each is as if the record came
   *   alone: one that is new or unknown then, may be called SETTLED_NEW in the next call, which takes less time
   * @throws kernel.memory after taking back what this call had added
   */
  admit(
    count: number,
    identities: BigUint64Array,
    ingestMs: Float64Array,
    verdicts: Uint8Array,
    settled?: Uint8Array,
  ): Uint8Array {
    assert(identities.length >= count * 2, "there are fewer identities than records");
    assert(ingestMs.length >= count, "there are fewer ingest times than records");
    assert(verdicts.length >= count, "there are fewer verdicts than records");
    assert((settled?.length ?? count) >= count, "there are fewer answers of the lake than records");
    const memory = this.#memory;
    const identitiesInside = memory.addressOf(identities);
    const verdictsInside = memory.addressOf(verdicts);
    const [times, ids, flags, out] = memory.place(
      count * 8,
      identitiesInside === undefined ? count * 16 : 0,
      count * 2,
      count,
    );
    memory.doubles(times, count).set(ingestMs.subarray(0, count));
    if (identitiesInside === undefined) {
      memory.unsignedLongs(ids, count * 2).set(identities.subarray(0, count * 2));
    }
    if (verdictsInside === undefined) memory.bytes(flags, count).set(verdicts.subarray(0, count));
    if (settled) memory.bytes(flags + count, count).set(settled.subarray(0, count));
    else memory.bytes(flags + count, count).fill(SETTLED_NOT);
    const status = this.#within(() => {
      const answer = memory.exports.admit(
        this.#open(),
        count,
        identitiesInside ?? ids,
        times,
        verdictsInside ?? flags,
        flags + count,
        out,
      );
      return { isDone: answer >= 0, answer };
    });
    const answers = memory.bytes(out, count).slice();
    assert(
      status.answer !== SET_MAYBE || answers.includes(ADMIT_UNSETTLED),
      "something is unsettled, but nothing says so",
    );
    return answers;
  }

  /**
   * Adds entries for good, to rebuild a set from a table. An identity that its generation already has keeps the
   * later of both times, so that the order of insertion does not matter.
   * @throws kernel.memory with some of them added
   */
  insert(count: number, identities: BigUint64Array, ingestMs: Float64Array): void {
    assert(identities.length >= count * 2 && ingestMs.length >= count, "columns are shorter than the count");
    const memory = this.#memory;
    const [ids, times] = memory.place(count * 16, count * 8);
    memory.unsignedLongs(ids, count * 2).set(identities.subarray(0, count * 2));
    memory.doubles(times, count).set(ingestMs.subarray(0, count));
    let done = 0;
    this.#within(() => {
      done += memory.exports.insert(this.#open(), count - done, ids + done * 16, times + done * 8) >>> 0;
      return { isDone: done === count };
    });
  }

  /** Oldest first. */
  generations(): readonly Generation[] {
    const { exports } = this.#memory;
    const set = this.#open();
    return Array.from({ length: exports.generationCount(set) >>> 0 }, (_, place) => ({
      number: exports.generationNumber(set, place),
      size: exports.generationSize(set, place) >>> 0,
      stamp: exports.generationStamp(set, place),
      slots: exports.generationSlots(set, place) >>> 0,
    }));
  }

  /**
   * A copy of one generation's entries, for a state image; nothing may be tentative.
   * @param place in `generations()`
   * @returns [entry × 20 bytes] identity, u32 ms within the generation; in an order that is quick to put back
   */
  exportGeneration(place: number): Uint8Array<ArrayBuffer> {
    assert(this.tentative === 0, "tentative entries are no state");
    const generation = this.generations()[place];
    assert(generation !== undefined, `no generation at ${place}`);
    const memory = this.#memory;
    const result = new Uint8Array(generation.size * ENTRY_BYTES);
    const most = Math.min(CHUNK, generation.size + 16); // the kernel writes by whole groups of 16 slots
    const [out] = memory.place(most * ENTRY_BYTES);
    let slot = 0;
    for (let at = 0; at < result.length; slot = memory.exports.exportedTo() >>> 0) {
      const count = memory.exports.exportEntries(this.#open(), place, slot, most, out) >>> 0;
      assert(count > 0, "a generation has fewer entries than it says");
      result.set(memory.bytes(out, count * ENTRY_BYTES), at);
      at += count * ENTRY_BYTES;
    }
    return result;
  }

  /**
   * Adds what `exportGeneration` gave, like `insert`. The horizon and the span must be those of the exporting set.
   * @returns false where a time lies outside of the generation: some entries are added then
   * @throws kernel.memory with some of them added
   */
  importGeneration(number: number, entries: Uint8Array): boolean {
    assert(Number.isSafeInteger(number), "a generation's number is an integer");
    assert(entries.length % ENTRY_BYTES === 0, "entries have 20 bytes each");
    const memory = this.#memory;
    const total = entries.length / ENTRY_BYTES;
    // Within a budget the table may not get as large as that: then it grows as it can.
    const hasRoom = memory.exports.reserveGeneration(this.#open(), number, total);
    if (!hasRoom && !this.#budget.isLimited) throw memory.exhausted();
    for (let from = 0; from < total; from += CHUNK) {
      const count = Math.min(CHUNK, total - from);
      const [at] = memory.place(count * ENTRY_BYTES);
      memory
        .bytes(at, count * ENTRY_BYTES)
        .set(entries.subarray(from * ENTRY_BYTES, (from + count) * ENTRY_BYTES));
      let done = 0;
      const { isBad } = this.#within(() => {
        const start = at + done * ENTRY_BYTES;
        const status = memory.exports.importEntries(this.#open(), number, count - done, start);
        if (status > 0) done += status;
        return { isDone: done === count || status === SET_BAD_ENTRY, isBad: status === SET_BAD_ENTRY };
      });
      if (isBad) return false;
    }
    return true;
  }

  /**
   * Turns a generation's entries into a sealed part; without any only its table shrinks. Nothing may be tentative.
   * @param place in `generations()`
   * @param isBlind without a filter
   * @param keepsTable its table stays as large as it is
   * @returns false when there is no memory: nothing has changed then
   */
  seal(place: number, isBlind = false, keepsTable = false): boolean {
    assert(this.tentative === 0, "tentative entries are not sealed");
    return this.#memory.exports.seal(this.#open(), place, isBlind ? 1 : 0, keepsTable ? 1 : 0) === 0;
  }

  /**
   * Where the lake may have unsettled records: the ingest times that the sealed parts span which may hold them.
   * @returns [record × 2] first and last, ms since 1970 UTC; last before first where no part may
   */
  locate(count: number, identities: BigUint64Array, ingestMs: Float64Array): Float64Array<ArrayBuffer> {
    const memory = this.#memory;
    const [ids, times, out] = memory.place(count * 16, count * 8, count * 16);
    memory.unsignedLongs(ids, count * 2).set(identities.subarray(0, count * 2));
    memory.doubles(times, count).set(ingestMs.subarray(0, count));
    memory.exports.locate(this.#open(), count, ids, times, out);
    return memory.doubles(out, count * 2).slice();
  }

  /** The sealed parts of a generation, newest first. */
  parts(place: number): readonly SealedPart[] {
    const { exports } = this.#memory;
    const startMs = exports.generationNumber(this.#open(), place) * this.generationMs;
    return this.#addressesOf(place).map((part) => {
      const [size = 0, first = 0, last = 0, , bytes = 0] = this.#memory.words(
        exports.partNumbers(part) >>> 0,
        5,
      );
      const stamp = exports.partStamp(part);
      return { size, firstMs: startMs + first, lastMs: startMs + last, bytes, stamp };
    });
  }

  /** A copy of a sealed part for a state image: five u32 and the filter. */
  exportPart(place: number, index: number): Uint8Array<ArrayBuffer> {
    const { exports } = this.#memory;
    const part = this.#addressesOf(place)[index];
    assert(part !== undefined, `no sealed part ${index} at ${place}`);
    const numbers = exports.partNumbers(part) >>> 0;
    const [, , , , bytes = 0] = this.#memory.words(numbers, 5);
    const result = new Uint8Array(PART_NUMBERS_BYTES + bytes);
    result.set(this.#memory.bytes(numbers, PART_NUMBERS_BYTES));
    if (bytes > 0) result.set(this.#memory.bytes(exports.partBody(part) >>> 0, bytes), PART_NUMBERS_BYTES);
    return result;
  }

  /**
   * Adds a sealed part as `exportPart` gave it. The horizon and the span must be those of the exporting set.
   * @returns false where it is none: nothing has changed then
   * @throws kernel.memory
   */
  importPart(number: number, image: Uint8Array): boolean {
    assert(Number.isSafeInteger(number), "a generation's number is an integer");
    if (image.length < PART_NUMBERS_BYTES) return false;
    const memory = this.#memory;
    const [at] = memory.place(image.length);
    memory.bytes(at, image.length).set(image);
    const { isBad } = this.#within(() => {
      const status = memory.exports.importPart(this.#open(), number, at, image.length);
      return { isDone: status === 0 || status === SET_BAD_ENTRY, isBad: status === SET_BAD_ENTRY };
    });
    return !isBad;
  }

  /** Gives the filter of a sealed part back; blind parts side by side become one. */
  blind(place: number, index: number): void {
    assert(this.#addressesOf(place)[index] !== undefined, `no sealed part ${index} at ${place}`);
    this.#memory.exports.blindPart(this.#open(), place, index);
  }

  /** Makes tentative entries permanent. */
  keep(): void {
    this.#memory.exports.keepTentative(this.#open());
  }

  /** Removes exactly the tentative entries. */
  undo(): void {
    this.#memory.exports.undoTentative(this.#open());
  }

  /** Forgets generations that end before `slowestIngestMs` less the horizon. */
  expire(slowestIngestMs: number): void {
    assert(Number.isFinite(slowestIngestMs), "an ingest time is a number of ms");
    this.#memory.exports.expire(this.#open(), slowestIngestMs);
  }

  /** Removes everything, tentative or not. */
  clear(): void {
    this.#memory.exports.clearSet(this.#open());
  }

  /** Gives its memory back. */
  destroy(): void {
    this.#memory.exports.destroySet(this.#open());
    this.#budget.leave(this);
    this.#handle = 0;
  }

  /** Of the sealed parts of a generation, newest first; until the set changes. */
  #addressesOf(place: number): number[] {
    const { exports } = this.#memory;
    const parts: number[] = [];
    let part = exports.newestPart(this.#open(), place) >>> 0;
    for (; part !== 0; part = exports.olderPart(part) >>> 0) parts.push(part);
    return parts;
  }

  /** Calls until it is done, and makes room before each further call. @throws kernel.memory */
  #within<Result extends { readonly isDone: boolean }>(call: () => Result): Result {
    for (;;) {
      const result = call();
      if (result.isDone) return result;
      const refused: MuaraError = this.#memory.exhausted();
      if (!this.#budget.makeRoom(this)) throw refused;
    }
  }

  #open(): number {
    assert(this.#handle !== 0, "this identity set was destroyed");
    return this.#handle;
  }
}
