/* core-as/sort-entries.ts and order.ts: radix sort over the bits that differ, cut into few digits. */
#include "kernel.h"

#define FEW_PAIRS 32
#define FEW_POSITIONS 48
static u32 counts[4096];

static void insert_pairs(Pair *pairs, Pair *end) {
  for (Pair *pair = pairs + 1; pair < end; pair++) {
    const Pair whole = *pair;
    Pair *to = pair;
    while (to > pairs && to[-1].key > whole.key) {
      *to = to[-1];
      to--;
    }
    *to = whole;
  }
}

static u32 digit_bits(u32 bits, u32 count) {
  const u32 most = count < 1024 ? 8 : count < 4096 ? 11 : 12, passes = (bits + most - 1) / most;
  return (bits + passes - 1) / passes;
}

static void place_digits(u32 mask) {
  u32 place = 0;
  for (u32 digit = 0; digit <= mask; digit++) {
    const u32 here = counts[digit];
    counts[digit] = place;
    place += here;
  }
}

static void scatter(const Pair *from, Pair *to, u32 count, u32 shift, u32 mask) {
  fill(counts, 0, (mask + 1) * sizeof *counts);
  for (u32 i = 0; i < count; i++) counts[(u32)(from[i].key >> shift) & mask]++;
  place_digits(mask);
  for (u32 i = 0; i < count; i++) STORE(to + counts[(u32)(from[i].key >> shift) & mask]++, LOAD(from + i));
}

static u64 *sort_words(u64 *words, u64 *spare, u32 count, u32 bits) {
  const u32 digit = digit_bits(bits, count), mask = (1u << digit) - 1;
  u64 *from = words, *to = spare;
  for (u32 shift = 32; shift < 32 + bits; shift += digit) {
    fill(counts, 0, (mask + 1) * sizeof *counts);
    for (u32 i = 0; i < count; i++) counts[(u32)(from[i] >> shift) & mask]++;
    place_digits(mask);
    for (u32 i = 0; i < count; i++) to[counts[(u32)(from[i] >> shift) & mask]++] = from[i];
    u64 *swap = from;
    from = to;
    to = swap;
  }
  return from;
}

Pair *sort_pairs(Pair *pairs, Pair *spare, u32 count) {
  if (count < 2) return pairs;
  const u64 first = pairs[0].key;
  u64 differs = 0, before = first;
  bool is_sorted = true;
  for (u32 i = 1; i < count; i++) {
    differs |= pairs[i].key ^ first;
    is_sorted = is_sorted && before <= pairs[i].key;
    before = pairs[i].key;
  }
  if (is_sorted) return pairs;
  if (count <= FEW_PAIRS) {
    insert_pairs(pairs, pairs + count);
    return pairs;
  }
  Pair *from = pairs, *to = spare;
  const u32 lowest = (u32)__builtin_ctzll(differs), bits = 64 - (u32)__builtin_clzll(differs) - lowest;
  const u32 digit = digit_bits(bits, count), mask = (1u << digit) - 1;
  for (u32 shift = lowest; shift < lowest + bits; shift += digit) {
    if (((differs >> shift) & mask) == 0) continue;
    scatter(from, to, count, shift, mask);
    Pair *swap = from;
    from = to;
    to = swap;
  }
  return from;
}

/* Behind an entry's address: the word at 8, the group at 16. */
static bool precedes(ref a, ref b) {
  const u32 group_a = *AT(u32, a + 16), group_b = *AT(u32, b + 16);
  if (group_a != group_b) return group_a < group_b;
  return *AT(u64, a + 8) < *AT(u64, b + 8);
}

static void sort_equal(Pair *pairs, Pair *spare, u32 count) {
  u32 at = 1;
  while (at < count && !precedes(pairs[at].address, pairs[at - 1].address)) at++;
  if (at >= count) return;
  if (count <= FEW_PAIRS) {
    for (; at < count; at++) {
      const Pair whole = pairs[at];
      u32 to = at;
      while (to > 0 && precedes(whole.address, pairs[to - 1].address)) {
        pairs[to] = pairs[to - 1];
        to--;
      }
      pairs[to] = whole;
    }
    return;
  }
  for (u32 i = 0; i < count; i++) pairs[i].key = *AT(u64, pairs[i].address + 8);
  Pair *from = sort_pairs(pairs, spare, count);
  for (u32 i = 0; i < count; i++) from[i].key = *AT(u32, from[i].address + 16);
  from = sort_pairs(from, from == pairs ? spare : pairs, count);
  if (from != pairs) copy(pairs, from, count * sizeof(Pair));
}

Pair *sort_entries(Pair *pairs, Pair *spare, u32 count) {
  Pair *sorted = sort_pairs(pairs, spare, count), *other = sorted == pairs ? spare : pairs;
  for (u32 from = 0, to; from < count; from = to) {
    to = from + 1;
    while (to < count && sorted[to].key == sorted[from].key) to++;
    if (to - from > 1) sort_equal(sorted + from, other + from, to - from);
  }
  return sorted;
}

EXPORT u32 order(ref times_at, ref selected_at, u32 count, ref out_at) {
  const i64 *times = AT(i64, times_at);
  const u32 *selected = AT(u32, selected_at);
  u32 *out = AT(u32, out_at);
  bool is_sorted = true;
  i64 before = INT64_MIN, least = INT64_MAX, most = INT64_MIN;
  for (u32 i = 0; i < count; i++) {
    const i64 time = times[selected[i]];
    is_sorted = is_sorted && before <= time;
    before = time;
    least = time < least ? time : least;
    most = time > most ? time : most;
  }
  if (is_sorted) {
    copy(out, selected, (size_t)count * 4);
    return 1;
  }
  if (count < FEW_POSITIONS) {
    for (u32 i = 0; i < count; i++) {
      u32 to = i;
      for (; to > 0 && times[out[to - 1]] > times[selected[i]]; to--) out[to] = out[to - 1];
      out[to] = selected[i];
    }
    return 1;
  }
  const u64 range = (u64)(most - least);
  if (!(range >> 32)) {
    const ref scratch = reserve(REGION_SORT, count * 16);
    if (!scratch) return 0;
    u64 *words = AT(u64, scratch);
    for (u32 i = 0; i < count; i++) words[i] = (u64)(times[selected[i]] - least) << 32 | selected[i];
    const u64 *from = sort_words(words, words + count, count, 64 - (u32)__builtin_clzll(range));
    for (u32 i = 0; i < count; i++) out[i] = (u32)from[i];
    return 1;
  }
  const ref scratch = reserve(REGION_SORT, count * 2 * (u32)sizeof(Pair));
  if (!scratch) return 0;
  Pair *pairs = AT(Pair, scratch);
  for (u32 i = 0; i < count; i++) {
    pairs[i].key = rank(times[selected[i]]);
    pairs[i].address = selected[i];
  }
  const Pair *from = sort_pairs(pairs, pairs + count, count);
  for (u32 i = 0; i < count; i++) out[i] = from[i].address;
  return 1;
}
