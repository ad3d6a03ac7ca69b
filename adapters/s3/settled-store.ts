/** Small objects that are made once: the log's identity, a stream's options. */
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { probeAtomicity } from "../../core/probe-atomicity.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";

const PAUSE_MS = 50;
const ATTEMPTS = 8;

interface Services {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * Creates an object, or finds the one that is there; an answer that does not come is asked for again.
 * @returns the bytes that are there @throws store.unavailable
 */
export async function createOnce(services: Services, path: string, bytes: Uint8Array): Promise<Uint8Array> {
  const { store } = services;
  let cause: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const answer = await store.putIfAbsent(path, bytes);
    if (answer.outcome === "done") return bytes;
    if (answer.outcome === "unknown") ({ cause } = answer);
    else {
      const there = await store.get(path);
      if (there) return there;
    }
    await services.clock.sleep(PAUSE_MS * 2 ** attempt * (0.5 + services.randomness.fraction()));
  }
  throw new MuaraError("store.unavailable", `the store does not say whether it created ${path}`, { cause });
}

/**
 * Some stores take `If-None-Match` for granted, or race. A log on one of them would lose what it acknowledged.
 * @throws store.not_atomic
 */
export async function probeStore({ store, randomness }: Services): Promise<void> {
  const atomicity = await probeAtomicity(store, "probe", randomness);
  if (atomicity === "none" || atomicity === "sequential")
    throw new MuaraError("store.not_atomic", "several writers won the same name in a race", {
      details: { atomicity },
    });
}

/**
 * Some stores take `If-Match` for granted. An erasure on one of them could bring back what another erased.
 * @throws store.not_atomic, store.unavailable
 */
export async function probeMatch({
  store,
  randomness,
}: Pick<Services, "store" | "randomness">): Promise<void> {
  const path = `probe/match-${randomness.uuid()}`;
  const encoder = new TextEncoder();
  try {
    await store.put(path, encoder.encode("first"));
    const { etag } = (await store.head(path))!;
    await store.put(path, encoder.encode("second"));
    const { outcome } = await store.putIfMatch(path, encoder.encode("third"), etag);
    if (outcome === "done")
      throw new MuaraError("store.not_atomic", "the store overwrites what changed under a writer's hands");
  } finally {
    await store.delete(path);
  }
}
