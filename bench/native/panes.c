/* core-as/panes.ts, pane-release.ts, aggregate.ts, sum.ts, extreme.ts: windows over panes; count, sum, min, max. */
#include "panes.h"

#define FARTHEST (1ll << 60)
enum { COUNTED, COUNTED_PARTLY, TOO_LATE, BEYOND };

static u32 state_bytes(u32 kind) { return kind == SUM ? 16 : 8; }

EXPORT ref createPanes(ref description, u32 bytes_most) {
  const u32 *words = AT(u32, description);
  const i64 *longs = AT(i64, description + 16);
  const u32 columns = words[1], aggregates = words[2];
  const ref at = allocate(sizeof(Panes));
  if (!at) return 0;
  Panes *panes = AT(Panes, at);
  *panes = (Panes){.bytes_max = bytes_most, .size = longs[0], .hop = longs[1], .lateness = longs[2]};
  panes->watermark = panes->oldest = panes->partly = panes->next_end = NO_TIME;
  panes->specs = take_bytes(panes, aggregates * (u32)sizeof(Spec));
  if (!panes->specs) return 0;
  panes->spec_count = aggregates;
  panes->column_count = columns;
  panes->cell_bytes = CELL_HEAD;
  Spec *specs = AT(Spec, panes->specs);
  const u32 *declared = words + 12 + columns;
  for (u32 i = 0; i < aggregates; i++) {
    const u32 kind = declared[i * 4];
    specs[i] = (Spec){.kind = kind, .column = declared[i * 4 + 1], .offset = panes->cell_bytes, .width = state_bytes(kind)};
    panes->cell_bytes += state_bytes(kind);
  }
  panes->window_cell = take_bytes(panes, panes->cell_bytes);
  if (!panes->window_cell) return 0;
  fill(AT(u8, panes->window_cell), 0, panes->cell_bytes);
  return at;
}

EXPORT void destroyPanes(ref at) {
  Panes *panes = AT(Panes, at);
  for (u32 k = 0; k < panes->key_count; k++) expire_minutes(panes, key_at(panes, k), 2 * FARTHEST);
  drop_empty_keys(panes);
  give_bytes(panes, panes->window_cell);
  give_bytes(panes, panes->specs);
  release(at);
}

static void move_watermark(Panes *panes, i64 watermark) {
  const i64 limit = watermark - panes->lateness;
  panes->watermark = watermark;
  panes->oldest = (floor_divide(limit - panes->size, panes->hop) + 1) * panes->hop;
  panes->partly = panes->oldest + panes->size - panes->hop;
}

EXPORT void advancePanes(ref at, i64 watermark) {
  Panes *panes = AT(Panes, at);
  const i64 low = watermark < -2 * FARTHEST ? -2 * FARTHEST : watermark;
  const i64 bounded = low > 2 * FARTHEST ? 2 * FARTHEST : low;
  if (bounded <= panes->watermark) return;
  const i64 oldest = panes->oldest;
  move_watermark(panes, bounded);
  if (panes->oldest != oldest) panes->pending = 1;
}

/* ---- rows in */

typedef struct {
  ref record;
  u32 change, place, unused;
  i64 start, end;
} Undo;

static i32 find_cells(Panes *panes, u32 count, const Batch *batch, i64 horizon, ref *cells, Undo *undo, u8 *statuses) {
  const u32 *keys = AT(u32, batch->keys);
  const i64 *times = AT(i64, batch->times);
  for (u32 i = 0; i < count; i++) {
    const i64 time = times[i];
    const u32 ahead = i % AHEAD, left = count - i;
    if (!ahead) look_ahead(panes, batch, i, left < AHEAD ? left : AHEAD);
    cells[i] = 0;
    if (time >= horizon || time > FARTHEST || time < -FARTHEST) {
      statuses[i] = BEYOND;
      continue;
    }
    if (time < panes->oldest) {
      statuses[i] = TOO_LATE;
      continue;
    }
    const u32 start = keys[i * 2], length = keys[i * 2 + 1];
    if (length > 65535 || (u64)start + length > batch->length) return -4;
    const u8 *bytes = AT(u8, batch->bytes + start);
    Key *key = find_ahead(panes, bytes, length, ahead);
    if (!key) {
      key = add_key(panes, bytes, length);
      if (!key) return -1;
    }
    const ref cell = minute_cell(panes, key, time);
    if (!cell) return -1;
    if (is_new_minute) *undo++ = (Undo){.record = REF(key), .change = 1, .start = time};
    cells[i] = cell;
    statuses[i] = time < panes->partly ? COUNTED_PARTLY : COUNTED;
  }
  return 0;
}

static void add_integer(i64 *state, u64 low, i64 high) {
  const u64 sum = (u64)state[0] + low;
  state[1] += high + (sum < low);
  state[0] = (i64)sum;
}

static void choose(ref cell, u32 at, u32 bit, i64 value, bool is_max) {
  u32 *seen = AT(u32, cell);
  i64 *state = AT(i64, cell + at);
  if (!(*seen & bit) || (is_max ? value > *state : value < *state)) *state = value;
  *seen |= bit;
}

#define BLOCK 256u
static ref valued[BLOCK];

static const ref *cells_of(u32 count, const ref *cells, const u8 *nulls) {
  for (u32 i = 0; i < count; i++) valued[i] = nulls[i] ? 0 : cells[i];
  return valued;
}

static void add_block(Panes *panes, u32 count, const ref *cells, const Batch *batch, u32 from) {
  for (u32 a = 0; a < panes->spec_count; a++) {
    const Spec *spec = AT(Spec, panes->specs) + a;
    const u32 at = spec->offset, bit = 1u << a, kind = spec->kind;
    if (kind == COUNT_ROWS) {
      for (u32 i = 0; i < count; i++)
        if (cells[i]) ++*AT(u64, cells[i] + at);
      continue;
    }
    const i64 *values = AT(i64, batch->columns[spec->column].values) + from;
    const ref nulls = batch->columns[spec->column].nulls;
    const ref *rows = nulls ? cells_of(count, cells, AT(u8, nulls + from)) : cells;
    for (u32 i = 0; i < count; i++) {
      if (!rows[i]) continue;
      if (kind == SUM) {
        *AT(u32, rows[i]) |= bit;
        add_integer(AT(i64, rows[i] + at), (u64)values[i], values[i] >> 63);
      } else {
        choose(rows[i], at, bit, values[i], kind == MAX);
      }
    }
  }
}

static void add_rows(Panes *panes, u32 count, const ref *cells, const Batch *batch) {
  for (u32 from = 0; from < count; from += BLOCK)
    add_block(panes, count - from < BLOCK ? count - from : BLOCK, cells + from, batch, from);
}

EXPORT i32 addToPanes(ref at, u32 count, ref batch_at, i64 horizon, ref statuses) {
  Panes *panes = AT(Panes, at);
  const Batch *batch = AT(Batch, batch_at);
  if (panes->pending) return -3;
  const u32 cell_bytes = ((count << 2) + 16 + 7) & ~7u;
  const ref scratch = reserve(REGION_PANES, cell_bytes + count * (u32)sizeof(Undo));
  if (!scratch) return -1;
  ref *cells = AT(ref, scratch);
  const i32 status = find_cells(panes, count, batch, horizon, cells, AT(Undo, scratch + cell_bytes), AT(u8, statuses));
  if (status) return status;
  add_rows(panes, count, cells, batch);
  return 0;
}

/* ---- cells */

void clear_cell(Panes *panes, ref cell) {
  for (u32 at = 0; at < panes->cell_bytes; at += 8) *AT(u64, cell + at) = 0;
}

void merge_cell(Panes *panes, ref into, ref from) {
  const u32 seen = *AT(u32, from);
  for (u32 a = 0; a < panes->spec_count; a++) {
    const Spec *spec = AT(Spec, panes->specs) + a;
    const u32 at = spec->offset, bit = 1u << a;
    i64 *state = AT(i64, into + at);
    const i64 *other = AT(i64, from + at);
    if (spec->kind <= COUNT) {
      *state += *other;
      continue;
    }
    if (!(seen & bit)) continue;
    if (spec->kind == SUM) add_integer(state, (u64)other[0], other[1]);
    else choose(into, at, bit, *other, spec->kind == MAX);
    *AT(u32, into) |= bit;
  }
}

/* ---- results out */

static u32 rows, keys_used, keys_room;
static ref keys_at;

static u32 flag_bytes(u32 most) { return (most + 7) & ~7u; }

static void write_row(Panes *panes, Key *key, i64 start, i64 end, u32 most, ref out) {
  const u32 row = rows++;
  AT(i64, out)[row] = start;
  AT(i64, out)[most + row] = end;
  u32 *place = AT(u32, out + ((most * 2 + row) << 3));
  place[0] = keys_used;
  place[1] = key->key_length;
  copy(AT(u8, keys_at + keys_used), bytes_of(key), key->key_length);
  keys_used += key->key_length;
  ref flags = out + most * 24;
  const ref cell = panes->window_cell;
  for (u32 a = 0; a < panes->spec_count; a++) {
    const Spec *spec = AT(Spec, panes->specs) + a;
    const u32 width = spec->width;
    const bool has_value = spec->kind <= COUNT || *AT(u32, cell) & (1u << a);
    const ref to = flags + flag_bytes(most) + row * width;
    for (u32 at = 0; at < width; at += 8) *AT(u64, to + at) = has_value ? *AT(u64, cell + spec->offset + at) : 0;
    *AT(u8, flags + row) = has_value;
    flags += flag_bytes(most) + most * width;
  }
}

static i64 next_end(Panes *panes) {
  const i64 size = panes->size, hop = panes->hop, known = panes->next_end;
  const i64 from = known == NO_TIME ? NO_TIME : known - size;
  i64 first = INT64_MAX;
  for (u32 k = 0; k < panes->key_count; k++) {
    const i64 minute = first_minute(key_at(panes, k), from, INT64_MAX);
    if (minute < first) first = minute;
  }
  if (first == INT64_MAX) return NO_TIME;
  const i64 found = (floor_divide(first - size, hop) + 1) * hop + size, end = found > known ? found : known;
  return end + panes->lateness <= panes->watermark ? end : NO_TIME;
}

static void finish(Panes *panes) {
  panes->pending = 0;
  if (panes->oldest == NO_TIME) return;
  panes->next_end = panes->oldest + panes->size;
  bool is_any_empty = false;
  for (u32 k = 0; k < panes->key_count; k++) {
    expire_minutes(panes, key_at(panes, k), panes->oldest);
    if (!key_at(panes, k)->length) is_any_empty = true;
  }
  if (is_any_empty) drop_empty_keys(panes);
}

EXPORT i32 releasePanes(ref at, u32 most, u32 key_room, ref out) {
  Panes *panes = AT(Panes, at);
  if (!panes->pending) return 0;
  sort_keys(panes);
  rows = keys_used = 0;
  keys_room = key_room;
  keys_at = out + most * 24;
  for (u32 a = 0; a < panes->spec_count; a++)
    keys_at += flag_bytes(most) + most * AT(Spec, panes->specs)[a].width;
  const i64 due = panes->watermark - panes->lateness;
  bool was_empty = true;
  for (;;) {
    u32 k = panes->cursor;
    if (!k) {
      const i64 end = was_empty ? next_end(panes) : panes->next_end;
      if (end == NO_TIME || end > due) {
        if (!rows) finish(panes);
        return (i32)rows;
      }
      panes->next_end = end;
    }
    was_empty = true;
    const i64 end = panes->next_end;
    for (; k < panes->key_count; k++) {
      Key *key = key_at(panes, k);
      if (rows >= most || keys_room - keys_used < key->key_length) {
        panes->cursor = k;
        return rows ? (i32)rows : -5;
      }
      if (!sum_window(panes, key, end - panes->size, end)) continue;
      write_row(panes, key, end - panes->size, end, most, out);
      was_empty = false;
    }
    panes->cursor = 0;
    panes->next_end = end + panes->hop;
  }
}
