/**
 * Whether put-if-absent is atomic under contention. Several S3 servers pass a sequential test and still let many
 * racers win (measured: up to 257 winners in 40 rounds), so the probe races. A pass is no proof; a failure is.
 */
import type { Randomness } from "./clock.ts";
import type { ObjectStore } from "./ports/object-store.ts";
import { joinStorePath } from "./store-path.ts";

const ROUNDS = 10;
const RACERS = 8;

/**
 * - `atomic`: exactly one racer wins each name, and what it wrote stays.
 * - `sequential`: a name that is there is refused, but racing writers may both win: safe for one process at a time.
 * - `none`: the condition means nothing here. Nothing can be committed.
 * - `unknown`: the store did not answer for sure.
 */
export type Atomicity = "atomic" | "sequential" | "none" | "unknown";

/** Races in `prefix` under names that nobody uses; they are deleted again. @throws store.unavailable */
export async function probeAtomicity(
  store: ObjectStore,
  prefix: string,
  randomness: Randomness,
): Promise<Atomicity> {
  const rounds = Array.from({ length: ROUNDS }, async () => {
    const path = joinStorePath(prefix, `probe-${randomness.uuid()}`);
    try {
      return await judgeRound(store, path);
    } finally {
      await store.delete(path);
    }
  });
  const verdicts = await Promise.all(rounds);
  return (["none", "sequential", "unknown"] as const).find((one) => verdicts.includes(one)) ?? "atomic";
}

async function judgeRound(store: ObjectStore, path: string): Promise<Atomicity> {
  const entries = Array.from({ length: RACERS }, (_, racer) => new TextEncoder().encode(`racer ${racer}`));
  const outcomes = await Promise.all(entries.map((bytes) => store.putIfAbsent(path, bytes)));
  const late = await store.putIfAbsent(path, new TextEncoder().encode("late"));
  if (late.outcome === "done" && outcomes.some(({ outcome }) => outcome === "done")) return "none";
  const winners = entries.filter((_, racer) => outcomes[racer]!.outcome === "done");
  if (winners.length > 1) return "sequential";
  const found = await store.get(path);
  const isFirst = found !== undefined && winners.some((winner) => text(winner) === text(found));
  const isSettled = [...outcomes, late].every(({ outcome }) => outcome !== "unknown");
  if (!isSettled) return "unknown";
  return isFirst ? "atomic" : "none";
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
