/**
 * A store whose answers to put-if-absent cannot be trusted to come, over any store: requests that never arrive,
 * answers that are lost, requests carried out long after they were given up, requests delivered twice (so that the
 * writer hears "refused" from its own object), and refusals of what is not there. Only `done` is ever believable.
 */
import type { Randomness } from "../../core/clock.ts";
import type { ObjectStore, PutOutcome } from "../../core/ports/object-store.ts";

export const AMBIGUITIES = ["lost", "answer_lost", "late", "twice", "twice_late", "refused_wrongly"] as const;
export type Ambiguity = (typeof AMBIGUITIES)[number];

const COMMIT = /\/_delta_log\/\d{20}\.json$/;
const LATE_CALLS_MAX = 40;

export interface AmbiguityOptions {
  readonly random: Randomness;
  /** Of the commits' writes. */
  readonly rate: number;
  /** Not empty. */
  readonly kinds: readonly Ambiguity[];
  /** Where late requests arrive, whoever has crashed meanwhile. */
  readonly beneath: ObjectStore;
  readonly counts: Record<Ambiguity, number>;
}

export function noAmbiguities(): Record<Ambiguity, number> {
  return { lost: 0, answer_lost: 0, late: 0, twice: 0, twice_late: 0, refused_wrongly: 0 };
}

/** `store` with ambiguous answers to the writes that claim a table's version; all other calls pass. */
export function ambiguousStore(store: ObjectStore, options: AmbiguityOptions): ObjectStore {
  const { random, rate, kinds, beneath, counts } = options;
  let late: { callsLeft: number; readonly arrive: () => Promise<unknown> }[] = [];
  /** Time passes by calls: what was late enough arrives, before or after the call at hand. */
  const passing = async (): Promise<void> => {
    for (const request of late) request.callsLeft--;
    const due = late.filter((request) => request.callsLeft <= 0);
    late = late.filter((request) => request.callsLeft > 0);
    for (const request of due) await request.arrive();
  };
  const putIfAbsent = async (path: string, bytes: Uint8Array): Promise<PutOutcome> => {
    await passing();
    if (!COMMIT.test(path) || random.fraction() >= rate) return store.putIfAbsent(path, bytes);
    const kind = kinds[Math.floor(random.fraction() * kinds.length)]!;
    counts[kind]++;
    const copy = bytes.slice();
    const arriveLater = (): void => {
      const callsLeft = 1 + Math.floor(random.fraction() * LATE_CALLS_MAX);
      late.push({ callsLeft, arrive: () => beneath.putIfAbsent(path, copy) });
    };
    switch (kind) {
      case "lost":
        return unknown("the request was lost");
      case "late":
        arriveLater();
        return unknown("no answer in time");
      case "answer_lost":
        await store.putIfAbsent(path, bytes);
        return unknown("the answer was lost");
      case "twice":
        await store.putIfAbsent(path, bytes);
        return store.putIfAbsent(path, bytes);
      case "twice_late":
        arriveLater();
        return store.putIfAbsent(path, bytes);
      default:
        return { outcome: "refused" };
    }
  };
  return {
    location: (path) => store.location(path),
    put: async (path, bytes) => {
      await passing();
      await store.put(path, bytes);
    },
    putIfAbsent,
    putIfMatch: (path, bytes, etag) => store.putIfMatch(path, bytes, etag),
    get: async (path) => {
      await passing();
      return store.get(path);
    },
    getRange: (path, at, length) => store.getRange(path, at, length),
    head: async (path) => {
      await passing();
      return store.head(path);
    },
    list: (prefix) => store.list(prefix),
    delete: (path) => store.delete(path),
  };
}

function unknown(cause: string): PutOutcome {
  return { outcome: "unknown", cause: new Error(cause) };
}
