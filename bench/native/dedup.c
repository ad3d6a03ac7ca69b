/*
 * core-as/identity-set.ts, identity-generation.ts and identity-table.ts: sets of identities in generations of ingest
 * time, with a journal. Nothing seals here: no generation has parts, but all ask whether it has.
 */
#include "kernel.h"

#define EMPTY 0x80
#define NOWHERE 0xffffffffu
#define SLOT_BYTES 21u
#define SLOTS_MIN 16u
#define SLOTS_MAX 0x08000000u

typedef struct {
  i64 horizon, span;
  ref list;
  u32 length, capacity, size, bytes, tentative;
} Set;

typedef struct {
  i64 number;
  ref table;
  u32 capacity, live, filled;
  ref journal;
  u32 journal_length, journal_capacity, mark;
  u64 stamp;
  ref parts;
} Generation;

static u64 stamps;
static u32 limit, total;

static ref take(Set *set, u32 bytes) {
  if (limit && (limit - (limit >> 3) < total || limit - (limit >> 3) - total < bytes + 112)) return 0;
  const ref address = allocate(bytes);
  set->bytes += block_bytes(address);
  total += block_bytes(address);
  return address;
}

static void give(Set *set, ref address) {
  set->bytes -= block_bytes(address);
  total -= block_bytes(address);
  release(address);
}

static u64 mix(u64 low, u64 high) {
  const u64 hash = (high ^ (low * 0x9e3779b97f4a7c15ull)) * 0xc2b2ae3d27d4eb4full;
  return hash ^ (hash >> 32);
}

/* An identity and its time. */
typedef struct {
  u64 low, high;
  u32 ms;
} __attribute__((packed, aligned(4))) Entry;

static Entry *entry_at(ref table, u32 capacity, u32 slot) { return AT(Entry, table + capacity) + slot; }

#define AHEAD 64u
static u64 hashes[AHEAD];
volatile u32 unused;

static void mix_ahead(const u64 *identities, u32 count) {
  for (u32 i = 0; i < count; i++) hashes[i] = mix(identities[i * 2], identities[i * 2 + 1]);
}

static void read_ahead(ref table, u32 capacity, u32 count, bool is_adding) {
  const u32 mask = (capacity >> 4) - 1;
  u32 sum = 0;
  for (u32 i = 0; i < count; i++) sum += *AT(u8, table + (((u32)(hashes[i] >> 7) & mask) << 4));
  for (u32 i = 0; i < count; i++) {
    const u32 group = ((u32)(hashes[i] >> 7) & mask) << 4;
    const vector controls = LOAD(AT(u8, table + group));
    u32 slots = SAME8(controls, SPLAT8(hashes[i] & 0x7f));
    if (!slots) {
      if (!is_adding) continue;
      slots = HIGH_BITS(controls) | 0x8000;
    }
    const u8 *entry = (u8 *)entry_at(table, capacity, group + (u32)__builtin_ctz(slots));
    sum += entry[0] + entry[sizeof(Entry) - 1];
  }
  unused = sum;
}

static u32 find(ref table, u32 capacity, u64 low, u64 high, u64 hash) {
  const u32 mask = (capacity >> 4) - 1;
  const vector wanted = SPLAT8(hash & 0x7f), empty = SPLAT8(EMPTY);
  u32 group = (u32)(hash >> 7) & mask, step = 0;
  for (;;) {
    const vector controls = LOAD(AT(u8, table + (group << 4)));
    u32 matches = SAME8(controls, wanted);
    while (matches) {
      const u32 slot = (group << 4) + (u32)__builtin_ctz(matches);
      const Entry *entry = entry_at(table, capacity, slot);
      if (entry->low == low && entry->high == high) return slot;
      matches &= matches - 1;
    }
    if (SAME8(controls, empty)) return NOWHERE;
    group = (group + ++step) & mask;
  }
}

static u32 free_slot(ref table, u32 capacity, u64 hash) {
  const u32 mask = (capacity >> 4) - 1;
  u32 group = (u32)(hash >> 7) & mask, step = 0;
  for (;;) {
    const u32 free = HIGH_BITS(LOAD(AT(u8, table + (group << 4))));
    if (free) return (group << 4) + (u32)__builtin_ctz(free);
    group = (group + ++step) & mask;
  }
}

static void fill_slot(ref table, u32 capacity, u32 slot, u64 low, u64 high, u32 ms, u64 hash) {
  *AT(u8, table + slot) = hash & 0x7f;
  *entry_at(table, capacity, slot) = (Entry){low, high, ms};
}

static bool resize(Set *set, Generation *generation, u32 fresh) {
  if (fresh > SLOTS_MAX) return false;
  const u32 capacity = generation->capacity;
  const ref from = generation->table, table = take(set, fresh * SLOT_BYTES);
  if (!table) return false;
  fill(AT(u8, table), EMPTY, fresh);
  const u32 mask = (fresh >> 4) - 1;
  for (u32 group = 0; group < capacity; group += 16) {
    const u32 lower = group >> 4, upper = (capacity + group) >> 4;
    u32 free_low = HIGH_BITS(LOAD(AT(u8, table + group))), free_high = HIGH_BITS(LOAD(AT(u8, table + capacity + group)));
    for (u32 full = ~HIGH_BITS(LOAD(AT(u8, from + group))) & 0xffff; full; full &= full - 1) {
      const Entry *entry = entry_at(from, capacity, group + (u32)__builtin_ctz(full));
      const u64 hash = mix(entry->low, entry->high);
      const u32 home = (u32)(hash >> 7) & mask;
      u32 slot;
      if (home == lower && free_low) {
        slot = group + (u32)__builtin_ctz(free_low);
        free_low &= free_low - 1;
      } else if (home == upper && free_high) {
        slot = capacity + group + (u32)__builtin_ctz(free_high);
        free_high &= free_high - 1;
      } else {
        slot = free_slot(table, fresh, hash);
        if (slot >> 4 == lower) free_low &= free_low - 1;
        else if (slot >> 4 == upper) free_high &= free_high - 1;
      }
      fill_slot(table, fresh, slot, entry->low, entry->high, entry->ms, hash);
    }
  }
  give(set, from);
  generation->table = table;
  generation->capacity = fresh;
  generation->filled = generation->live;
  return true;
}

static bool add_entry(Set *set, Generation *generation, u64 low, u64 high, u32 ms, u64 hash) {
  const u32 had = generation->capacity;
  if (generation->filled >= had - (had >> 3)) {
    if (!resize(set, generation, generation->live > had - (had >> 2) ? had << 1 : had)) return false;
  }
  const u32 slot = free_slot(generation->table, generation->capacity, hash);
  if (*AT(u8, generation->table + slot) == EMPTY) generation->filled++;
  fill_slot(generation->table, generation->capacity, slot, low, high, ms, hash);
  generation->live++;
  set->size++;
  return true;
}

static Generation *generation_at(Set *set, u32 i) { return AT(Generation, AT(ref, set->list)[i]); }

static u32 lower_bound(Set *set, i64 number) {
  u32 i = set->length;
  while (i > 0 && generation_at(set, i - 1)->number >= number) i--;
  return i;
}

static Generation *generation_of(Set *set, i64 number) {
  const u32 place = lower_bound(set, number), count = set->length;
  if (place < count && generation_at(set, place)->number == number) return generation_at(set, place);
  if (count == set->capacity) {
    const u32 capacity = count ? count << 1 : 8;
    const ref list = take(set, capacity << 2);
    if (!list) return 0;
    if (count) copy(AT(u8, list), AT(u8, set->list), count << 2);
    give(set, set->list);
    set->list = list;
    set->capacity = capacity;
  }
  const ref at = take(set, sizeof(Generation)), table = take(set, SLOTS_MIN * SLOT_BYTES);
  if (!at || !table) return 0;
  fill(AT(u8, table), EMPTY, SLOTS_MIN);
  *AT(Generation, at) = (Generation){.number = number, .table = table, .capacity = SLOTS_MIN, .stamp = ++stamps};
  ref *list = AT(ref, set->list);
  move(list + place + 1, list + place, (count - place) << 2);
  list[place] = at;
  set->length++;
  return AT(Generation, at);
}

static bool note(Set *set, Generation *generation, u64 low, u64 high) {
  const u32 length = generation->journal_length;
  if (length == generation->journal_capacity) {
    const u32 capacity = length ? length << 1 : 64;
    const ref journal = take(set, capacity << 4);
    if (!journal) return false;
    if (length) copy(AT(u8, journal), AT(u8, generation->journal), length << 4);
    give(set, generation->journal);
    generation->journal = journal;
    generation->journal_capacity = capacity;
  }
  u64 *to = AT(u64, generation->journal + (length << 4));
  to[0] = low;
  to[1] = high;
  generation->journal_length = length + 1;
  set->tentative++;
  return true;
}

EXPORT ref createSet(f64 horizon, f64 span) {
  const ref at = allocate(sizeof(Set));
  if (at) *AT(Set, at) = (Set){.horizon = (i64)horizon, .span = (i64)span, .bytes = block_bytes(at)};
  if (at) total += block_bytes(at);
  return at;
}

static void drop_first(Set *set) {
  Generation *generation = generation_at(set, 0);
  give(set, generation->table);
  give(set, generation->journal);
  give(set, REF(generation));
  ref *list = AT(ref, set->list);
  move(list, list + 1, --set->length << 2);
}

EXPORT void destroySet(ref at) {
  Set *set = AT(Set, at);
  while (set->length) drop_first(set);
  give(set, set->list);
  give(set, at);
}

EXPORT void keepTentative(ref at) {
  Set *set = AT(Set, at);
  for (u32 i = 0; i < set->length; i++) {
    Generation *generation = generation_at(set, i);
    set->tentative -= generation->journal_length;
    give(set, generation->journal);
    generation->journal = generation->journal_length = generation->journal_capacity = 0;
  }
}

EXPORT void expire(ref at, f64 slowest) {
  Set *set = AT(Set, at);
  const i64 oldest = (i64)slowest - set->horizon;
  while (set->length && (generation_at(set, 0)->number + 1) * set->span <= oldest) {
    set->size -= generation_at(set, 0)->live;
    drop_first(set);
  }
}

static i64 least(i64 a, i64 b) { return a < b ? a : b; }
static i64 most(i64 a, i64 b) { return a > b ? a : b; }

enum { DUPLICATE, ADMITTED, UNKNOWN, UNSETTLED };
enum { UNASKED, IN_LAKE };

static u8 look_up(Set *set, u32 first, u32 last, u64 low, u64 high, u64 hash, i64 time, bool asks_parts) {
  u8 answer = ADMITTED;
  for (u32 g = first; g < last; g++) {
    const Generation *generation = generation_at(set, g);
    if (asks_parts && generation->parts) __builtin_trap();
    const u32 slot = find(generation->table, generation->capacity, low, high, hash);
    if (slot == NOWHERE) continue;
    const u32 ms = entry_at(generation->table, generation->capacity, slot)->ms;
    const i64 distance = generation->number * set->span + ms - time;
    if (distance <= set->horizon && distance >= -set->horizon) return DUPLICATE;
  }
  return answer;
}

static void look_ahead(Set *set, u32 first, u32 last, i64 own, const u64 *identities, u32 count) {
  mix_ahead(identities, count);
  for (u32 g = first; g < last; g++) {
    const Generation *generation = generation_at(set, g);
    read_ahead(generation->table, generation->capacity, count, generation->number == own);
  }
}

/* Returns 0 when it is done. */
EXPORT i32 admit(ref at, u32 count, ref identities_at, ref ingest_at, ref verdicts_at, ref settled_at, ref out_at) {
  Set *set = AT(Set, at);
  const i64 span = set->span, horizon = set->horizon;
  const u64 *identities = AT(u64, identities_at);
  const f64 *ingest = AT(f64, ingest_at);
  const u8 *verdicts = AT(u8, verdicts_at), *settled = AT(u8, settled_at);
  u8 *out = AT(u8, out_at);
  for (u32 i = 0; i < set->length; i++) generation_at(set, i)->mark = generation_at(set, i)->journal_length;
  i64 from = 0, to = 0, own = 0;
  Generation *own_generation = 0;
  u32 first = 0, last = 0;
  for (u32 i = 0; i < count; i++) {
    const i64 time = (i64)ingest[i];
    if (time < from || time >= to) {
      own = floor_divide(time, span);
      const i64 oldest = floor_divide(time - horizon, span), newest = floor_divide(time + horizon, span);
      from = most(own * span, most(oldest * span + horizon, newest * span - horizon));
      to = least((own + 1) * span, least((oldest + 1) * span + horizon, (newest + 1) * span - horizon));
      first = lower_bound(set, oldest);
      last = lower_bound(set, newest + 1);
      own_generation = 0;
    }
    const u64 low = identities[i * 2], high = identities[i * 2 + 1];
    if (!(i % AHEAD)) look_ahead(set, first, last, own, identities + i * 2, count - i < AHEAD ? count - i : AHEAD);
    const u64 hash = hashes[i % AHEAD];
    const u8 word = settled[i];
    u8 answer = word == IN_LAKE ? DUPLICATE : look_up(set, first, last, low, high, hash, time, word == UNASKED);
    if (answer == ADMITTED && verdicts[i]) answer = UNKNOWN;
    if (answer == ADMITTED) {
      if (!own_generation) {
        own_generation = generation_of(set, own);
        if (!own_generation) return -1;
        own_generation->stamp = ++stamps;
        first = lower_bound(set, floor_divide(time - horizon, span));
        last = lower_bound(set, floor_divide(time + horizon, span) + 1);
      }
      if (!add_entry(set, own_generation, low, high, (u32)(time - own * span), hash)) return -1;
      if (!note(set, own_generation, low, high)) return -1;
    }
    out[i] = answer;
  }
  return 0;
}

EXPORT void limitSets(u32 bytes) { limit = bytes; }
EXPORT u32 setsBytes(void) { return total; }
