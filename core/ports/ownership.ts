/**
 * Which named pieces of work (tables, jobs) this process should do. A hint for speed, never needed for truth:
 * two owners of one table are slower, not wrong, and a table without an owner waits in the log.
 */
export interface Ownership {
  /** As last heard; may change at any time. */
  owns(name: string): boolean;
  /**
   * Whether others hear that a name is not theirs, so that two of one belief are so for moments; else everybody may
   * own everything for good, and has to give way to whom he meets. May change at any time.
   */
  readonly isDealt: boolean;
  /** Hands everything over to the others, and hears of nothing any more. */
  close(): Promise<void>;
}

/** Who waits for work to become his looks whether it has after this, ms. */
export const OWNED_LOOK_MS = 500;

/** One process does everything. */
export const soleOwnership: Ownership = {
  owns: () => true,
  isDealt: false,
  close: async () => undefined,
};

/** @param names owned here whoever else owns them: a second owner on purpose */
export function alsoOwning(ownership: Ownership, names: ReadonlySet<string>): Ownership {
  if (names.size === 0) return ownership;
  return {
    owns: (name) => names.has(name) || ownership.owns(name),
    get isDealt() {
      return ownership.isDealt;
    },
    close: () => ownership.close(),
  };
}
