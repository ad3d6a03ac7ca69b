/** The kernel's binary interface: the host's half of core-as/index.ts. core-as/README.md describes it. */
import type { ErrorCode } from "./errors.ts";

/** Must equal VERSION in core-as/index.ts. */
export const KERNEL_VERSION = 4;

/** Addresses and sizes are unsigned 32-bit numbers, booleans are 0 or 1. */
export interface KernelExports
  extends SealedSetExports, ColumnExports, ReorderExports, TimerExports, PaneExports {
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
    settled: number,
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
  createChecks(plan: number, description: number, length: number): number;
}

/** Rows as columns, and column chunks of Parquet (core-as/columns.ts, core-as/chunk.ts). */
export interface ColumnExports {
  createColumns(plan: number, description: number, length: number): number;
  resetColumns(plan: number): void;
  leafOf(plan: number, leaf: number): number;
  rowCount(plan: number): number;
  slotsOf(leaf: number): number;
  definitionsOf(leaf: number): number;
  takeField(plan: number, place: number, leaf: number, bytes: number, first: number, count: number): number;
  takeKeys(
    leaf: number,
    bytes: number,
    length: number,
    index: number,
    stride: number,
    first: number,
    count: number,
  ): number;
  fillLong(leaf: number, first: number, count: number, value: bigint, isThere: number): void;
  fillDoubles(leaf: number, first: number, count: number, values: number, factor: number): void;
  hold(bytes: number): number;
  keepsInput(): number;
  letGo(address: number): void;
  beginChunk(leaf: number, rows: number, count: number, isPlain: number): number;
  chunkEncoding(): number;
  chunkEntries(): number;
  chunkValues(): number;
  encodeDictionary(): number;
  encodePage(): number;
  encodeBloom(): number;
  boundsAt(): number;
  pageAddress(): number;
  pageBytes(): number;
  entriesInPage(): number;
  valuesInPage(): number;
  rowsInPage(): number;
  pageHasBounds(): number;
  chunkHasBounds(): number;
}

/** Reordering by event time (core-as/reorder.ts). */
export interface ReorderExports {
  reorderCapacity(slices: number, maxBytes: number): number;
  createReorder(shift: number, slices: number, maxBytes: number, maxAheadBytes: number): number;
  destroyReorder(reorder: number): void;
  reorderSize(reorder: number): number;
  reorderBytes(reorder: number): number;
  countAhead(reorder: number): number;
  advanceReorder(reorder: number, watermark: bigint): void;
  pushRecords(
    reorder: number,
    count: number,
    times: number,
    offsets: number,
    words: number,
    answers: number,
    keepsAhead: number,
  ): number;
  releaseRecords(reorder: number, most: number, out: number): number;
  beginExport(reorder: number): number;
  exportRecords(reorder: number, most: number, out: number): number;
  importRecords(reorder: number, count: number, records: number): number;
}

/** Keyed timers (core-as/timers.ts). */
export interface TimerExports {
  createTimers(shift: number, retention: bigint, maxBytes: number): number;
  destroyTimers(timers: number): void;
  timerCount(timers: number): number;
  timerBytes(timers: number): number;
  updateTimers(timers: number, count: number, columns: number): number;
  advanceTimers(timers: number, watermark: bigint): number;
  takeRows(timers: number, most: number, out: number): number;
  isDraining(timers: number): number;
  beginTimerExport(timers: number): number;
  exportedTimers(timers: number): number;
  exportTimers(timers: number, room: number, out: number): number;
  exportedTimerBytes(timers: number): number;
  startTimers(timers: number, watermark: bigint): void;
  importTimers(timers: number, bytes: number, from: number): number;
  finishTimerImport(timers: number, isDraining: number): number;
}

/** Panes: aggregates by key and window (core-as/panes.ts). */
export interface PaneExports {
  createPanes(description: number, bytesMost: number): number;
  destroyPanes(panes: number): void;
  addToPanes(panes: number, count: number, batch: number, horizonUs: bigint, statuses: number): number;
  advancePanes(panes: number, watermarkUs: bigint): void;
  releasePanes(panes: number, most: number, keyRoom: number, out: number): number;
  panesBytes(panes: number): number;
  panesKeys(panes: number): number;
  panesPending(panes: number): number;
  panesWatermark(panes: number): bigint;
  panesCells(panes: number): number;
  panesNextEnd(panes: number): bigint;
  panesCursor(panes: number): number;
  paneKeyBytes(panes: number, place: number): number;
  exportPanes(panes: number, from: number, room: number, out: number): number;
  panesExported(): number;
  reservePanes(panes: number, keys: number, cells: number): number;
  importPanes(panes: number, image: number, length: number): number;
  resumePanes(
    panes: number,
    watermarkUs: bigint,
    nextEndUs: bigint,
    cursor: number,
    isPending: number,
    bytesMost: number,
  ): number;
}

/** What `addToPanes`, `releasePanes` and `importPanes` return below 0. */
export const PANES_NO_MEMORY = -1;
export const PANES_OVER_BUDGET = -2;
export const PANES_DAMAGED = -2;
export const PANES_NOT_RELEASED = -3;
export const PANES_BAD_BATCH = -4;
/** Why `pushRecords` and `updateTimers` changed nothing; 0: done. */
export const REFUSED_MEMORY = -1;
export const REFUSED_BUDGET = -2;
export const REFUSED_AHEAD_BUDGET = -3;

/** Identity sets within a budget, their sealed parts. */
export interface SealedSetExports {
  limitSets(bytes: number): void;
  setsBytes(): number;
  lastRefusal(): number;
  sealedSize(set: number): number;
  locate(set: number, count: number, identities: number, ingest: number, out: number): void;
  generationSlots(set: number, place: number): number;
  seal(set: number, place: number, isBlind: number, keepsTable: number): number;
  newestPart(set: number, place: number): number;
  olderPart(part: number): number;
  partStamp(part: number): bigint;
  partNumbers(part: number): number;
  partBody(part: number): number;
  blindPart(set: number, place: number, index: number): void;
  importPart(set: number, generation: number, image: number, length: number): number;
}

// What a call of an identity set may say instead of 0, done.
export const SET_MAYBE = 1;
export const SET_NO_MEMORY = -1;
export const SET_BAD_ENTRY = -2;
export const SET_OVER_BUDGET = -3;
export const SET_FULL = -4;

/** Bytes of an exported entry: identity, u32 ms within its generation. */
export const ENTRY_BYTES = 20;

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
/** Only of a plan with checks. */
export const PLAN_VIOLATIONS = 15;
export const PLAN_FIELDS = 16;
export const FIELD_WORDS = 12;
export const FIELD_TYPES = 1;
export const FIELD_FLAGS = 2;
export const FIELD_STARTS = 3;
export const FIELD_LENGTHS = 4;
export const FIELD_JAVA_HASHES = 5;
export const FIELD_IDENTITIES = 6;
export const FIELD_TIMES = 7;
