/** What the host may call. README.md describes every function; core/kernel-abi.ts is its other half. */
import {
  REGION_ARGUMENTS,
  REGION_INPUT,
  allocate,
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
import { createColumns, destroyColumns, leafOf, resetColumns, rowCount } from "./columns";
import { fillDoubles, fillLong, takeField, takeKeys } from "./envelope";
import { definitionsOf, isInputKept, slotsOf } from "./leaf";
import { createChecks, destroyChecks } from "./check";
import { boundsAt, hasChunkBounds, hasPageBounds } from "./bounds";
import {
  beginChunk,
  chunkEncoding,
  chunkEntries,
  chunkValues,
  encodeBloom,
  encodeDictionary,
  encodePage,
  pageAt,
  pageEntries,
  pageLength,
  pageRows,
  pageValues,
} from "./chunk";
import {
  admit,
  clearSet,
  createSet,
  destroySet,
  expire,
  insert,
  keepTentative,
  locate,
  sealedSize,
  setBytes,
  setSize,
  tentativeCount,
  undoTentative,
} from "./identity-set";
import {
  blindPart,
  exportEntries,
  generationCount,
  generationNumber,
  generationSize,
  generationSlots,
  generationStamp,
  importEntries,
  importPart,
  nextSlot,
  partBody,
  newestPart,
  olderPart,
  partNumbers,
  partStamp,
  reserveGeneration,
  seal,
} from "./identity-image";
import { limitSets, refusal, setsBytes } from "./identity-budget";

import { exportedKeys } from "./pane-image";

/** Changes with every change of what a function takes or means. */
const VERSION: u32 = 4;

export function version(): u32 {
  return VERSION;
}

export { setMemoryLimit, usedBytes };
export { createPlan, scanRecords, scanArray };
export { order, newest };
export { takeField, takeKeys, fillLong, fillDoubles };
export { createChecks };
export { createColumns, resetColumns, leafOf, rowCount, slotsOf, definitionsOf };
export {
  beginChunk,
  chunkEncoding,
  chunkEntries,
  chunkValues,
  encodeDictionary,
  encodePage,
  encodeBloom,
  boundsAt,
};

/** Bytes that stay until they are released. */
export function hold(bytes: usize): usize {
  return allocate(bytes);
}
export function letGo(address: usize): void {
  release(address);
}

/** Whether columns point into the input of the last scan, `takeField` or `takeKeys`. */
export function keepsInput(): bool {
  return isInputKept;
}

// The page that was encoded last.
export function pageAddress(): usize {
  return pageAt;
}
export function pageBytes(): usize {
  return pageLength;
}
export function entriesInPage(): u32 {
  return pageEntries;
}
export function valuesInPage(): u32 {
  return pageValues;
}
export function rowsInPage(): u32 {
  return pageRows;
}
export function pageHasBounds(): bool {
  return hasPageBounds;
}
export function chunkHasBounds(): bool {
  return hasChunkBounds;
}
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
  destroyColumns(plan);
  destroyChecks(plan);
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

// ---- panes: aggregates by key and window
export {
  addToPanes,
  advancePanes,
  createPanes,
  destroyPanes,
  panesBytes,
  panesKeys,
  panesPending,
  panesWatermark,
  resumePanes,
} from "./panes";
export { releasePanes } from "./pane-release";
export {
  exportPanes,
  importPanes,
  paneKeyBytes,
  panesCells,
  panesCursor,
  panesNextEnd,
  reservePanes,
} from "./pane-image";

/** The key at which the next `exportPanes` goes on. */
export function panesExported(): u32 {
  return exportedKeys;
}
// ---- reorder
import { createReorder, destroyReorder, reorderBytes, reorderCapacity, reorderSize } from "./reorder-state";
import { advanceReorder, countAhead, importRecords, pushRecords, releaseRecords } from "./reorder";
import { beginExport, exportRecords } from "./reorder-image";

export {
  createReorder,
  destroyReorder,
  reorderBytes,
  reorderCapacity,
  reorderSize,
  advanceReorder,
  countAhead,
  importRecords,
  pushRecords,
  releaseRecords,
  beginExport,
  exportRecords,
};

// ---- timers
import { createTimers, destroyTimers } from "./timer-wheel";
import { advanceTimers, takeRows, updateTimers } from "./timers";
import {
  beginTimerExport,
  exportTimers,
  exportedTimers,
  exportedTimerBytes,
  finishTimerImport,
  importTimers,
  isDraining,
  startTimers,
  timerBytes,
  timerCount,
} from "./timer-image";

export {
  createTimers,
  destroyTimers,
  timerCount,
  timerBytes,
  updateTimers,
  advanceTimers,
  takeRows,
  isDraining,
  beginTimerExport,
  exportTimers,
  exportedTimers,
  exportedTimerBytes,
  startTimers,
  importTimers,
  finishTimerImport,
};
// ---- identity sets within a budget

export {
  limitSets,
  setsBytes,
  sealedSize,
  locate,
  generationSlots,
  seal,
  newestPart,
  olderPart,
  partStamp,
  partNumbers,
  partBody,
  blindPart,
  importPart,
};

/** Why the last call of an identity set found no memory. */
export function lastRefusal(): i32 {
  return refusal;
}
