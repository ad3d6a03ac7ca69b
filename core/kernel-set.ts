/**
 * What dedup knows: identities and when they were ingested. A record is a duplicate exactly when the set holds
 * the same identity with an ingest time at most the horizon away, earlier or later, so partitions may be
 * processed in any order.
 *
 * What `admit` adds is tentative until the commit that lands it is known: `keep` after it, `undo` when the
 * attempt is given up.
 */
import { assert } from "./assert.ts";
import { ENTRY_BYTES, IMPORT_BAD_ENTRY, IMPORT_NO_MEMORY } from "./kernel-abi.ts";
import type { KernelMemory } from "./kernel-memory.ts";

export const ADMIT_DUPLICATE = 0;
export const ADMIT_NEW = 1;
/** Not in the set, and not added, since the record has a verdict. */
export const ADMIT_UNKNOWN = 2;

const HOUR_MS = 3_600_000;
/** Entries moved per call of the kernel, a multiple of 16. */
const CHUNK = 65_536;

/** The entries of one span of ingest time: [number, number + 1) × generationMs. */
export interface Generation {
  readonly number: number;
  /** Entries. */
  readonly size: number;
  /** Equal stamps mean equal entries, for as long as the process lives. */
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
  #handle: number;

  constructor(memory: KernelMemory, options: IdentitySetOptions) {
    this.horizonMs = options.horizonMs ?? 48 * HOUR_MS;
    this.generationMs = options.generationMs ?? 12 * HOUR_MS;
    assert(this.generationMs >= 1 && this.generationMs < 2 ** 32, "a generation takes 1 ms to 49 days");
    assert(this.horizonMs >= this.generationMs, "a generation is no longer than the horizon");
    assert(this.horizonMs <= 2 ** 45, "a horizon is at most 1,115 years");
    this.#memory = memory;
    this.#handle = memory.address(memory.exports.createSet(this.horizonMs, this.generationMs));
  }

  /** Entries, tentative ones included. */
  get size(): number {
    return this.#memory.exports.setSize(this.#open()) >>> 0;
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
   * @returns [record] ADMIT_*
   * @throws kernel.memory after taking back what this call had added
   */
  admit(count: number, identities: BigUint64Array, ingestMs: Float64Array, verdicts: Uint8Array): Uint8Array {
    assert(identities.length >= count * 2, "there are fewer identities than records");
    assert(ingestMs.length >= count, "there are fewer ingest times than records");
    assert(verdicts.length >= count, "there are fewer verdicts than records");
    const memory = this.#memory;
    const identitiesInside = memory.addressOf(identities);
    const verdictsInside = memory.addressOf(verdicts);
    const [times, ids, refusals, out] = memory.place(
      count * 8,
      identitiesInside === undefined ? count * 16 : 0,
      verdictsInside === undefined ? count : 0,
      count,
    );
    memory.doubles(times, count).set(ingestMs.subarray(0, count));
    if (identitiesInside === undefined) {
      memory.unsignedLongs(ids, count * 2).set(identities.subarray(0, count * 2));
    }
    if (verdictsInside === undefined) memory.bytes(refusals, count).set(verdicts.subarray(0, count));
    const isDone = memory.exports.admit(
      this.#open(),
      count,
      identitiesInside ?? ids,
      times,
      verdictsInside ?? refusals,
      out,
    );
    if (!isDone) throw memory.exhausted();
    return memory.bytes(out, count).slice();
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
    if (!memory.exports.insert(this.#open(), count, ids, times)) throw memory.exhausted();
  }

  /** Oldest first. */
  generations(): readonly Generation[] {
    const { exports } = this.#memory;
    const set = this.#open();
    return Array.from({ length: exports.generationCount(set) >>> 0 }, (_, place) => ({
      number: exports.generationNumber(set, place),
      size: exports.generationSize(set, place) >>> 0,
      stamp: exports.generationStamp(set, place),
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
    if (!memory.exports.reserveGeneration(this.#open(), number, total)) throw memory.exhausted();
    for (let from = 0; from < total; from += CHUNK) {
      const count = Math.min(CHUNK, total - from);
      const [at] = memory.place(count * ENTRY_BYTES);
      memory
        .bytes(at, count * ENTRY_BYTES)
        .set(entries.subarray(from * ENTRY_BYTES, (from + count) * ENTRY_BYTES));
      const status = memory.exports.importEntries(this.#open(), number, count, at);
      if (status === IMPORT_NO_MEMORY) throw memory.exhausted();
      if (status === IMPORT_BAD_ENTRY) return false;
    }
    return true;
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
    this.#handle = 0;
  }

  #open(): number {
    assert(this.#handle !== 0, "this identity set was destroyed");
    return this.#handle;
  }
}
