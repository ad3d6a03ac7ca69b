/**
 * Which named pieces of work (tables, jobs) this process should do. A hint for speed, never needed for truth:
 * two owners of one table are slower, not wrong, and a table without an owner waits in the log.
 */
export interface Ownership {
  /** As last heard; may change at any time. */
  owns(name: string): boolean;
  /** Hands everything over to the others, and hears of nothing any more. */
  close(): Promise<void>;
}

/** One process does everything. */
export const soleOwnership: Ownership = { owns: () => true, close: async () => undefined };

/** @param names owned here whoever else owns them: a second owner on purpose */
export function alsoOwning(ownership: Ownership, names: ReadonlySet<string>): Ownership {
  if (names.size === 0) return ownership;
  return { owns: (name) => names.has(name) || ownership.owns(name), close: () => ownership.close() };
}
