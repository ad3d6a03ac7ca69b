/** The kernel's binary interface: the host's half of core-as/index.ts. core-as/README.md describes it. */
import type { ErrorCode } from "./errors.ts";

/** Must equal VERSION in core-as/index.ts. */
export const KERNEL_VERSION = 2;

/** Addresses and sizes are unsigned 32-bit numbers, booleans are 0 or 1. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory;
  version(): number;
  initialise(seed: number): number;
  setMemoryLimit(pages: number): void;
  usedBytes(): number;
  isMemorySound(): number;
  reserveInput(bytes: number): number;
  reserveArguments(bytes: number): number;
  createPlan(description: number, length: number): number;
  destroyPlan(plan: number): void;
  scanRecords(
    plan: number,
    secret: number,
    bytes: number,
    length: number,
    index: number,
    stride: number,
    count: number,
    replacesLineBreaks: number,
  ): number;
  scanArray(
    plan: number,
    secret: number,
    bytes: number,
    length: number,
    maxItems: number,
    replacesLineBreaks: number,
  ): number;
  itemsFound(): number;
  brokenPosition(): number;
  order(times: number, selected: number, count: number, out: number): number;
  newest(times: number, ingest: number, selected: number, count: number, skewMs: number): bigint;
  foundNewest(): number;
  hashBytes(bytes: number, length: number, key: number, out: number, wide: number): void;
  identifyAll(bytes: number, index: number, count: number, secret: number, out: number): void;
  createSet(horizonMs: number, generationMs: number): number;
  clearSet(set: number): void;
  destroySet(set: number): void;
  setSize(set: number): number;
  setBytes(set: number): number;
  tentativeCount(set: number): number;
  admit(
    set: number,
    count: number,
    identities: number,
    ingest: number,
    verdicts: number,
    out: number,
  ): number;
  insert(set: number, count: number, identities: number, ingest: number): number;
  keepTentative(set: number): void;
  undoTentative(set: number): void;
  expire(set: number, slowestMs: number): void;
  generationCount(set: number): number;
  generationNumber(set: number, place: number): number;
  generationSize(set: number, place: number): number;
  generationStamp(set: number, place: number): bigint;
  exportEntries(set: number, place: number, fromSlot: number, most: number, out: number): number;
  exportedTo(): number;
  reserveGeneration(set: number, generation: number, count: number): number;
  importEntries(set: number, generation: number, count: number, entries: number): number;
}

/** Bytes of an exported entry: identity, u32 ms within its generation. */
export const ENTRY_BYTES = 20;
export const IMPORT_NO_MEMORY = -1;
export const IMPORT_BAD_ENTRY = -2;

// What a scan returns (core-as/verdict.ts).
export const SCAN_DONE = 0;
export const SCAN_OUT_OF_MEMORY = -1;
export const SCAN_BAD_INDEX = -2;
export const SCAN_TOO_MANY = -3;
export const SCAN_BROKEN = -4;

/** By verdict; 0 is none. */
export const VERDICT_CODES: readonly (ErrorCode | null)[] = [
  null,
  "event.not_json",
  "event.not_object",
  "event.utf8",
  "event.surrogate",
  "event.duplicate_key",
  "event.too_deep",
  "event.too_large",
];

/** JSON type of a value at a path (`ScanField.types`). */
export const VALUE_ABSENT = 0;
export const VALUE_STRING = 1;
/** A string whose raw bytes hold escapes. */
export const VALUE_ESCAPED_STRING = 2;
export const VALUE_NUMBER = 3;
export const VALUE_TRUE = 4;
export const VALUE_FALSE = 5;
export const VALUE_NULL = 6;
export const VALUE_OBJECT = 7;
export const VALUE_ARRAY = 8;

/** Bits of `ScanField.flags`; an id or time has its meaning only without the first three. */
export const FLAG_MISSING = 1;
/** Present, but no string. */
export const FLAG_WRONG_TYPE = 2;
/** An empty id; a time that is no RFC 3339 date-time. */
export const FLAG_MALFORMED = 4;
export const FLAG_UUID = 8;
/** A time of more than microseconds (rounded down), or a leap second. */
export const FLAG_CUT = 16;

/** Words of a plan (core-as/plan.ts): addresses of the columns of the last scan. */
export const PLAN_VERDICTS = 5;
export const PLAN_ERRORS = 6;
export const PLAN_STARTS = 7;
export const PLAN_LENGTHS = 8;
export const PLAN_FIELDS = 16;
export const FIELD_WORDS = 12;
export const FIELD_TYPES = 1;
export const FIELD_FLAGS = 2;
export const FIELD_STARTS = 3;
export const FIELD_LENGTHS = 4;
export const FIELD_JAVA_HASHES = 5;
export const FIELD_IDENTITIES = 6;
export const FIELD_TIMES = 7;
