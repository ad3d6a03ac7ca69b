/** For answers that are worth less than the wait: a store on the network may take long to be given up. */
import type { Clock } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";

/** @throws store.unavailable after `ms`; whatever `work` throws */
export async function inTime<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then((): never => {
    throw new MuaraError("store.unavailable", "the lake takes too long to answer");
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
    work.catch(() => undefined);
  }
}
