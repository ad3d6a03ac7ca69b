/**
 * Which named pieces of work (tables, jobs) this process should do. A hint for speed, never needed for truth:
 * two owners of one table are slower, not wrong.
 */
export interface Ownership {
  owns(name: string): boolean;
}

/** One process does everything. */
export const soleOwnership: Ownership = { owns: () => true };
