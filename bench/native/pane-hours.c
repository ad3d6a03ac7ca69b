/* core-as/pane-hours.ts: cells of one minute in directories of hours. Windows below two hours keep no partials. */
#include "panes.h"

#define CELLS_FIRST 4u
#define SLAB_FIRST 16u
#define SLAB_MOST 32768u
#define SLAB_HEAD 16u

bool is_new_minute;

static Hour *hour_at(Key *key, u32 place) { return AT(Hour, key->directory) + place; }

/* ---- cells */

static bool reserve_cells(Panes *panes, u32 cells) {
  const ref slab = take_bytes(panes, SLAB_HEAD + cells * panes->cell_bytes);
  if (!slab) return false;
  *AT(ref, slab) = panes->slab;
  panes->slab = slab;
  panes->slab_at = slab + SLAB_HEAD;
  panes->slab_end = panes->slab_at + cells * panes->cell_bytes;
  return true;
}

static bool add_slab(Panes *panes) {
  const u32 cells = panes->slab_cells > SLAB_FIRST ? panes->slab_cells : SLAB_FIRST;
  if (!reserve_cells(panes, cells)) return reserve_cells(panes, 1);
  if (cells * panes->cell_bytes < SLAB_MOST) panes->slab_cells = cells << 1;
  return true;
}

static ref take_cell(Panes *panes) {
  ref cell = panes->free_cell;
  if (cell) {
    panes->free_cell = *AT(ref, cell);
  } else {
    if (panes->slab_at == panes->slab_end && !add_slab(panes)) return 0;
    cell = panes->slab_at;
    panes->slab_at += panes->cell_bytes;
  }
  for (u32 at = 0; at < panes->cell_bytes; at += 8) *AT(u64, cell + at) = 0;
  panes->cell_count++;
  return cell;
}

static void drop_cell(Panes *panes, ref cell) {
  *AT(ref, cell) = panes->free_cell;
  panes->free_cell = cell;
  if (--panes->cell_count) return;
  for (ref slab = panes->slab, next; slab; slab = next) {
    next = *AT(ref, slab);
    give_bytes(panes, slab);
  }
  panes->slab = panes->slab_at = panes->slab_end = panes->slab_cells = panes->free_cell = 0;
}

/* ---- directories */

static u32 entries_up_to(Key *key, i64 time) {
  u32 high = key->length, low = 0;
  if (!high || hour_at(key, high - 1)->start <= time) return high;
  high--;
  while (low < high) {
    const u32 middle = (low + high) >> 1;
    if (hour_at(key, middle)->start <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

static Hour *insert_hour(Panes *panes, Key *key, u32 at) {
  if (key->length == key->capacity) {
    const u32 capacity = key->length ? key->length << 1 : 1;
    const ref fresh = take_bytes(panes, capacity * (u32)sizeof(Hour));
    if (!fresh) return 0;
    if (key->length) copy(AT(u8, fresh), AT(u8, key->directory), key->length * sizeof(Hour));
    give_bytes(panes, key->directory);
    key->directory = fresh;
    key->capacity = capacity;
  }
  Hour *hour = hour_at(key, at);
  move(hour + 1, hour, (key->length - at) * sizeof(Hour));
  *hour = (Hour){0};
  key->length++;
  return hour;
}

static ref cell_of(const Hour *hour, u64 bit) {
  return AT(ref, hour->cells)[__builtin_popcountll(hour->minutes & (bit - 1))];
}

static ref insert_cell(Panes *panes, Hour *hour, u64 bit) {
  const u32 count = (u32)__builtin_popcountll(hour->minutes);
  if (count == hour->capacity) {
    const u32 capacity = count ? (count << 1 < 60 ? count << 1 : 60) : CELLS_FIRST;
    const ref fresh = take_bytes(panes, capacity << 2);
    if (!fresh) return 0;
    if (count) copy(AT(u8, fresh), AT(u8, hour->cells), count << 2);
    give_bytes(panes, hour->cells);
    hour->cells = fresh;
    hour->capacity = capacity;
  }
  const ref cell = take_cell(panes);
  if (!cell) return 0;
  const u32 place = (u32)__builtin_popcountll(hour->minutes & (bit - 1));
  ref *cells = AT(ref, hour->cells);
  move(cells + place + 1, cells + place, (count - place) << 2);
  cells[place] = cell;
  hour->minutes |= bit;
  return cell;
}

ref minute_cell(Panes *panes, Key *key, i64 time) {
  is_new_minute = false;
  if ((u64)(time - key->last_time) < (u64)MINUTE_US) return key->last_cell;
  const u32 up_to = entries_up_to(key, time);
  Hour *hour = up_to ? hour_at(key, up_to - 1) : 0;
  if (!hour || time - hour->start >= HOUR_US) {
    hour = insert_hour(panes, key, up_to);
    if (!hour) return 0;
    hour->start = floor_divide(time, HOUR_US) * HOUR_US;
  }
  const u32 minute = (u32)(time - hour->start) / (u32)MINUTE_US;
  const u64 bit = 1ull << minute;
  ref cell;
  if (hour->minutes & bit) {
    cell = cell_of(hour, bit);
  } else {
    cell = insert_cell(panes, hour, bit);
    if (!cell) return 0;
    is_new_minute = true;
  }
  if (hour->partial) __builtin_trap();
  key->last_time = hour->start + (i64)minute * MINUTE_US;
  key->last_cell = cell;
  return cell;
}

void expire_minutes(Panes *panes, Key *key, i64 oldest) {
  u32 whole = 0;
  if (!key->length || hour_at(key, 0)->start >= oldest) return;
  key->last_time = NO_TIME;
  for (; whole < key->length; whole++) {
    Hour *hour = hour_at(key, whole);
    if (hour->start >= oldest) break;
    const i64 minute = (oldest - hour->start) / MINUTE_US;
    const u64 gone = minute >= 60 ? hour->minutes : hour->minutes & ((1ull << minute) - 1), had = hour->minutes;
    ref *cells = AT(ref, hour->cells);
    const u32 count = (u32)__builtin_popcountll(gone);
    for (u32 i = 0; i < count; i++) drop_cell(panes, cells[i]);
    move(cells, cells + count, ((u32)__builtin_popcountll(had) - count) << 2);
    hour->minutes = had & ~gone;
    if (gone != had) break;
    give_bytes(panes, hour->cells);
  }
  move(hour_at(key, 0), hour_at(key, whole), (key->length - whole) * sizeof(Hour));
  key->length -= whole;
}

static u64 minutes_within(const Hour *hour, i64 from, i64 to) {
  u64 minutes = hour->minutes;
  if (from > hour->start) {
    const i64 first = (from - hour->start) / MINUTE_US;
    minutes = first >= 60 ? 0 : minutes & ~((1ull << first) - 1);
  }
  if (to < hour->start + HOUR_US) {
    const i64 end = to <= hour->start ? 0 : (to - hour->start) / MINUTE_US;
    minutes &= (1ull << end) - 1;
  }
  return minutes;
}

bool sum_window(Panes *panes, Key *key, i64 from, i64 to) {
  const u32 up_to = entries_up_to(key, from);
  bool is_empty = true;
  for (u32 place = up_to ? up_to - 1 : 0; place < key->length; place++) {
    const Hour *hour = hour_at(key, place);
    if (hour->start >= to) break;
    u64 minutes = minutes_within(hour, from, to);
    if (!minutes) continue;
    if (is_empty) clear_cell(panes, panes->window_cell);
    is_empty = false;
    for (; minutes; minutes &= minutes - 1) merge_cell(panes, panes->window_cell, cell_of(hour, minutes & (0 - minutes)));
  }
  return !is_empty;
}

i64 first_minute(Key *key, i64 from, i64 none) {
  const u32 up_to = entries_up_to(key, from);
  for (u32 place = up_to ? up_to - 1 : 0; place < key->length; place++) {
    const Hour *hour = hour_at(key, place);
    const u64 minutes = minutes_within(hour, from, INT64_MAX);
    if (minutes) return hour->start + (i64)__builtin_ctzll(minutes) * MINUTE_US;
  }
  return none;
}
