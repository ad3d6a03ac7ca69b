/**
 * What all identity sets of a kernel may take together. The kernel refuses memory beyond it; then somebody's entries
 * are sealed, the largest table first: whoever takes most gives first, and a small set is never sealed for the sake of
 * a large one. Where filters take too much, the oldest one goes: slow, but nothing is forgotten.
 *
 * The surprising rule: only sets without tentative entries can give, so what one attempt adds must fit beside the
 * filters.
 */
import { assert } from "./assert.ts";
import { SET_FULL } from "./kernel-abi.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** The least that a budget can be: small enough for tests, large enough for the kernel to seal within it. */
const BYTES_MIN = 16_384;
/** A table of fewer slots is not worth a filter while larger ones are there. */
const SLOTS_MIN = 128;
/** Of the budget. More filters would leave tables so little that every part gets small, and every lookup long. */
const FILTERS_MAX = 5 / 8;

/** Of an identity set, what a budget looks at and may ask of it. */
interface BudgetedSet {
  /** Entries that nobody has decided on: as long as there are any, it can give nothing. */
  readonly tentative: number;
  /** Entries in sealed parts. */
  readonly sealed: number;
  /** Oldest first. */
  generations(): readonly { readonly size: number; readonly slots: number }[];
  /** Sealed parts of a generation, newest first. */
  parts(place: number): readonly { readonly bytes: number }[];
  /** @returns false where there is no memory for it */
  seal(place: number, isBlind: boolean, keepsTable: boolean): boolean;
  blind(place: number, index: number): void;
}

interface Table {
  readonly set: BudgetedSet;
  readonly place: number;
  readonly size: number;
  readonly slots: number;
}

export class IdentityBudget {
  /** Infinity: no limit. */
  readonly limitBytes: number;
  readonly #memory: KernelMemory;
  readonly #sets = new Set<BudgetedSet>();
  /** Sets whose full table was sealed and kept, so that it may be empty. */
  readonly #kept = new Set<BudgetedSet>();

  constructor(memory: KernelMemory, limitBytes: number = Infinity) {
    assert(limitBytes >= BYTES_MIN, `a budget for identities is at least ${BYTES_MIN} bytes`);
    this.limitBytes = limitBytes;
    this.#memory = memory;
    if (this.isLimited) memory.exports.limitSets(Math.min(limitBytes, 0xffff_0000));
  }

  get isLimited(): boolean {
    return this.limitBytes < Infinity;
  }

  /** Bytes of all sets. */
  get bytes(): number {
    return this.#memory.exports.setsBytes() >>> 0;
  }

  join(set: BudgetedSet): void {
    this.#sets.add(set);
  }

  leave(set: BudgetedSet): void {
    this.#sets.delete(set);
    this.#kept.delete(set);
  }

  /**
   * Makes room after the kernel refused memory to a set.
   * @returns false where there is nothing to give: the set has to do without
   */
  makeRoom(set: BudgetedSet): boolean {
    if (!this.isLimited) return false;
    if (this.#memory.exports.lastRefusal() === SET_FULL) return this.#sealFull(set);
    if (this.#blindOldest()) return true;
    const large = tablesOf(this.#sets, SLOTS_MIN);
    // Half of what tables take, at once: so that not every batch has to look through all sets.
    let wanted = large.reduce((sum, { slots }) => sum + slots, 0) / 2;
    let isRoom = false;
    for (const table of large.toSorted((a, b) => b.slots - a.slots)) {
      if (wanted <= 0) break;
      const isSealed = sealTable(table);
      if (isSealed) wanted -= table.slots;
      // what a refused call of this very set left empty would be as large again
      isRoom ||= isSealed && (table.size > 0 || table.set !== set || this.#kept.delete(set));
    }
    if (isRoom) return true;
    const own = tablesOf([set], 1).filter(({ size }) => size > 0);
    const largest = own.toSorted((a, b) => b.slots - a.slots)[0];
    return largest !== undefined && sealTable(largest);
  }

  /** Its table stays: it will be full again, and to grow until then would take half as much beside it. */
  #sealFull(set: BudgetedSet): boolean {
    const full = tablesOf([set], 1).toSorted((a, b) => b.size - a.size)[0];
    if (full === undefined || full.size === 0) return false;
    this.#kept.add(set);
    return sealTable(full, true);
  }

  /**
   * Gives the filter back that is needed least, the oldest of the set that has most of them, where all filters take
   * more than their share.
   */
  #blindOldest(): boolean {
    let total = 0;
    let most:
      | { readonly set: BudgetedSet; readonly filters: readonly Filter[]; readonly bytes: number }
      | undefined;
    for (const set of this.#sets) {
      const filters = filtersOf(set);
      const bytes = filters.reduce((sum, filter) => sum + filter.bytes, 0);
      total += bytes;
      if (bytes > (most?.bytes ?? 0)) most = { set, filters, bytes };
    }
    const oldest = most?.filters[0];
    if (!oldest || total <= this.limitBytes * FILTERS_MAX) return false;
    most!.set.blind(oldest.place, oldest.index);
    return true;
  }
}

interface Filter {
  readonly place: number;
  readonly index: number;
  readonly bytes: number;
}

/** Oldest first. */
function filtersOf(set: BudgetedSet): Filter[] {
  if (set.sealed === 0) return [];
  return set.generations().flatMap((_, place) =>
    set
      .parts(place)
      .map(({ bytes }, index) => ({ place, index, bytes }))
      .filter(({ bytes }) => bytes > 0)
      .toReversed(),
  );
}

function tablesOf(sets: Iterable<BudgetedSet>, slotsMin: number): Table[] {
  const tables: Table[] = [];
  for (const set of sets) {
    if (set.tentative > 0) continue;
    for (const [place, { size, slots }] of set.generations().entries())
      if (slots >= slotsMin && (size > 0 || slots >= SLOTS_MIN)) tables.push({ set, place, size, slots });
  }
  return tables;
}

/** Without a filter where there is no memory for one. */
function sealTable({ set, place }: Table, keepsTable = false): boolean {
  return set.seal(place, false, keepsTable) || set.seal(place, true, keepsTable);
}
