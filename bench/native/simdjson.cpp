/*
 * simdjson's DOM over the events that bench/kernel/scan.ts has written: each parsed whole, which checks its grammar and
 * its UTF-8, and the same four values taken. It decodes no id and no time, and lets repeated keys pass. Prints CPU ms
 * per round as JSON; the first round is left out.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>
#include <simdjson.h>

static double now() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  FILE *file = count == 3 ? fopen(arguments[1], "rb") : nullptr;
  if (!file) return 1;
  fseek(file, 0, SEEK_END);
  const size_t size = (size_t)ftell(file);
  rewind(file);
  // what lies behind an event is the padding that simdjson reads
  std::vector<char> bytes(size + simdjson::SIMDJSON_PADDING);
  if (fread(bytes.data(), 1, size, file) != size) return 2;
  uint32_t events;
  __builtin_memcpy(&events, bytes.data(), 4);
  std::vector<uint32_t> lengths(events);
  __builtin_memcpy(lengths.data(), bytes.data() + 4, events * (size_t)4);
  simdjson::dom::parser parser;
  size_t sum = 0;
  const int rounds = atoi(arguments[2]);
  for (int round = 0; round <= rounds; round++) {
    const double before = now();
    const char *at = bytes.data() + 4 + events * (size_t)4;
    for (uint32_t i = 0; i < events; i++) {
      const simdjson::dom::element event = parser.parse(at, lengths[i], false);
      const simdjson::dom::element metadata = event["metadata"];
      sum += std::string_view(metadata["eid"]).size() + std::string_view(metadata["occurred_at"]).size();
      sum += std::string_view(metadata["event_type"]).size() + std::string_view(event["order_id"]).size();
      at += lengths[i];
    }
    if (round > 0) printf("%s%f", round == 1 ? "[" : ",", now() - before);
  }
  printf("]\n");
  return sum == 0;
}
