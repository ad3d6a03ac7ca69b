/**
 * The verdict on one record. Errors of meaning (everything but size and syntax) do not end the scan, since a
 * syntax error further on outranks them; the first one in byte order stands.
 */

export const OK: u8 = 0;
export const NOT_JSON: u8 = 1;
export const NOT_OBJECT: u8 = 2;
export const UTF8: u8 = 3;
export const SURROGATE: u8 = 4;
export const DUPLICATE_KEY: u8 = 5;
export const TOO_DEEP: u8 = 6;
export const TOO_LARGE: u8 = 7;

// What a call returns.
export const DONE: i32 = 0;
export const OUT_OF_MEMORY: i32 = -1;
export const BAD_INDEX: i32 = -2;
export const TOO_MANY: i32 = -3;
export const BROKEN: i32 = -4;

/** The first error of meaning in this record, and where. */
export let verdict: u8 = OK;
export let verdictAt: usize = 0;
/** The first byte that cannot continue the text, after a function reported a syntax error. */
export let brokenAt: usize = 0;
/** Memory ran out: whatever was being scanned is not judged at all. */
export let isExhausted: bool = false;

export function beginRecord(): void {
  verdict = OK;
  isExhausted = false;
}

export function note(code: u8, at: usize): void {
  if (verdict != OK) return;
  verdict = code;
  verdictAt = at;
}

/** Reports a syntax error: always returns 0, the address that means "broken". */
export function broken(at: usize): usize {
  brokenAt = at;
  return 0;
}

export function exhausted(): usize {
  isExhausted = true;
  return 0;
}
