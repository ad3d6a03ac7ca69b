/*
 * The native run: reads the workload that bench/kernel/workload.ts has written, takes it through the operators in
 * batches, twice, and prints the second time's CPU ms per operator and its checks (bench/kernel/report.ts) as JSON: the
 * first time takes memory from the system, which the other ways have by then.
 */
#include "kernel.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

ref createSet(f64 horizon, f64 span);
i32 admit(ref set, u32 count, ref identities, ref ingest, ref verdicts, ref settled, ref out);
void keepTentative(ref set), expire(ref set, f64 slowest);
void destroySet(ref set), destroyReorder(ref reorder), destroyPanes(ref panes);
u32 order(ref times, ref selected, u32 count, ref out);
ref createReorder(u32 shift, u32 slices, f64 bytes, f64 ahead_bytes);
i32 pushRecords(ref reorder, u32 count, ref times, ref offsets, ref words, ref answers, u32 keeps);
void advanceReorder(ref reorder, i64 watermark);
i32 releaseRecords(ref reorder, u32 most, ref out);
ref createPanes(ref description, u32 bytes_most);
i32 addToPanes(ref panes, u32 count, ref batch, i64 horizon, ref statuses);
void advancePanes(ref panes, i64 watermark);
i32 releasePanes(ref panes, u32 most, u32 key_room, ref out);

typedef struct {
  u32 count, batch, keys, size_minutes;
  f64 horizon_ms, generation_ms;
  i64 start_us, spacing_us, disorder_us;
  u32 slice_shift, slices;
} Heading;

enum { DEDUP, ORDER, REORDER, PANES, OPERATORS };
static f64 spent[OPERATORS], began;
static u32 duplicates, late, ordered, released, results, summed;

static f64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (f64)time.tv_sec * 1e3 + (f64)time.tv_nsec / 1e6;
}

static void start(void) { began = now(); }
static void stop(u32 operator) { spent[operator] += now() - began; }

static void *low(u64 bytes) {
  const ref at = allocate((u32)bytes + 64);
  if (!at) exit(2);
  return AT(void, at);
}

static void *input(FILE *file, u64 bytes) {
  void *to = low(bytes);
  if (fread(to, 1, bytes, file) != bytes) exit(3);
  return to;
}

static Heading heading;
static ref set, reorder, panes;
static u64 *identities;
static f64 *ingest;
static i64 *times, *values;
static u32 *key_of;
static u8 *key_bytes;

/* Scratch columns of a batch. */
static u8 *answers, *verdicts, *settled;
static u32 *selected, *positions;
static i64 *some_times, *some_values;
static f64 *some_offsets;
static u32 *some_words, *some_keys, *batch_words;
static u8 *some_bytes, *out;

static void take_results(void) {
  const u32 most = heading.batch, room = 65536 + most * 32;
  for (;;) {
    start();
    const i32 count = releasePanes(panes, most, room, REF(out));
    stop(PANES);
    if (count < 0) exit(5);
    if (count == 0) return;
    const i64 *ends = (i64 *)out + most, *columns = (i64 *)out + (size_t)most * 3;
    const u32 *places = (u32 *)((i64 *)out + (size_t)most * 2), flags = ((most + 7) & ~7u) / 8;
    const i64 *counts = columns + flags, *sums = counts + most + flags, *lows = sums + most * 2 + flags;
    const i64 *highs = lows + most + flags;
    const u8 *keys = (u8 *)(highs + most);
    for (i32 i = 0; i < count; i++) {
      const u32 minute = (u32)(ends[i] / 60000000);
      u32 key;
      copy(&key, keys + places[i * 2], 4);
      const u32 rest = (u32)counts[i] + (u32)sums[i * 2] * 31 + (u32)lows[i] * 131 + (u32)highs[i] * 1031;
      summed += (key + minute) * 0x9e3779b1u ^ rest;
    }
    results += (u32)count;
  }
}

static void release_to_panes(i64 watermark) {
  const u32 most = heading.batch;
  for (;;) {
    start();
    const i32 count = releaseRecords(reorder, most, REF(out));
    stop(REORDER);
    if (count < 0) exit(4);
    const u32 *payloads = (u32 *)(out + (size_t)most * 20);
    for (i32 i = 0; i < count; i++) {
      const u32 payload = payloads[i];
      released = released * 31 + payload;
      copy(some_bytes + i * 16, key_bytes + (size_t)key_of[payload] * 16, 16);
      some_keys[i * 2] = (u32)i * 16;
      some_keys[i * 2 + 1] = 16;
      some_values[i] = values[payload];
    }
    batch_words[0] = REF(some_bytes);
    batch_words[1] = (u32)count * 16;
    batch_words[2] = REF(some_keys);
    batch_words[3] = REF(out);
    batch_words[4] = batch_words[5] = 0;
    batch_words[6] = REF(some_values);
    batch_words[7] = 0;
    start();
    const i32 status = addToPanes(panes, (u32)count, REF(batch_words), INT64_MAX, REF(answers));
    stop(PANES);
    if (status) exit(6);
    if ((u32)count < most) break;
  }
  start();
  advancePanes(panes, watermark);
  stop(PANES);
  take_results();
}

static void run_batch(u32 from, u32 count) {
  start();
  const ref of = REF(identities + (size_t)from * 2);
  if (admit(set, count, of, REF(ingest + from), REF(verdicts), REF(settled), REF(answers))) exit(7);
  keepTentative(set);
  expire(set, ingest[from]);
  stop(DEDUP);
  u32 chosen = 0;
  for (u32 i = 0; i < count; i++)
    if (answers[i] == 1) selected[chosen++] = i;
  duplicates += count - chosen;
  start();
  if (!order(REF(times + from), REF(selected), chosen, REF(positions))) exit(8);
  stop(ORDER);
  for (u32 i = 0; i < chosen; i++) {
    ordered = ordered * 31 + positions[i];
    const u32 event = from + selected[i];
    some_times[i] = times[event];
    some_offsets[i] = event;
    some_words[i] = 0;
    some_words[chosen + i] = event;
  }
  const i64 watermark = heading.start_us + (i64)(from + count) * heading.spacing_us - heading.disorder_us;
  start();
  if (pushRecords(reorder, chosen, REF(some_times), REF(some_offsets), REF(some_words), REF(answers), 1)) exit(9);
  advanceReorder(reorder, watermark);
  stop(REORDER);
  for (u32 i = 0; i < chosen; i++) late += answers[i] == 1;
  release_to_panes(watermark);
}

static ref describe(void) {
  u32 *words = low(48 + 4 + 4 * 16 + 16);
  i64 *longs = (i64 *)(words + 4);
  fill(words, 0, 48 + 4 + 4 * 16);
  words[1] = 1;
  words[2] = 4;
  longs[0] = heading.size_minutes * 60000000ll;
  longs[1] = 60000000;
  words[12] = 1;
  const u32 kinds[4] = {1, 3, 4, 5};
  for (u32 i = 0; i < 4; i++) {
    words[13 + i * 4] = kinds[i];
    words[14 + i * 4] = i ? 0 : UINT32_MAX;
  }
  return REF(words);
}

static void run(u32 n, u32 batch) {
  start();
  set = createSet(heading.horizon_ms, heading.generation_ms);
  stop(DEDUP);
  start();
  reorder = createReorder(heading.slice_shift, heading.slices, 64 << 20, 8 << 20);
  advanceReorder(reorder, heading.start_us - heading.disorder_us);
  stop(REORDER);
  const ref description = describe();
  start();
  panes = createPanes(description, UINT32_MAX);
  stop(PANES);
  for (u32 from = 0; from < n; from += batch) run_batch(from, n - from < batch ? n - from : batch);
  start();
  advanceReorder(reorder, 1ll << 60);
  stop(REORDER);
  release_to_panes(1ll << 60);
}

int main(int count, char **arguments) {
  FILE *file = count == 2 ? fopen(arguments[1], "rb") : 0;
  if (!file || fread(&heading, sizeof heading, 1, file) != 1) return 1;
  const u32 n = heading.count, batch = heading.batch;
  identities = input(file, n * 16ull);
  ingest = input(file, n * 8ull);
  times = input(file, n * 8ull);
  values = input(file, n * 8ull);
  key_of = input(file, n * 4ull);
  key_bytes = input(file, heading.keys * 16ull);
  answers = low(batch), verdicts = low(batch), settled = low(batch), selected = low(batch * 4), positions = low(batch * 4);
  fill(verdicts, 0, batch);
  fill(settled, 0, batch);
  some_times = low(batch * 8), some_values = low(batch * 8), some_offsets = low(batch * 8);
  some_words = low(batch * 8), some_keys = low(batch * 8), batch_words = low(64), some_bytes = low(batch * 16);
  out = low(batch * 120 + 65536 + 4096);
  run(n, batch);
  destroySet(set);
  destroyReorder(reorder);
  destroyPanes(panes);
  fill(spent, 0, sizeof spent);
  duplicates = late = ordered = released = results = summed = 0;
  run(n, batch);
  printf("{\"spentMs\":[%f,%f,%f,%f],\"checks\":[%u,%u,%u,%u,%u,%u]}\n", spent[DEDUP], spent[ORDER], spent[REORDER],
         spent[PANES], duplicates, late, ordered, released, results, summed);
}
