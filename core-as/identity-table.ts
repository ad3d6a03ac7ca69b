/**
 * One hash table of identities with times, laid out like Abseil's "Swiss tables": a control byte per slot (7
 * bits of the hash, empty, or a tombstone), 16 of which are compared at once; then the entries, an identity and
 * its time side by side. A deleted entry becomes empty when its group still has an empty slot (then no probe ever
 * went past that group), else a tombstone. The caller keeps an empty slot in every table, so every probe ends.
 *
 * A large table is slow because each lookup waits for memory. So lookups are prepared for many identities at once
 * (`readAhead`): those reads do not depend on each other, and the processor waits for all of them together.
 */

export const EMPTY: u8 = 0x80;
const DELETED: u8 = 0xfe;

/** Control byte, identity, ms within the generation. */
export const SLOT_BYTES: usize = 21;
/** An entry outside of a table: identity, ms within the generation. */
export const ENTRY_BYTES: usize = 20;
export const NOWHERE: u32 = 0xffffffff;

const FIRST_FACTOR: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;
const SECOND_FACTOR: u64 = ((<u64>0xc2b2ae3d) << 32) | 0x27d4eb4f;

export function mixIdentity(low: u64, high: u64): u64 {
  const hash = (high ^ (low * FIRST_FACTOR)) * SECOND_FACTOR;
  return hash ^ (hash >> 32);
}

function controlOf(hash: u64): u8 {
  return <u8>(hash & 0x7f);
}

function identityAt(table: usize, capacity: u32, slot: u32): usize {
  return table + capacity + <usize>slot * ENTRY_BYTES;
}

export function slotTime(table: usize, capacity: u32, slot: u32): usize {
  return identityAt(table, capacity, slot) + 16;
}

/** Identities that are prepared together: what they need stays in the first cache meanwhile. */
export const AHEAD: u32 = 64;
const hashes = memory.data(512, 16);
/** Where read bytes end up, so that no compiler leaves the reads out. */
const unused = memory.data(16, 16);

/** Works out the hashes of at most AHEAD identities, for `hashAhead`. */
export function mixAhead(identities: usize, count: u32): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = identities + (i << 4);
    store<u64>(hashes + (i << 3), mixIdentity(load<u64>(at), load<u64>(at, 8)));
  }
}

export function hashAhead(i: u32): u64 {
  return load<u64>(hashes + ((<usize>i) << 3));
}

/**
 * Reads what the lookups of those identities will need first: their control bytes, the entry that will be compared
 * and, where they are to be added, the one that will be filled.
 */
export function readAhead(table: usize, capacity: u32, count: u32, isAdding: bool): void {
  const groupMask: u32 = (capacity >> 4) - 1;
  let sum: u32 = 0;
  for (let i: usize = 0; i < <usize>count; i++)
    sum += load<u8>(table + ((<usize>(<u32>(load<u64>(hashes + (i << 3)) >> 7) & groupMask)) << 4));
  for (let i: usize = 0; i < <usize>count; i++) {
    const hash: u64 = load<u64>(hashes + (i << 3));
    const group: u32 = (<u32>(hash >> 7) & groupMask) << 4;
    const controls = v128.load(table + <usize>group);
    let slots = i8x16.bitmask(i8x16.eq(controls, i8x16.splat(controlOf(hash))));
    if (slots == 0) {
      if (!isAdding) continue;
      slots = i8x16.bitmask(controls) | 0x8000;
    }
    const entry = identityAt(table, capacity, group + <u32>ctz(slots));
    sum += load<u8>(entry) + load<u8>(entry, ENTRY_BYTES - 1); // its two ends may lie in two lines
  }
  store<u32>(unused, sum);
}

/** The slot of an identity, or NOWHERE. */
export function findSlot(table: usize, capacity: u32, low: u64, high: u64, hash: u64): u32 {
  const groupMask: u32 = (capacity >> 4) - 1;
  const wanted = i8x16.splat(controlOf(hash));
  let group: u32 = <u32>(hash >> 7) & groupMask;
  let step: u32 = 0;
  while (true) {
    const controls = v128.load(table + ((<usize>group) << 4));
    let matches = i8x16.bitmask(i8x16.eq(controls, wanted));
    while (matches) {
      const slot: u32 = (group << 4) + <u32>ctz(matches);
      const identity = identityAt(table, capacity, slot);
      if (load<u64>(identity) == low && load<u64>(identity, 8) == high) return slot;
      matches &= matches - 1;
    }
    if (i8x16.bitmask(i8x16.eq(controls, i8x16.splat(EMPTY)))) return NOWHERE;
    group = (group + ++step) & groupMask;
  }
}

/** The first slot on an identity's way that is empty or a tombstone. */
export function freeSlot(table: usize, capacity: u32, hash: u64): u32 {
  const groupMask: u32 = (capacity >> 4) - 1;
  let group: u32 = <u32>(hash >> 7) & groupMask;
  let step: u32 = 0;
  while (true) {
    const free = i8x16.bitmask(v128.load(table + ((<usize>group) << 4)));
    if (free) return (group << 4) + <u32>ctz(free);
    group = (group + ++step) & groupMask;
  }
}

export function fillSlot(
  table: usize,
  capacity: u32,
  slot: u32,
  low: u64,
  high: u64,
  ms: u32,
  hash: u64,
): void {
  store<u8>(table + slot, controlOf(hash));
  const identity = identityAt(table, capacity, slot);
  store<u64>(identity, low);
  store<u64>(identity, high, 8);
  store<u32>(slotTime(table, capacity, slot), ms);
}

/** The address of the identity in a slot. */
export function identityIn(table: usize, capacity: u32, slot: u32): usize {
  return identityAt(table, capacity, slot);
}

/** Bits of the slots that have an entry, of the group that begins at `slot`. */
export function fullSlots(table: usize, slot: u32): u32 {
  return ~i8x16.bitmask(v128.load(table + slot)) & 0xffff;
}

/**
 * Copies all entries of one table into an empty one that is large enough. Those of a group mostly go to the group
 * of its number or to that in the upper half, whose free slots are kept at hand: to read control bytes right behind
 * writing one of them would be slow.
 */
export function copyEntries(from: usize, capacity: u32, table: usize, fresh: u32): void {
  const groupMask: u32 = (fresh >> 4) - 1;
  for (let group: u32 = 0; group < capacity; group += 16) {
    const low: u32 = group >> 4;
    const high: u32 = (capacity + group) >> 4;
    let freeLow = i8x16.bitmask(v128.load(table + group));
    let freeHigh = i8x16.bitmask(v128.load(table + capacity + group));
    for (let full = ~i8x16.bitmask(v128.load(from + group)) & 0xffff; full; full &= full - 1) {
      const entry = identityAt(from, capacity, group + <u32>ctz(full));
      const hash = mixIdentity(load<u64>(entry), load<u64>(entry, 8));
      const home: u32 = <u32>(hash >> 7) & groupMask;
      let slot: u32;
      if (home == low && freeLow != 0) {
        slot = group + <u32>ctz(freeLow);
        freeLow &= freeLow - 1;
      } else if (home == high && freeHigh != 0) {
        slot = capacity + group + <u32>ctz(freeHigh);
        freeHigh &= freeHigh - 1;
      } else {
        slot = freeSlot(table, fresh, hash);
        if (slot >> 4 == low) freeLow &= freeLow - 1;
        else if (slot >> 4 == high) freeHigh &= freeHigh - 1;
      }
      const to = identityAt(table, fresh, slot);
      store<u8>(table + slot, controlOf(hash));
      v128.store(to, v128.load(entry));
      store<u32>(to, load<u32>(entry, 16), 16);
    }
  }
}

/** Writes the entries of the group that begins at `slot`. @returns how many */
export function copyOut(table: usize, capacity: u32, slot: u32, out: usize): u32 {
  let full = ~i8x16.bitmask(v128.load(table + slot)) & 0xffff;
  let count: u32 = 0;
  while (full) {
    const at: u32 = slot + <u32>ctz(full);
    const entry = out + <usize>count * ENTRY_BYTES;
    v128.store(entry, v128.load(identityAt(table, capacity, at)));
    store<u32>(entry, load<u32>(slotTime(table, capacity, at)), 16);
    full &= full - 1;
    count++;
  }
  return count;
}

/** Replaces an entry's time by a later one. @returns whether it was */
export function raiseTime(table: usize, capacity: u32, slot: u32, ms: u32): bool {
  const time = slotTime(table, capacity, slot);
  if (load<u32>(time) >= ms) return false;
  store<u32>(time, ms);
  return true;
}

/** Removes an entry. @returns whether its slot is empty now, not a tombstone */
export function eraseSlot(table: usize, slot: u32): bool {
  const group = table + (slot & ~15);
  const hasEmpty = i8x16.bitmask(i8x16.eq(v128.load(group), i8x16.splat(EMPTY))) != 0;
  store<u8>(table + slot, hasEmpty ? EMPTY : DELETED);
  return hasEmpty;
}
