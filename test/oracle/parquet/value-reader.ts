/** What every reader of a value does. */
import type { Scanner } from "./scanner.ts";
import type { Vector } from "./vector.ts";

export interface ValueReader {
  /** Where `store` puts values; undefined for what is no column. */
  readonly vector: Vector | undefined;
  /** @param i at the value @returns behind it, or FAILED */
  store(scanner: Scanner, i: number, slot: number): number;
  value(scanner: Scanner, i: number): number;
}
