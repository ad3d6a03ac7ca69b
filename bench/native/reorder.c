/* core-as/reorder*.ts: a ring of slices of event time, each a chain of blocks; sorted when a slice leaves. */
#include "kernel.h"

#define PER_BLOCK 41u
#define BLOCK_BYTES 1088u

typedef struct {
  i64 time;
  u64 offset;
  u32 partition, payload;
} Record;

typedef struct {
  ref next, previous;
  u32 count, unused;
  Record records[PER_BLOCK];
} Block;

typedef struct {
  ref first, last;
} Chain;

typedef struct {
  u64 shift;
  u32 slices, has_frontier;
  i64 frontier, front, base, limit, least, ahead_for;
  ref ring, bits;
  u32 ring_count, outside_count, ready_count, ready_at;
  i32 ahead_count;
  u32 capacity, ahead_capacity, bytes;
  Chain outside, ready;
} Reorder;

static i32 balance;

static ref take_block(void) {
  const ref block = allocate(sizeof(Block));
  balance += (i32)block_bytes(block);
  return block;
}

static void give_block(ref block) {
  balance -= (i32)block_bytes(block);
  release(block);
}

static void settle(Reorder *reorder) {
  reorder->bytes += (u32)balance;
  balance = 0;
}

static void link(Chain *chain, ref at) {
  Block *block = AT(Block, at);
  block->next = 0;
  block->previous = chain->last;
  block->count = 0;
  if (chain->last) AT(Block, chain->last)->next = at;
  else chain->first = at;
  chain->last = at;
}

static Record *append(Chain *chain) {
  if (!chain->last || AT(Block, chain->last)->count == PER_BLOCK) {
    const ref fresh = take_block();
    if (!fresh) return 0;
    link(chain, fresh);
  }
  Block *last = AT(Block, chain->last);
  return last->records + last->count++;
}

static void drop_first(Chain *chain) {
  const ref first = chain->first;
  chain->first = AT(Block, first)->next;
  give_block(first);
  if (chain->first) AT(Block, chain->first)->previous = 0;
  else chain->last = 0;
}

static void give_blocks(ref block) {
  while (block) {
    const ref next = AT(Block, block)->next;
    give_block(block);
    block = next;
  }
}

static void copy_record(Record *to, const Record *from) {
  STORE(to, LOAD(from));
  ((u64 *)to)[2] = ((const u64 *)from)[2];
}

static ref cut_behind(Chain *chain, ref at, u32 count) {
  const ref rest = AT(Block, at)->next;
  for (ref full = chain->first; full != at; full = AT(Block, full)->next) AT(Block, full)->count = PER_BLOCK;
  AT(Block, at)->count = count;
  AT(Block, at)->next = 0;
  chain->last = at;
  return rest;
}

static Record *sort_below(Chain *chain, i64 limit, bool is_all, u32 count, ref scratch) {
  Pair *pairs = AT(Pair, scratch), *pair = pairs;
  Pair *behind = pairs + count;
  for (ref at = chain->first; at; at = AT(Block, at)->next) {
    Block *block = AT(Block, at);
    for (u32 i = 0; i < block->count; i++) {
      const i64 time = block->records[i].time;
      if (!is_all && time >= limit) continue;
      pair->key = rank(time);
      pair->address = REF(block->records + i);
      pair++;
    }
  }
  if (sort_entries(pairs, behind, count) == behind) copy(pairs, behind, count * sizeof(Pair));
  Record *to = (Record *)behind;
  for (u32 i = 0; i < count; i++) copy_record(to + i, AT(Record, pairs[i].address));
  return to;
}

static void refill(Chain *chain, const Record *from) {
  for (ref at = chain->first; at; at = AT(Block, at)->next) {
    Block *block = AT(Block, at);
    copy(block->records, from, block->count * sizeof(Record));
    from += block->count;
  }
}

static ref compact(Chain *chain, i64 limit) {
  ref target = chain->first;
  u32 filled = 0;
  for (ref at = target; at; at = AT(Block, at)->next) {
    Block *block = AT(Block, at);
    for (u32 i = 0; i < block->count; i++) {
      if (block->records[i].time < limit) continue;
      if (filled == PER_BLOCK) {
        target = AT(Block, target)->next;
        filled = 0;
      }
      copy_record(AT(Block, target)->records + filled++, block->records + i);
    }
  }
  return cut_behind(chain, target, filled);
}

#define NO_MEMORY 0xffffffffu

static u32 split(Chain *chain, i64 limit, bool is_all, Chain *into) {
  u32 total = 0, below = 0;
  for (ref at = chain->first; at; at = AT(Block, at)->next) {
    const Block *block = AT(Block, at);
    total += block->count;
    if (!is_all)
      for (u32 i = 0; i < block->count; i++) below += block->records[i].time < limit;
  }
  const u32 count = is_all ? total : below;
  if (!count) return 0;
  const ref scratch = reserve(REGION_SORT, count * (u32)(sizeof(Pair) + sizeof(Record)));
  if (!scratch) return NO_MEMORY;
  if (count == total) {
    refill(chain, sort_below(chain, 0, true, count, scratch));
    *into = *chain;
    *chain = (Chain){0, 0};
    return count;
  }
  const ref spare = take_block();
  if (!spare) return NO_MEMORY;
  const Record *from = sort_below(chain, limit, false, count, scratch);
  AT(Block, spare)->next = compact(chain, limit);
  ref unused = spare;
  for (u32 left = count; left;) {
    const ref block = unused;
    unused = AT(Block, block)->next;
    link(into, block);
    const u32 here = left < PER_BLOCK ? left : PER_BLOCK;
    AT(Block, block)->count = here;
    copy(AT(Block, block)->records, from, here * sizeof(Record));
    from += here;
    left -= here;
  }
  give_blocks(unused);
  return count;
}

/* ---- the ring */

static u32 records_in(u64 bytes) {
  const u64 records = bytes / BLOCK_BYTES * PER_BLOCK;
  return records < 0x07ffffff ? (u32)records : 0x07ffffff;
}

EXPORT u32 reorderCapacity(u32 slices, f64 bytes) {
  const u64 fixed = 336 + ((u64)slices << 3) + (slices >> 3) + ((u64)slices + 4) * BLOCK_BYTES;
  return (u64)bytes <= fixed ? 0 : records_in((u64)bytes - fixed);
}

EXPORT ref createReorder(u32 shift, u32 slices, f64 bytes, f64 ahead_bytes) {
  const ref at = allocate(sizeof(Reorder)), ring = allocate((slices << 3) + (slices >> 3));
  if (!at || !ring) return 0;
  fill(AT(u8, ring), 0, (slices << 3) + (slices >> 3));
  *AT(Reorder, at) = (Reorder){.shift = shift,
                               .slices = slices,
                               .ring = ring,
                               .bits = ring + (slices << 3),
                               .base = INT64_MIN,
                               .limit = INT64_MIN,
                               .capacity = reorderCapacity(slices, bytes),
                               .ahead_capacity = records_in((u64)ahead_bytes)};
  return at;
}

static Chain *chain_of(Reorder *reorder, i64 slice) {
  return AT(Chain, reorder->ring) + ((u32)slice & (reorder->slices - 1));
}

EXPORT void destroyReorder(ref at) {
  Reorder *reorder = AT(Reorder, at);
  for (u32 i = 0; i < reorder->slices; i++) give_blocks(chain_of(reorder, i)->first);
  give_blocks(reorder->outside.first);
  give_blocks(reorder->ready.first);
  balance = 0;
  release(reorder->ring);
  release(at);
}

EXPORT u32 reorderSize(ref at) {
  const Reorder *reorder = AT(Reorder, at);
  return reorder->ring_count + reorder->outside_count + reorder->ready_count;
}

static void mark(Reorder *reorder, i64 slice, bool is_full) {
  const u32 place = (u32)slice & (reorder->slices - 1);
  u64 *word = AT(u64, reorder->bits) + (place >> 6), bit = 1ull << (place & 63);
  *word = is_full ? *word | bit : *word & ~bit;
}

static i64 lowest_slice(const Reorder *reorder) {
  const u32 slices = reorder->slices, start = (u32)reorder->base & (slices - 1);
  const u64 *bits = AT(u64, reorder->bits);
  u32 word = start >> 6, around = (word << 6) - start;
  u64 found = bits[word] & (~0ull << (start & 63));
  for (u32 steps = slices >> 6; !found && steps; steps--) {
    around += 64;
    if (++word == slices >> 6) word = 0;
    found = bits[word];
  }
  return reorder->base + (found ? around + (u32)__builtin_ctzll(found) : slices);
}

enum { HELD, LATE, AHEAD };

static u8 judge(const Reorder *reorder, i64 time) {
  if (!reorder->has_frontier) return HELD;
  if (time < reorder->frontier) return LATE;
  return (u64)((time >> reorder->shift) - reorder->front) < reorder->slices ? HELD : AHEAD;
}

EXPORT u32 countAhead(ref at) {
  Reorder *reorder = AT(Reorder, at);
  if (!reorder->has_frontier) return 0;
  if (reorder->ahead_count >= 0 && reorder->ahead_for == reorder->front) return (u32)reorder->ahead_count;
  u32 count = 0;
  for (ref b = reorder->outside.first; b; b = AT(Block, b)->next)
    for (u32 i = 0; i < AT(Block, b)->count; i++) count += judge(reorder, AT(Block, b)->records[i].time) == AHEAD;
  reorder->ahead_count = (i32)count;
  reorder->ahead_for = reorder->front;
  return count;
}

EXPORT void advanceReorder(ref at, i64 watermark) {
  Reorder *reorder = AT(Reorder, at);
  if (reorder->has_frontier && watermark <= reorder->frontier) return;
  if (!reorder->has_frontier) reorder->ahead_count = -1;
  reorder->has_frontier = 1;
  reorder->frontier = watermark;
  reorder->front = watermark >> reorder->shift;
}

static Record *place_in_ring(Reorder *reorder, i64 slice) {
  Chain *chain = chain_of(reorder, slice);
  const bool is_first = !chain->first;
  Record *record = append(chain);
  if (!record) return 0;
  if (is_first) mark(reorder, slice, true);
  reorder->ring_count++;
  return record;
}

static Record *place(Reorder *reorder, i64 time) {
  const i64 slice = time >> reorder->shift;
  if (slice >= reorder->base && slice < reorder->limit) return place_in_ring(reorder, slice);
  Record *record = append(&reorder->outside);
  if (!record) return 0;
  if (!reorder->outside_count || time < reorder->least) reorder->least = time;
  reorder->outside_count++;
  return record;
}

static i64 ring_end(const Reorder *reorder) {
  return reorder->base > INT64_MAX - reorder->slices ? INT64_MAX : reorder->base + reorder->slices;
}

static bool bring_in(Reorder *reorder) {
  const i64 base = reorder->base, end = ring_end(reorder);
  bool is_done = true;
  i64 least = INT64_MAX;
  u32 kept = 0, filled = 0;
  ref target = reorder->outside.first;
  for (ref at = target; at; at = AT(Block, at)->next) {
    for (u32 i = 0; i < AT(Block, at)->count; i++) {
      const Record *from = AT(Block, at)->records + i;
      const i64 slice = from->time >> reorder->shift;
      if (is_done && slice >= base && slice < end) {
        Record *to = place_in_ring(reorder, slice);
        if (to) {
          copy_record(to, from);
          continue;
        }
        is_done = false;
      }
      if (filled == PER_BLOCK) {
        target = AT(Block, target)->next;
        filled = 0;
      }
      copy_record(AT(Block, target)->records + filled++, from);
      kept++;
      if (from->time < least) least = from->time;
    }
  }
  if (kept) {
    give_blocks(cut_behind(&reorder->outside, target, filled));
  } else {
    give_blocks(reorder->outside.first);
    reorder->outside = (Chain){0, 0};
  }
  reorder->outside_count = kept;
  reorder->least = least;
  if (is_done) reorder->limit = end;
  return is_done;
}

static void turn(Reorder *reorder) {
  if (!reorder->has_frontier) return;
  i64 base = reorder->front;
  if (reorder->ring_count && lowest_slice(reorder) < base) base = lowest_slice(reorder);
  reorder->base = base;
  if (!reorder->outside_count) reorder->limit = ring_end(reorder);
  else if (reorder->limit < base || reorder->limit - base < reorder->slices >> 1) bring_in(reorder);
}

EXPORT i32 pushRecords(ref at, u32 count, ref times_at, ref offsets_at, ref words_at, ref answers_at, u32 keeps) {
  Reorder *reorder = AT(Reorder, at);
  const i64 *times = AT(i64, times_at);
  const f64 *offsets = AT(f64, offsets_at);
  const u32 *words = AT(u32, words_at);
  u8 *answers = AT(u8, answers_at);
  u32 held = 0, ahead = 0;
  for (u32 i = 0; i < count; i++) {
    answers[i] = judge(reorder, times[i]);
    held += answers[i] == HELD;
    ahead += answers[i] == AHEAD;
  }
  if (!keeps) ahead = 0;
  if (ahead && (u64)countAhead(at) + ahead > reorder->ahead_capacity) return -3;
  if ((u64)reorderSize(at) + held + ahead > reorder->capacity) return -2;
  turn(reorder);
  for (u32 i = 0; i < count; i++) {
    if (answers[i] == LATE || (answers[i] == AHEAD && !keeps)) continue;
    Record *record = place(reorder, times[i]);
    if (!record) return -1;
    record->time = times[i];
    record->offset = (u64)(i64)offsets[i];
    record->partition = words[i];
    record->payload = words[count + i];
  }
  if (reorder->ahead_count >= 0) reorder->ahead_count += (i32)ahead;
  settle(reorder);
  return 0;
}

static i32 make_ready(Reorder *reorder) {
  if (!reorder->has_frontier) return 0;
  const i64 lowest = reorder->ring_count ? lowest_slice(reorder) : INT64_MAX;
  const i64 first = lowest < reorder->front ? lowest : reorder->front;
  u32 count;
  if (reorder->outside_count && reorder->least < reorder->frontier) {
    const i64 slice = reorder->least >> reorder->shift;
    if (slice < first) {
      count = split(&reorder->outside, (i64)((u64)first << reorder->shift), false, &reorder->ready);
      if (count == NO_MEMORY) return -1;
      reorder->outside_count -= count;
      reorder->least = INT64_MAX;
      for (ref b = reorder->outside.first; b; b = AT(Block, b)->next)
        for (u32 i = 0; i < AT(Block, b)->count; i++)
          if (AT(Block, b)->records[i].time < reorder->least) reorder->least = AT(Block, b)->records[i].time;
      reorder->ready_count = count;
      reorder->ready_at = 0;
      return (i32)count;
    }
    if (slice == first) {
      reorder->base = first;
      if (reorder->limit < first) reorder->limit = first;
      if (!bring_in(reorder)) return -1;
    }
  }
  if (!reorder->ring_count) return 0;
  const i64 next = lowest_slice(reorder);
  if (next > reorder->front) return 0;
  Chain *chain = chain_of(reorder, next);
  count = split(chain, reorder->frontier, next < reorder->front, &reorder->ready);
  if (count == NO_MEMORY) return -1;
  if (!chain->first) mark(reorder, next, false);
  reorder->ring_count -= count;
  reorder->ready_count = count;
  reorder->ready_at = 0;
  return (i32)count;
}

EXPORT i32 releaseRecords(ref at, u32 most, ref out) {
  Reorder *reorder = AT(Reorder, at);
  i64 *times = AT(i64, out);
  f64 *offsets = (f64 *)(times + most);
  u32 *partitions = (u32 *)(offsets + most), *payloads = partitions + most;
  u32 written = 0;
  while (written < most) {
    if (!reorder->ready_count) {
      const i32 status = make_ready(reorder);
      if (status < 0 && !written) return -1;
      if (status <= 0) break;
    }
    const Block *block = AT(Block, reorder->ready.first);
    const u32 from = reorder->ready_at, left = block->count - from;
    const u32 here = left < most - written ? left : most - written;
    for (u32 i = 0; i < here; i++) {
      const Record *record = block->records + from + i;
      times[written + i] = record->time;
      offsets[written + i] = (f64)record->offset;
      partitions[written + i] = record->partition;
      payloads[written + i] = record->payload;
    }
    reorder->ready_at = from + here;
    if (here == left) {
      drop_first(&reorder->ready);
      reorder->ready_at = 0;
    }
    reorder->ready_count -= here;
    written += here;
  }
  settle(reorder);
  return (i32)written;
}
