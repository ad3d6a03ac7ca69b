/** What the host may call. README.md describes every function; core/kernel-abi.ts is its other half. */
import {
  REGION_ARGUMENTS,
  REGION_INPUT,
  reserve as reserveRegion,
  isSound,
  release,
  setMemoryLimit,
  usedBytes,
} from "./memory";
import { seedKeys } from "./keys";
import { hashHigh, hashLow, sipHash } from "./siphash";
import { identify } from "./identity";
import { createPlan } from "./plan";
import { destroyShapes } from "./shapes";
import { bodyBrokenAt, itemCount, scanArray, scanRecords } from "./scan";
import { hasNewest, newest, order } from "./order";
import {
  admit,
  clearSet,
  createSet,
  destroySet,
  expire,
  exportEntries,
  generationCount,
  generationNumber,
  generationSize,
  generationStamp,
  importEntries,
  insert,
  keepTentative,
  nextSlot,
  reserveGeneration,
  setBytes,
  setSize,
  tentativeCount,
  undoTentative,
} from "./identity-set";

/** Changes with every change of what a function takes or means. */
const VERSION: u32 = 2;

export function version(): u32 {
  return VERSION;
}

export { setMemoryLimit, usedBytes };
export { createPlan, scanRecords, scanArray };
export { order, newest };
export {
  createSet,
  clearSet,
  destroySet,
  setSize,
  setBytes,
  tentativeCount,
  admit,
  insert,
  keepTentative,
  undoTentative,
  expire,
  generationCount,
  generationNumber,
  generationSize,
  generationStamp,
  exportEntries,
  reserveGeneration,
  importEntries,
};

/** Whether the allocator's records agree with each other. For tests. */
export function isMemorySound(): bool {
  return isSound();
}

export function destroyPlan(plan: usize): void {
  destroyShapes(plan);
  release(plan);
}

/** At least `bytes` bytes for what is scanned. */
export function reserveInput(bytes: usize): usize {
  return reserveRegion(REGION_INPUT, bytes);
}

/** At least `bytes` bytes for the arguments and small results of one call. */
export function reserveArguments(bytes: usize): usize {
  return reserveRegion(REGION_ARGUMENTS, bytes);
}

/** Must be called once, first. */
export function initialise(seed: usize): bool {
  return seedKeys(seed);
}

export function itemsFound(): usize {
  return itemCount;
}

export function brokenPosition(): usize {
  return bodyBrokenAt;
}

export function exportedTo(): u32 {
  return nextSlot;
}

export function foundNewest(): bool {
  return hasNewest;
}

/** SipHash-2-4 of bytes under a key of 16 bytes; writes 8 bytes to `out`, 16 when `wide`. */
export function hashBytes(bytes: usize, length: usize, key: usize, out: usize, wide: bool): void {
  sipHash(bytes, length, load<u64>(key), load<u64>(key, 8), -1, wide);
  store<u64>(out, hashLow);
  if (wide) store<u64>(out, hashHigh, 8);
}

/** The identities of `count` ids, given as u32 (start, length) pairs into `bytes`; 16 bytes each to `out`. */
export function identifyAll(bytes: usize, index: usize, count: usize, secret: usize, out: usize): void {
  const low: u64 = load<u64>(secret);
  const high: u64 = load<u64>(secret, 8);
  for (let i: usize = 0; i < count; i++) {
    const start: usize = load<u32>(index + (i << 3));
    identify(bytes + start, load<u32>(index + (i << 3), 4), low, high);
    store<u64>(out + (i << 4), hashLow);
    store<u64>(out + (i << 4), hashHigh, 8);
  }
}
