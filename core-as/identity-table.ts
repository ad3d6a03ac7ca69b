/**
 * One hash table of identities with times, laid out like Abseil's "Swiss tables": a control byte per slot (7
 * bits of the hash, empty, or a tombstone), 16 of which are compared at once; then the identities; then the
 * times. A deleted entry becomes empty when its group still has an empty slot (then no probe ever went past
 * that group), else a tombstone. The caller keeps an empty slot in every table, so every probe ends.
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
  return table + capacity + ((<usize>slot) << 4);
}

export function slotTime(table: usize, capacity: u32, slot: u32): usize {
  return table + <usize>capacity * 17 + ((<usize>slot) << 2);
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

/** Copies all entries of one table into an empty one that is large enough. */
export function copyEntries(from: usize, capacity: u32, table: usize, fresh: u32): void {
  for (let group: u32 = 0; group < capacity; group += 16) {
    let full = ~i8x16.bitmask(v128.load(from + group)) & 0xffff;
    while (full) {
      const slot: u32 = group + <u32>ctz(full);
      const identity = identityAt(from, capacity, slot);
      const low: u64 = load<u64>(identity);
      const high: u64 = load<u64>(identity, 8);
      const hash = mixIdentity(low, high);
      const ms: u32 = load<u32>(slotTime(from, capacity, slot));
      fillSlot(table, fresh, freeSlot(table, fresh, hash), low, high, ms, hash);
      full &= full - 1;
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
