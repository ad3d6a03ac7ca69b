/**
 * What the operators are measured on: events with identity, ingest time, event time, key and value. One in twenty is a
 * duplicate, all come up to `DISORDER_US` late, one in a thousand later than that. Keys are skewed: half of the events
 * belong to a hundredth of them.
 */
import { writeFileSync } from "node:fs";
import { seededRandomness } from "../../core/clock.ts";

export const EVENTS = 1 << 21;
export const BATCH = 8192;
export const KEYS = 10_000;
export const KEY_BYTES = 16;
/** A multiple of a minute. */
export const START_US = 1_767_225_600_000_000;
export const SPACING_US = 100;
export const DISORDER_US = 5_000_000;
export const HORIZON_MS = 60_000;
export const GENERATION_MS = 60_000;
export const SLICE_SHIFT = 18;
export const SLICES = 1024;
export const WINDOW_MINUTES = 1;

/** Columns [event]. */
export interface Workload {
  /** [event × 2] */
  readonly identities: BigUint64Array<ArrayBuffer>;
  readonly ingestMs: Float64Array<ArrayBuffer>;
  readonly timesUs: BigInt64Array<ArrayBuffer>;
  /** Within 2^52, so that doubles hold them. */
  readonly values: BigInt64Array<ArrayBuffer>;
  readonly keyOf: Uint32Array<ArrayBuffer>;
  /** [key × 16] */
  readonly keyBytes: Uint8Array<ArrayBuffer>;
}

export function makeWorkload(): Workload {
  const random = seededRandomness(5);
  const roll = (below: number): number => Math.floor(random.fraction() * below);
  const words = new Uint32Array(EVENTS * 4);
  const ingestMs = new Float64Array(EVENTS);
  const timesUs = new BigInt64Array(EVENTS);
  const values = new BigInt64Array(EVENTS);
  const keyOf = new Uint32Array(EVENTS);
  for (let i = 0; i < EVENTS; i++) {
    const isDuplicate = i > 0 && roll(20) === 0;
    const of = isDuplicate ? i - 1 - roll(Math.min(i, 100_000)) : i;
    for (let w = 0; w < 4; w++) words[i * 4 + w] = of === i ? roll(2 ** 32) : words[of * 4 + w]!;
    ingestMs[i] = Math.floor((START_US + i * SPACING_US) / 1000);
    const behindUs = roll(1000) === 0 ? DISORDER_US + 2e6 + roll(5e6) : roll(DISORDER_US);
    timesUs[i] = BigInt(START_US + i * SPACING_US - behindUs);
    values[i] = BigInt(roll(2 ** 52) - 2 ** 51);
    keyOf[i] = roll(2) === 0 ? roll(KEYS / 100) : roll(KEYS);
  }
  const keyBytes = Uint8Array.from({ length: KEYS * KEY_BYTES }, () => roll(256));
  return { identities: new BigUint64Array(words.buffer), ingestMs, timesUs, values, keyOf, keyBytes };
}

/** For the native run (bench/native/main.c): the settings and the columns, one behind the other. */
export function writeWorkload(workload: Workload, file: string): void {
  const heading = new Uint8Array(64);
  const view = new DataView(heading.buffer);
  [EVENTS, BATCH, KEYS, WINDOW_MINUTES].forEach((word, i) => view.setUint32(i * 4, word, true));
  view.setFloat64(16, HORIZON_MS, true);
  view.setFloat64(24, GENERATION_MS, true);
  [START_US, SPACING_US, DISORDER_US].forEach((us, i) => view.setBigInt64(32 + i * 8, BigInt(us), true));
  view.setUint32(56, SLICE_SHIFT, true);
  view.setUint32(60, SLICES, true);
  const { identities, ingestMs, timesUs, values, keyOf, keyBytes } = workload;
  const columns = [identities, ingestMs, timesUs, values, keyOf, keyBytes];
  writeFileSync(file, Buffer.concat([heading, ...columns.map((column) => new Uint8Array(column.buffer))]));
}
