/* core-as/pane-keys.ts: keys kept whole, a table with linear probing, a list in byte order. */
#include "panes.h"

#define FIRST_BITS 4u
#define BITS_MOST 27u
static u32 wanted_tag;

ref take_bytes(Panes *panes, u32 bytes) {
  const ref address = allocate(bytes);
  if (!address) return 0;
  const u32 size = block_bytes(address);
  if ((u64)panes->bytes + size > panes->bytes_max) {
    release(address);
    return 0;
  }
  panes->bytes += size;
  return address;
}

void give_bytes(Panes *panes, ref address) {
  if (!address) return;
  panes->bytes -= block_bytes(address);
  release(address);
}

/* NH over blocks of 16 bytes, under material that the kernel takes from its seed; here it is fixed. */
static const u32 material[64] __attribute__((aligned(16))) = {
    0x9e3779b9, 0x7f4a7c15, 0xbf58476d, 0x1ce4e5b9, 0x94d049bb, 0x133111eb, 0xd6e8feb8, 0x6659fd93,
    0xa0761d64, 0x78bd642f, 0xe7037ed1, 0xa0b428db, 0x8ebc6af0, 0x9c88c6e3, 0x589965cc, 0x75374cc3,
    0x1d8e4e27, 0xc47d124f, 0xeb44acca, 0xb455d165, 0x2545f491, 0x4f6cdd1d, 0xda942042, 0xe4dd58b5,
    0x5851f42d, 0x4c957f2d, 0x14057b7e, 0xf767814f, 0x27d4eb2f, 0x165667b1, 0x85ebca77, 0xc2b2ae3d};

static u64 hash_block(vector bytes, u32 block) {
#ifdef __wasm__
  const vector mixed = wasm_i32x4_add(bytes, LOAD(material + block * 4));
  const vector product = wasm_u64x2_extmul_low_u32x4(mixed, wasm_i32x4_shuffle(mixed, mixed, 2, 3, 2, 3));
  return (u64)wasm_i64x2_extract_lane(product, 0) + (u64)wasm_i64x2_extract_lane(product, 1);
#else
  const vector mixed = _mm_add_epi32(bytes, LOAD(material + block * 4));
  const vector product = _mm_mul_epu32(_mm_shuffle_epi32(mixed, 0x10), _mm_shuffle_epi32(mixed, 0x32));
  return (u64)_mm_cvtsi128_si64(product) + (u64)_mm_cvtsi128_si64(_mm_unpackhi_epi64(product, product));
#endif
}

static u32 tag_of(const u8 *key, u32 length) {
  static const u8 masks[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  u64 hash = length * 0x2127599bf4325c37ull;
  u32 block = 0, at = 0;
  for (; at + 16 <= length && block < 8; at += 16) hash += hash_block(LOAD(key + at), block++);
  if (at < length || !length) {
    const u32 rest = length - at < 16 ? length - at : 16;
#ifdef __wasm__
    hash += hash_block(wasm_v128_and(LOAD(key + at), LOAD(masks + 16 - rest)), block);
#else
    hash += hash_block(_mm_and_si128(LOAD(key + at), LOAD(masks + 16 - rest)), block);
#endif
  }
  return (u32)((hash * 0x9e3779b97f4a7c15ull) >> 32);
}

static u64 word(const u8 *from) {
  u64 bytes;
  copy(&bytes, from, 8);
  return bytes;
}

static bool is_key(Key *kept, const u8 *key, u32 length) {
  if (kept->key_length != length) return false;
  const u8 *bytes = bytes_of(kept);
  u32 at = 0;
  for (; at + 8 <= length; at += 8)
    if (word(bytes + at) != word(key + at)) return false;
  const u32 rest = (length & 7) << 3;
  return !rest || (word(bytes + at) ^ word(key + at)) << (64 - rest) == 0;
}

static u32 tags[AHEAD];
static ref candidates[AHEAD];
static volatile u64 unused;

void look_ahead(Panes *panes, const Batch *batch, u32 from, u32 count) {
  const u32 *keys = AT(u32, batch->keys) + from * 2, bits = panes->table_bits, mask = (1u << bits) - 1;
  const u64 *table = AT(u64, panes->table);
  u64 sum = 0;
  for (u32 i = 0; i < count; i++) {
    const u32 start = keys[i * 2], length = keys[i * 2 + 1];
    tags[i] = (u64)start + length <= batch->length ? tag_of(AT(u8, batch->bytes + start), length) : 0;
    candidates[i] = 0;
    if (bits) sum += table[tags[i] >> (32 - bits)];
  }
  if (!bits) return;
  for (u32 i = 0; i < count; i++) {
    u32 slot = tags[i] >> (32 - bits);
    while (table[slot] && (u32)(table[slot] >> 32) != tags[i]) slot = (slot + 1) & mask;
    candidates[i] = (ref)table[slot];
  }
  for (u32 i = 0; i < count; i++) {
    Key *key = AT(Key, candidates[i] ? candidates[i] : panes->specs);
    sum += key->key_length + word(bytes_of(key) + 8);
  }
  unused = sum;
}

static Key *find_tagged(Panes *panes, const u8 *key, u32 length, u32 tag) {
  const u32 bits = panes->table_bits;
  wanted_tag = tag;
  if (!bits) return 0;
  const u64 *table = AT(u64, panes->table);
  const u32 mask = (1u << bits) - 1;
  for (u32 slot = tag >> (32 - bits);; slot = (slot + 1) & mask) {
    const u64 entry = table[slot];
    if (!entry) return 0;
    if ((u32)(entry >> 32) == tag && is_key(AT(Key, (ref)entry), key, length)) return AT(Key, (ref)entry);
  }
}

Key *find_ahead(Panes *panes, const u8 *key, u32 length, u32 i) {
  if (candidates[i] && is_key(AT(Key, candidates[i]), key, length)) return AT(Key, candidates[i]);
  return find_tagged(panes, key, length, tags[i]);
}

static void put(u64 *table, u32 bits, u64 entry) {
  const u32 mask = (1u << bits) - 1;
  u32 slot = (u32)(entry >> 32) >> (32 - bits);
  while (table[slot]) slot = (slot + 1) & mask;
  table[slot] = entry;
}

static bool reserve_keys(Panes *panes, u32 count) {
  const u32 bits = panes->table_bits;
  u32 more = bits > FIRST_BITS ? bits : FIRST_BITS;
  while (more <= BITS_MOST && count > (1u << more) - (1u << (more - 2))) more++;
  if (more != bits) {
    if (more > BITS_MOST) return false;
    const ref table = take_bytes(panes, 8u << more);
    if (!table) return false;
    fill(AT(u8, table), 0, 8u << more);
    const u64 *old = AT(u64, panes->table);
    if (bits)
      for (u32 i = 0; i < 1u << bits; i++)
        if (old[i]) put(AT(u64, table), more, old[i]);
    give_bytes(panes, panes->table);
    panes->table = table;
    panes->table_bits = more;
  }
  if (count > panes->sorted_capacity) {
    u32 fresh = panes->sorted_capacity > 8 ? panes->sorted_capacity : 8;
    while (fresh < count) fresh <<= 1;
    const ref list = take_bytes(panes, fresh << 3);
    if (!list) return false;
    if (panes->key_count) copy(AT(u8, list), AT(u8, panes->sorted), panes->key_count << 2);
    give_bytes(panes, panes->sorted);
    panes->sorted = list;
    panes->sorted_capacity = fresh;
  }
  return true;
}

Key *add_key(Panes *panes, const u8 *bytes, u32 length) {
  const u32 tag = wanted_tag, padded = (length + 7) & ~7u;
  if (!reserve_keys(panes, panes->key_count + 1)) return 0;
  const ref at = take_bytes(panes, (u32)sizeof(Key) + padded);
  if (!at) return 0;
  fill(AT(u8, at), 0, sizeof(Key) + padded);
  Key *key = AT(Key, at);
  key->last_time = NO_TIME;
  key->key_length = length;
  copy(bytes_of(key), bytes, length);
  put(AT(u64, panes->table), panes->table_bits, (u64)tag << 32 | at);
  AT(ref, panes->sorted)[panes->key_count++] = at;
  return key;
}

static void drop(Panes *panes, Key *key) {
  u64 *table = AT(u64, panes->table);
  const u32 bits = panes->table_bits, mask = (1u << bits) - 1;
  u32 hole = tag_of(bytes_of(key), key->key_length) >> (32 - bits);
  while ((u32)table[hole] != REF(key)) hole = (hole + 1) & mask;
  for (u32 slot = (hole + 1) & mask; table[slot]; slot = (slot + 1) & mask) {
    const u32 home = (u32)(table[slot] >> 32) >> (32 - bits);
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    table[hole] = table[slot];
    hole = slot;
  }
  table[hole] = 0;
  give_bytes(panes, key->directory);
  give_bytes(panes, REF(key));
}

void drop_empty_keys(Panes *panes) {
  u32 kept = 0;
  for (u32 i = 0; i < panes->key_count; i++) {
    Key *key = key_at(panes, i);
    if (key->length) AT(ref, panes->sorted)[kept++] = REF(key);
    else drop(panes, key);
  }
  panes->key_count = panes->sorted_length = kept;
  if (kept) return;
  give_bytes(panes, panes->table);
  give_bytes(panes, panes->sorted);
  panes->table = panes->sorted = panes->table_bits = panes->sorted_capacity = 0;
}

static bool is_before(Key *a, Key *b) {
  const u32 common = a->key_length < b->key_length ? a->key_length : b->key_length;
  for (u32 at = 0; at < common; at += 8) {
    const u64 word_a = __builtin_bswap64(word(bytes_of(a) + at)), word_b = __builtin_bswap64(word(bytes_of(b) + at));
    if (word_a != word_b) return word_a < word_b;
  }
  return a->key_length < b->key_length;
}

static void sink(ref *list, u32 from, u32 count) {
  u32 at = from;
  const ref moved = list[at];
  for (;;) {
    u32 child = (at << 1) + 1;
    if (child >= count) break;
    if (child + 1 < count && is_before(AT(Key, list[child]), AT(Key, list[child + 1]))) child++;
    if (!is_before(AT(Key, moved), AT(Key, list[child]))) break;
    list[at] = list[child];
    at = child;
  }
  list[at] = moved;
}

void sort_keys(Panes *panes) {
  const u32 count = panes->key_count;
  u32 head = panes->sorted_length, tail = count - head, to = count;
  if (!tail) return;
  ref *list = AT(ref, panes->sorted), *fresh = list + panes->sorted_capacity, *added = list + head;
  for (u32 i = tail >> 1; i > 0;) sink(added, --i, tail);
  for (u32 end = tail; end > 1;) {
    end--;
    const ref last = added[end];
    added[end] = added[0];
    added[0] = last;
    sink(added, 0, end);
  }
  copy(fresh, added, tail << 2);
  while (tail) {
    to--;
    if (head && is_before(AT(Key, fresh[tail - 1]), AT(Key, list[head - 1]))) list[to] = list[--head];
    else list[to] = fresh[--tail];
  }
  panes->sorted_length = count;
}
