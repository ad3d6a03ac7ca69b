/*
 * The kernel's operators in C, to tell what AssemblyScript costs: the same algorithms and layouts as in core-as/, the
 * same functions as its binary interface, built for this machine and for wasm32 with SIMD. What only runs when memory
 * runs out (taking a batch back) and what the bench never uses (sessions, sketches, state images, doubles) is left out;
 * what tells that memory has run out, budgets, and notes for taking back are there.
 *
 * Addresses are 32-bit numbers in both builds, so that tables and records are of the same size; the native build takes
 * its memory from the lowest 2 GiB.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;
typedef int64_t i64;
typedef double f64;
/* The address of a thing; 0: none. */
typedef u32 ref;

#define AT(type, address) ((type *)(uintptr_t)(address))
#define REF(pointer) ((ref)(uintptr_t)(pointer))
#define NO_TIME INT64_MIN

#ifdef __wasm__
#include <wasm_simd128.h>
#define EXPORT __attribute__((visibility("default")))
typedef v128_t vector;
#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)
#define SPLAT8(b) wasm_i8x16_splat(b)
#define SAME8(a, b) wasm_i8x16_bitmask(wasm_i8x16_eq(a, b))
#define HIGH_BITS(v) wasm_i8x16_bitmask(v)
#define copy __builtin_memcpy
#define move __builtin_memmove
#define fill __builtin_memset
#else
#include <emmintrin.h>
#include <string.h>
#define EXPORT
typedef __m128i vector;
#define LOAD(p) _mm_loadu_si128((const vector *)(p))
#define STORE(p, v) _mm_storeu_si128((vector *)(p), v)
#define SPLAT8(b) _mm_set1_epi8((char)(b))
#define SAME8(a, b) (u32) _mm_movemask_epi8(_mm_cmpeq_epi8(a, b))
#define HIGH_BITS(v) (u32) _mm_movemask_epi8(v)
#define copy memcpy
#define move memmove
#define fill memset
#endif

/* memory.c */
ref allocate(u32 bytes);
void release(ref address);
u32 block_bytes(ref address);
enum { REGION_ARGUMENTS, REGION_SORT, REGION_PANES, REGIONS };
ref reserve(u32 region, u32 bytes);

/* sort.c: pairs of a key and an address */
typedef struct {
  u64 key;
  u32 address, unused;
} Pair;
static inline u64 rank(i64 value) { return (u64)value ^ 0x8000000000000000ull; }
Pair *sort_pairs(Pair *pairs, Pair *spare, u32 count);
Pair *sort_entries(Pair *pairs, Pair *spare, u32 count);

static inline i64 floor_divide(i64 value, i64 by) {
  const i64 quotient = value / by;
  return value < 0 && quotient * by != value ? quotient - 1 : quotient;
}
