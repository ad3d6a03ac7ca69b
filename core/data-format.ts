/**
 * The format of everything that Muara writes, as one number in the registry, and so beside the log: declarations,
 * counters and properties of tables, places of jobs and deliveries, manifests of extracts. It grows when an older
 * release would misread any of it. A release refuses what is newer before it writes anything, so that going back to an
 * older one is refused, and harms nothing; what is older it reads, and raises the number.
 */
import { hasCode, MuaraError } from "./errors.ts";
import type { Registry } from "./registry.ts";

export const DATA_FORMAT = 1;
const KIND = "data-format";
const NAME = "muara";

interface StoredFormat {
  readonly format: number;
  /** Release that raised it. */
  readonly version: string;
}

/** @throws format.newer */
export function checkDataFormat(registry: Registry): void {
  const stored = registry.get<StoredFormat>(KIND, NAME)?.value;
  if (!stored || stored.format <= DATA_FORMAT) return;
  const { format, version } = stored;
  throw new MuaraError(
    "format.newer",
    `The data is of format ${format}, written by Muara ${version}; this release has ${DATA_FORMAT}.`,
    { details: { format, version, known: DATA_FORMAT } },
  );
}

/** Notes that this release has written here. @throws format.newer; what the log throws */
export async function claimDataFormat(registry: Registry, version: string): Promise<void> {
  for (;;) {
    checkDataFormat(registry);
    const stored = registry.get<StoredFormat>(KIND, NAME);
    if (stored?.value?.format === DATA_FORMAT) return;
    try {
      const value = { format: DATA_FORMAT, version };
      await registry.put<StoredFormat>(KIND, NAME, stored?.revision ?? 0, value);
      return;
    } catch (error) {
      // Another process has said so in the same moment.
      if (!hasCode(error, "declaration.conflict")) throw error;
    }
  }
}
