/**
 * Scans. A scan's results are columns in the kernel's memory: no object exists per record.
 *
 * Two rules for readers. A scan is valid until the next scan of the same kernel. A view that it hands out is
 * valid until the next call of any kernel function (memory may move): then ask the scan again, that is cheap.
 */
import { assert } from "./assert.ts";
import { MuaraError, type ErrorCode } from "./errors.ts";
import {
  FIELD_FLAGS,
  FIELD_IDENTITIES,
  FIELD_JAVA_HASHES,
  FIELD_LENGTHS,
  FIELD_STARTS,
  FIELD_TIMES,
  FIELD_TYPES,
  FIELD_WORDS,
  PLAN_ERRORS,
  PLAN_FIELDS,
  PLAN_LENGTHS,
  PLAN_STARTS,
  PLAN_VERDICTS,
  PLAN_VIOLATIONS,
  SCAN_BAD_INDEX,
  SCAN_BROKEN,
  SCAN_DONE,
  SCAN_OUT_OF_MEMORY,
  SCAN_TOO_MANY,
  VALUE_ABSENT,
  VALUE_ESCAPED_STRING,
  VERDICT_CODES,
} from "./kernel-abi.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { ScanLimits, ScanPath, ScanPlan } from "./kernel-plan.ts";
import { RECORD_WORDS, type RecordBatch } from "./record.ts";

export type { ScanLimits, ScanPath, ScanPlan };

export interface ScanOptions {
  /** Line breaks outside of strings become spaces (in `Scan.bytes`). Default false. */
  readonly normaliseLineBreaks?: boolean;
  /** Where in the kernel's memory the bytes go, and one more. Default: a place that the next scan uses again. */
  readonly inputAt?: number;
}

export interface ArrayScanOptions extends ScanOptions {
  /** Default 10,000. */
  readonly maxItems?: number;
}

/** The values at one path: columns of `Scan.count` entries. */
export interface ScanField {
  /** [record] VALUE_* */
  readonly types: Uint8Array;
  /** [record] where the raw value starts in `Scan.bytes`; of a string, behind the quote. */
  readonly starts: Uint32Array;
  /** [record] bytes; of a string, without the quotes. */
  readonly lengths: Uint32Array;
  /** [record] FLAG_* of ids and times */
  readonly flags: Uint8Array;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface ScanFailure {
  /** `event.not_json`, or `batch.too_many`. */
  readonly code: ErrorCode;
  /** Where in the body; of too many items, where the first one too many starts. */
  readonly at: number;
}

export class Scan {
  readonly plan: ScanPlan;
  /** Records; none when there is a failure. */
  readonly count: number;
  /** Why a body could not be split into items; always null for records. */
  readonly failure: ScanFailure | null;
  readonly #memory: KernelMemory;
  readonly #serial: number;
  readonly #input: number;
  readonly #length: number;
  readonly #planAddress: number;

  constructor(
    memory: KernelMemory,
    plan: ScanPlan,
    input: { readonly at: number; readonly length: number },
    count: number,
    failure: ScanFailure | null,
  ) {
    this.plan = plan;
    this.count = count;
    this.failure = failure;
    this.#memory = memory;
    this.#serial = memory.scanSerial;
    this.#input = input.at;
    this.#length = input.length;
    this.#planAddress = plan.address;
  }

  /** What was scanned, with the same positions, line breaks normalised if that was asked for. */
  get bytes(): Uint8Array {
    this.#check();
    return this.#memory.bytes(this.#input, this.#length);
  }

  /** [record] 0: usable. Else see `verdictCode`. */
  get verdicts(): Uint8Array {
    return this.#memory.bytes(this.#column(PLAN_VERDICTS), this.count);
  }

  /** [record] not 0: violates the plan's schema. Says nothing about a record with a verdict. */
  get violations(): Uint8Array {
    assert(this.plan.hasChecks, "this plan has no checks");
    return this.#memory.bytes(this.#column(PLAN_VIOLATIONS), this.count);
  }

  /** [record] of a record with a verdict: the byte that is wrong, from the record's start. */
  get errorAt(): Uint32Array {
    return this.#memory.words(this.#column(PLAN_ERRORS), this.count);
  }

  /** [record] where it starts in `bytes` */
  get starts(): Uint32Array {
    return this.#memory.words(this.#column(PLAN_STARTS), this.count);
  }

  /** [record] bytes, without white space around it in an array */
  get lengths(): Uint32Array {
    return this.#memory.words(this.#column(PLAN_LENGTHS), this.count);
  }

  /**
   * The values at path `i`. Of a record with a verdict they are what was found before its syntax broke
   * (of a repeated key, the last): good for a message, not for a decision.
   */
  field(i: number): ScanField {
    return {
      types: this.#memory.bytes(this.#fieldColumn(i, FIELD_TYPES), this.count),
      starts: this.#memory.words(this.#fieldColumn(i, FIELD_STARTS), this.count),
      lengths: this.#memory.words(this.#fieldColumn(i, FIELD_LENGTHS), this.count),
      flags: this.#memory.bytes(this.#fieldColumn(i, FIELD_FLAGS), this.count),
    };
  }

  /** [record × 2] identities of an `id` path; meaningless where `flags` say so. */
  identities(i: number): BigUint64Array {
    const path = this.plan.paths[i];
    assert(path?.kind === "id" && path.hasNoIdentity !== true, `path ${i} has no identities`);
    return this.#memory.unsignedLongs(this.#fieldColumn(i, FIELD_IDENTITIES), this.count * 2);
  }

  /** [record] µs since 1970 UTC at a `time` path, rounded down; 0 where `flags` say there is none. */
  timesUs(i: number): BigInt64Array {
    assert(this.plan.paths[i]?.kind === "time", `path ${i} is no time`);
    return this.#memory.longs(this.#fieldColumn(i, FIELD_TIMES), this.count);
  }

  /** [record] hash of the value's text (of anything but a string: its raw JSON); 0 where it is absent. */
  javaHashes(i: number): Int32Array {
    assert(this.plan.paths[i]?.javaHash === true, `path ${i} has no javaHash`);
    return this.#memory.integers(this.#fieldColumn(i, FIELD_JAVA_HASHES), this.count);
  }

  /** The value at path `i` of one record as text: a string without escapes, else its raw JSON; null if absent. */
  text(i: number, record: number): string | null {
    const field = this.field(i);
    const type = field.types[record]!;
    if (type === VALUE_ABSENT) return null;
    const start = field.starts[record]!;
    const raw = decoder.decode(this.bytes.subarray(start, start + field.lengths[record]!));
    return type === VALUE_ESCAPED_STRING ? String(JSON.parse(`"${raw}"`)) : raw;
  }

  #check(): void {
    assert(this.#serial === this.#memory.scanSerial, "a later scan has replaced this one");
  }

  #column(word: number): number {
    this.#check();
    return this.#memory.wordAt(this.#planAddress + word * 4);
  }

  #fieldColumn(i: number, word: number): number {
    assert(i >= 0 && i < this.plan.paths.length, `the plan has no path ${i}`);
    return this.#column(PLAN_FIELDS + i * FIELD_WORDS + word);
  }
}

/** @throws kernel.memory */
export function scanRecords(
  memory: KernelMemory,
  plan: ScanPlan,
  batch: RecordBatch,
  secret: Uint8Array,
  options: ScanOptions,
): Scan {
  assert(secret.length === 16, "a table's secret has 16 bytes");
  const { count, bytes, index } = batch;
  const words = count * RECORD_WORDS;
  assert(index.length >= words, "the batch's index is too short");
  memory.scanSerial++;
  const input = options.inputAt ?? memory.placeInput(bytes.length + 1);
  const [secretAt, indexAt] = memory.place(16, words * 4);
  memory.bytes(input, bytes.length).set(bytes);
  memory.bytes(secretAt, 16).set(secret);
  memory.words(indexAt, words).set(index.length === words ? index : index.subarray(0, words));
  const status = memory.exports.scanRecords(
    plan.address,
    secretAt,
    input,
    bytes.length,
    indexAt,
    RECORD_WORDS * 4,
    count,
    options.normaliseLineBreaks === true ? 1 : 0,
  );
  if (status === SCAN_OUT_OF_MEMORY) throw memory.exhausted();
  assert(status !== SCAN_BAD_INDEX, "the batch's index points outside of its bytes");
  assert(status === SCAN_DONE, `unexpected status ${status}`);
  return new Scan(memory, plan, { at: input, length: bytes.length }, count, null);
}

/** @throws kernel.memory */
export function scanArray(
  memory: KernelMemory,
  plan: ScanPlan,
  body: Uint8Array,
  secret: Uint8Array,
  options: ArrayScanOptions,
): Scan {
  assert(secret.length === 16, "a table's secret has 16 bytes");
  const maxItems = options.maxItems ?? 10_000;
  memory.scanSerial++;
  const input = memory.placeInput(body.length + 1);
  const [secretAt] = memory.place(16);
  memory.bytes(input, body.length).set(body);
  memory.bytes(secretAt, 16).set(secret);
  const { exports } = memory;
  const normalise = options.normaliseLineBreaks === true ? 1 : 0;
  const status = exports.scanArray(plan.address, secretAt, input, body.length, maxItems, normalise);
  if (status === SCAN_OUT_OF_MEMORY) throw memory.exhausted();
  let failure: ScanFailure | null = null;
  if (status === SCAN_BROKEN) failure = { code: "event.not_json", at: exports.brokenPosition() >>> 0 };
  else if (status === SCAN_TOO_MANY) failure = { code: "batch.too_many", at: exports.brokenPosition() >>> 0 };
  else assert(status === SCAN_DONE, `unexpected status ${status}`);
  const count = failure ? 0 : exports.itemsFound();
  return new Scan(memory, plan, { at: input, length: body.length }, count, failure);
}

/** The error that a verdict stands for. */
export function verdictCode(verdict: number): ErrorCode {
  const code = VERDICT_CODES[verdict];
  assert(code !== undefined && code !== null, `no error for verdict ${verdict}`);
  return code;
}

/** A verdict as an error, for answers to a single record. */
export function verdictError(verdict: number, at: number): MuaraError {
  const code = verdictCode(verdict);
  return new MuaraError(code, `The event is refused at byte ${at}.`, { details: { at } });
}
