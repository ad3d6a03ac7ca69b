/* An allocator with four free lists per power of two; scratch regions that are kept. Blocks are never joined. */
#include "kernel.h"

#define HEADER 16u
#define MARGIN 64u
static ref lists[128];
static u32 top, end, used;
static ref regions[REGIONS];
static u32 capacities[REGIONS];

#ifdef __wasm__
extern u8 __heap_base;

static bool extend(u32 bytes) {
  if (top == 0) top = end = (REF(&__heap_base) + 15) & ~15u;
  const u64 want = (u64)top + bytes + MARGIN, have = (u64)__builtin_wasm_memory_size(0) << 16;
  if (want > have) {
    u32 pages = (u32)((want - have + 65535) >> 16);
    if (pages < 16) pages = 16;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return false;
  }
  end = (u32)(__builtin_wasm_memory_size(0) << 16) - MARGIN;
  return true;
}
#else
#include <sys/mman.h>

static bool extend(u32 bytes) {
  if (top == 0) {
    const size_t size = (size_t)448 << 20;
    void *low = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) return false;
    top = REF(low) + 16;
    end = (u32)(REF(low) + size - MARGIN);
  }
  return (u64)top + bytes <= end;
}
#endif

static u32 bin_of(u32 size) {
  const u32 power = 31 - (u32)__builtin_clz(size);
  return (power << 2) | ((size >> (power - 2)) & 3);
}

ref allocate(u32 bytes) {
  if (bytes > 0xfff00000) return 0;
  u32 size = (bytes + 15) & ~15u;
  if (size < 16) size = 16;
  /* rounded up to the next of four steps, so that every block in a list is large enough */
  const u32 power = 31 - (u32)__builtin_clz(size), step = power > 6 ? 1u << (power - 2) : 16;
  size = (size + step - 1) & ~(step - 1);
  const u32 bin = bin_of(size);
  ref block = lists[bin];
  if (block) {
    lists[bin] = *AT(ref, block + HEADER);
  } else {
    if ((u64)top + HEADER + size > end && !extend(HEADER + size)) return 0;
    block = top;
    top += HEADER + size;
    *AT(u32, block) = size;
  }
  used += HEADER + size;
  return block + HEADER;
}

void release(ref address) {
  if (!address) return;
  const ref block = address - HEADER;
  const u32 size = *AT(u32, block), bin = bin_of(size);
  used -= HEADER + size;
  *AT(ref, address) = lists[bin];
  lists[bin] = block;
}

u32 block_bytes(ref address) { return address ? HEADER + *AT(u32, address - HEADER) : 0; }

ref reserve(u32 region, u32 bytes) {
  if (regions[region] && bytes <= capacities[region]) return regions[region];
  release(regions[region]);
  const u32 wanted = bytes + (bytes >> 2) < 1024 ? 1024 : bytes + (bytes >> 2);
  regions[region] = allocate(wanted + MARGIN);
  capacities[region] = regions[region] ? wanted : 0;
  return regions[region];
}

/* What the host expects of a kernel. */
EXPORT u32 version(void) { return KERNEL_VERSION; }
EXPORT u32 initialise(ref seed) { return seed != 0; }
EXPORT void setMemoryLimit(u32 pages) { (void)pages; }
EXPORT u32 usedBytes(void) { return used; }
EXPORT ref reserveArguments(u32 bytes) { return reserve(REGION_ARGUMENTS, bytes); }
