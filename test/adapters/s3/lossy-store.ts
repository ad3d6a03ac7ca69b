/** Any store behind a network that loses requests and answers: what was carried out is not always known. */
import { MuaraError } from "../../../core/errors.ts";
import type { Randomness } from "../../../core/clock.ts";
import type { ObjectStore, PutOutcome } from "../../../core/ports/object-store.ts";

function lost(): MuaraError {
  return new MuaraError("store.unavailable", "no answer");
}

/** @param rate of calls without an answer; of these every other one is carried out all the same */
export function lossyStore(store: ObjectStore, randomness: Randomness, rate: number): ObjectStore {
  const isLost = (): boolean => randomness.fraction() < rate;
  const isCarriedOut = (): boolean => randomness.fraction() < 0.5;
  const plain =
    <Given extends unknown[], Answer>(call: (...given: Given) => Promise<Answer>) =>
    async (...given: Given): Promise<Answer> => {
      if (!isLost()) return call(...given);
      if (isCarriedOut()) await call(...given);
      throw lost();
    };
  const conditional =
    <Given extends unknown[]>(call: (...given: Given) => Promise<PutOutcome>) =>
    async (...given: Given): Promise<PutOutcome> => {
      if (!isLost()) return call(...given);
      if (isCarriedOut()) await call(...given);
      return { outcome: "unknown", cause: lost() };
    };
  return {
    location: (path) => store.location(path),
    put: plain((path: string, bytes: Uint8Array) => store.put(path, bytes)),
    putIfAbsent: conditional((path: string, bytes: Uint8Array) => store.putIfAbsent(path, bytes)),
    putIfMatch: conditional((path: string, bytes: Uint8Array, etag: string) =>
      store.putIfMatch(path, bytes, etag),
    ),
    get: plain((path: string) => store.get(path)),
    getRange: plain((path: string, at: number, length: number) => store.getRange(path, at, length)),
    head: plain((path: string) => store.head(path)),
    list: plain((prefix: string) => store.list(prefix)),
    delete: plain((path: string) => store.delete(path)),
  };
}
