/** How many streams there may be at a time: of a principal, and of a principal on one partition. Explicit, and told. */
import { MuaraError } from "../../../core/errors.ts";

export class StreamPlaces {
  readonly #taken = new Map<string, number>();

  /**
   * One place of each key.
   * @returns gives them back; harmless when called again
   * @throws stream.too_many, and then nothing is taken
   */
  take(
    wanted: readonly { readonly key: string; readonly most: number; readonly limit: string }[],
  ): () => void {
    for (const { key, most, limit } of wanted)
      if ((this.#taken.get(key) ?? 0) >= most)
        throw new MuaraError("stream.too_many", `There are ${most} streams already (${limit}).`, {
          details: { limit: most },
        });
    for (const { key } of wanted) this.#taken.set(key, (this.#taken.get(key) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      for (const { key } of wanted) {
        const left = this.#taken.get(key)! - 1;
        if (left === 0) this.#taken.delete(key);
        else this.#taken.set(key, left);
      }
    };
  }
}
