/** Removals that end the local copies of data files, too, where rows must be gone everywhere. */
import type { Removals } from "./removals.ts";

/** @param cache undefined where there are no copies */
export function endingCopies(removals: Removals, cache: { clear(): void } | undefined): Removals {
  const erase: Removals["erase"] = async (...request) => {
    try {
      return await removals.erase(...request);
    } finally {
      cache?.clear(); // also after one that was cut off: some files are gone
    }
  };
  return { ...removals, erase };
}
