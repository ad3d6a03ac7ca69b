/**
 * Sorts pairs of a key and an address: a least-significant-digit radix sort, stable by construction, over the bits in
 * which keys differ, cut into as few digits as the number of pairs is worth. Entries of equal keys are told apart by
 * what lies at their addresses: the group at 16, then the word at 8, and of wide entries the word at 24. Entries equal
 * in all of it keep their order.
 */

/** A key (u64) and an address (u32). */
export const PAIR: usize = 16;
const GROUP: usize = 16;
const FIRST_WORD: usize = 8;
const SECOND_WORD: usize = 24;
/** Up to this many an insertion sort is faster. */
const FEW: u32 = 32;
const DIGIT_BITS_MOST: u32 = 12;
const counts = memory.data(16384, 16);

/** A signed number as an unsigned one of the same order. */
export function rank(value: i64): u64 {
  return <u64>value ^ 0x8000000000000000;
}

/**
 * Sorts `count` pairs by key.
 * @param spare as large as the pairs @returns where the result is: `pairs` or `spare`
 */
export function sortPairs(pairs: usize, spare: usize, count: u32): usize {
  if (count < 2) return pairs;
  const end = pairs + <usize>count * PAIR;
  const first: u64 = load<u64>(pairs);
  let differs: u64 = 0;
  let before = first;
  let isSorted = true;
  for (let pair = pairs + PAIR; pair < end; pair += PAIR) {
    const key: u64 = load<u64>(pair);
    differs |= key ^ first;
    isSorted = isSorted && before <= key;
    before = key;
  }
  if (isSorted) return pairs;
  if (count <= FEW) {
    insertPairs(pairs, end);
    return pairs;
  }
  let from = pairs;
  let to = spare;
  const lowest: u32 = <u32>ctz<u64>(differs);
  const bits: u32 = 64 - <u32>clz<u64>(differs) - lowest;
  const digit = digitBits(bits, count);
  const mask: u64 = ((<u64>1) << digit) - 1;
  for (let shift: u64 = lowest; shift < <u64>(lowest + bits); shift += digit) {
    if (((differs >> shift) & mask) == 0) continue;
    scatter(from, to, count, shift, mask);
    const swap = from;
    from = to;
    to = swap;
  }
  return from;
}

/** How wide digits are: the fewest passes, and of those the one with the smallest table of counts. */
function digitBits(bits: u32, count: u32): u32 {
  const most: u32 = count < 1024 ? 8 : count < 4096 ? 11 : DIGIT_BITS_MOST;
  const passes = (bits + most - 1) / most;
  return (bits + passes - 1) / passes;
}

function insertPairs(pairs: usize, end: usize): void {
  for (let pair = pairs + PAIR; pair < end; pair += PAIR) {
    const key: u64 = load<u64>(pair);
    const whole = v128.load(pair);
    let to = pair;
    while (to > pairs && load<u64>(to - PAIR) > key) {
      v128.store(to, v128.load(to - PAIR));
      to -= PAIR;
    }
    v128.store(to, whole);
  }
}

/** Turns counts into places: where the first of each digit goes. @param size of what is sorted, bytes */
function placeDigits(to: usize, mask: u64, size: u32): void {
  const end = counts + ((<usize>mask + 1) << 2);
  let place: u32 = <u32>to;
  for (let cell = counts; cell < end; cell += 4) {
    const here: u32 = load<u32>(cell);
    store<u32>(cell, place);
    place += here * size;
  }
}

function scatter(from: usize, to: usize, count: u32, shift: u64, mask: u64): void {
  const end = from + <usize>count * PAIR;
  memory.fill(counts, 0, (<usize>mask + 1) << 2);
  for (let pair = from; pair < end; pair += PAIR) {
    const cell = counts + ((<usize>((load<u64>(pair) >> shift) & mask)) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
  }
  placeDigits(to, mask, <u32>PAIR);
  for (let pair = from; pair < end; pair += PAIR) {
    const cell = counts + ((<usize>((load<u64>(pair) >> shift) & mask)) << 2);
    const target: usize = load<u32>(cell);
    store<u32>(cell, <u32>(target + PAIR));
    v128.store(target, v128.load(pair));
  }
}

/**
 * Sorts words by the `bits` lowest of their upper 32 bits; the others there are 0.
 * @param spare as large as the words @returns where the result is: `words` or `spare`
 */
export function sortWords(words: usize, spare: usize, count: u32, bits: u32): usize {
  const digit = digitBits(bits, count);
  const mask: u64 = ((<u64>1) << digit) - 1;
  let from = words;
  let to = spare;
  for (let shift: u64 = 32; shift < <u64>(32 + bits); shift += digit) {
    const end = from + ((<usize>count) << 3);
    memory.fill(counts, 0, (<usize>mask + 1) << 2);
    for (let word = from; word < end; word += 8) {
      const cell = counts + ((<usize>((load<u64>(word) >> shift) & mask)) << 2);
      store<u32>(cell, load<u32>(cell) + 1);
    }
    placeDigits(to, mask, 8);
    for (let at = from; at < end; at += 8) {
      const word: u64 = load<u64>(at);
      const cell = counts + ((<usize>((word >> shift) & mask)) << 2);
      const target: usize = load<u32>(cell);
      store<u32>(cell, <u32>(target + 8));
      store<u64>(target, word);
    }
    const swap = from;
    from = to;
    to = swap;
  }
  return from;
}

/** Sorts pairs by key and then by what tells their entries apart. @returns `pairs` or `spare`, as `sortPairs` */
export function sortEntries(pairs: usize, spare: usize, count: u32, isWide: bool): usize {
  const sorted = sortPairs(pairs, spare, count);
  const other = sorted == pairs ? spare : pairs;
  let from: u32 = 0;
  while (from < count) {
    const key: u64 = load<u64>(sorted + <usize>from * PAIR);
    let to = from + 1;
    while (to < count && load<u64>(sorted + <usize>to * PAIR) == key) to++;
    if (to - from > 1) sortEqual(sorted + <usize>from * PAIR, other + <usize>from * PAIR, to - from, isWide);
    from = to;
  }
  return sorted;
}

/** Whether the entry at `a` comes before the one at `b`, their keys being equal. */
function precedes(a: usize, b: usize, isWide: bool): bool {
  const groupA: u32 = load<u32>(a, GROUP);
  const groupB: u32 = load<u32>(b, GROUP);
  if (groupA != groupB) return groupA < groupB;
  const firstA: u64 = load<u64>(a, FIRST_WORD);
  const firstB: u64 = load<u64>(b, FIRST_WORD);
  if (firstA != firstB || !isWide) return firstA < firstB;
  return load<u64>(a, SECOND_WORD) < load<u64>(b, SECOND_WORD);
}

function addressIn(pair: usize): usize {
  return load<u32>(pair, 8);
}

/** Sorts pairs of one key by their entries; the result is where they were. */
function sortEqual(pairs: usize, spare: usize, count: u32, isWide: bool): void {
  const end = pairs + <usize>count * PAIR;
  let at = pairs + PAIR;
  while (at < end && !precedes(addressIn(at), addressIn(at - PAIR), isWide)) at += PAIR;
  if (at >= end) return;
  if (count <= FEW) {
    for (; at < end; at += PAIR) {
      const whole = v128.load(at);
      const entry = addressIn(at);
      let to = at;
      while (to > pairs && precedes(entry, addressIn(to - PAIR), isWide)) {
        v128.store(to, v128.load(to - PAIR));
        to -= PAIR;
      }
      v128.store(to, whole);
    }
    return;
  }
  // however many share one time: the least significant part first, each pass stable
  let from = pairs;
  if (isWide) {
    for (let pair = from; pair < end; pair += PAIR) store<u64>(pair, load<u64>(addressIn(pair), SECOND_WORD));
    from = sortPairs(from, spare, count);
  }
  const bytes = <usize>count * PAIR;
  for (let pair = from; pair < from + bytes; pair += PAIR)
    store<u64>(pair, load<u64>(addressIn(pair), FIRST_WORD));
  from = sortPairs(from, from == pairs ? spare : pairs, count);
  for (let pair = from; pair < from + bytes; pair += PAIR)
    store<u64>(pair, load<u32>(addressIn(pair), GROUP));
  from = sortPairs(from, from == pairs ? spare : pairs, count);
  if (from != pairs) memory.copy(pairs, from, bytes);
}
