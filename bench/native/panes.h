/* What the parts of the panes share; core-as/pane-store.ts. */
#pragma once
#include "kernel.h"

enum { COUNT_ROWS = 1, COUNT, SUM, MIN, MAX };
#define CELL_HEAD 8u
#define MINUTE_US 60000000ll
#define HOUR_US 3600000000ll

typedef struct {
  u32 kind, column, type, offset, parameter, width, shares, share_count;
} Spec;

typedef struct {
  u32 bytes, bytes_max, kind, cell_bytes;
  i64 size, hop, lateness, watermark, oldest, partly, next_end;
  u32 cursor, pending;
  ref table;
  u32 table_bits, key_count;
  ref sorted;
  u32 sorted_capacity, sorted_length;
  ref free_cell, slab, slab_at, slab_end;
  u32 slab_cells, cell_count;
  ref specs;
  u32 spec_count, column_count;
  ref window_cell;
} Panes;

/* Bytes of the key follow, padded to 8. */
typedef struct {
  ref directory;
  u32 length, capacity, key_length;
  i64 last_time;
  ref last_cell;
  u32 done;
} Key;

typedef struct {
  i64 start;
  u64 minutes;
  ref cells;
  u32 capacity;
  ref partial;
  u32 unused;
} Hour;

/* As the host lays it out. */
typedef struct {
  ref bytes;
  u32 length;
  ref keys, times, partitions, offsets;
  struct {
    ref values, nulls;
  } columns[];
} Batch;

/* pane-keys.c */
ref take_bytes(Panes *panes, u32 bytes);
void give_bytes(Panes *panes, ref address);
#define AHEAD 64u
void look_ahead(Panes *panes, const Batch *batch, u32 from, u32 count);
Key *find_ahead(Panes *panes, const u8 *key, u32 length, u32 i);
Key *add_key(Panes *panes, const u8 *key, u32 length);
void drop_empty_keys(Panes *panes);
void sort_keys(Panes *panes);
static inline u8 *bytes_of(Key *key) { return (u8 *)(key + 1); }
static inline Key *key_at(Panes *panes, u32 place) { return AT(Key, AT(ref, panes->sorted)[place]); }

/* pane-hours.c */
extern bool is_new_minute;
ref minute_cell(Panes *panes, Key *key, i64 time);
void expire_minutes(Panes *panes, Key *key, i64 oldest);
bool sum_window(Panes *panes, Key *key, i64 from, i64 to);
i64 first_minute(Key *key, i64 from, i64 none);

/* panes.c */
void clear_cell(Panes *panes, ref cell);
void merge_cell(Panes *panes, ref into, ref from);
