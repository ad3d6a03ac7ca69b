/**
 * Whether put-if-absent is atomic under contention. Several S3 servers pass a sequential test and still let many
 * racers win (measured: up to 257 winners in 40 rounds), so the probe races. A pass is no proof; a failure is.
 */
import type { Randomness } from "../../core/clock.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { joinStorePath } from "../../core/store-path.ts";

const ROUNDS = 10;
const RACERS = 8;

/** @returns whether several processes may write tables in this store; false also where an outcome stays unknown */
export async function probeAtomicity(
  store: ObjectStore,
  prefix: string,
  randomness: Randomness,
): Promise<boolean> {
  for (let round = 0; round < ROUNDS; round++) {
    const path = joinStorePath(prefix, `probe-${randomness.uuid()}`);
    try {
      if (!(await isWonOnce(store, path))) return false;
    } finally {
      await store.delete(path);
    }
  }
  return true;
}

async function isWonOnce(store: ObjectStore, path: string): Promise<boolean> {
  const entries = Array.from({ length: RACERS }, (_, racer) => new TextEncoder().encode(`racer ${racer}`));
  const outcomes = await Promise.all(entries.map((bytes) => store.putIfAbsent(path, bytes)));
  const winners = entries.filter((_, racer) => outcomes[racer]!.outcome === "done");
  const refused = outcomes.filter(({ outcome }) => outcome === "refused");
  const [winner] = winners;
  if (winner === undefined || winners.length + refused.length !== RACERS || winners.length !== 1)
    return false;
  const late = await store.putIfAbsent(path, new TextEncoder().encode("late"));
  const found = await store.get(path);
  return (
    late.outcome === "refused" && found !== undefined && new TextDecoder().decode(found) === text(winner)
  );
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
