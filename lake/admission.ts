/**
 * Whether a store may hold a lake: its conditional writes must be won once. A directory is atomic by link(2); every
 * other store is raced at start, because some only seem to keep the promise. The door does not wait for a store that
 * gives no answer: what is accepted waits in the log, and landing begins when the answer is there.
 */
import type { Clock, Randomness } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import { isStoreTrouble, MuaraError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import { type Atomicity, probeAtomicity } from "../core/probe-atomicity.ts";

const PROBE_FOLDER = "_muara";
const START_WAIT_MS = 3_000;
const AGAIN_MS = 2_000;

export interface AdmissionPorts {
  readonly store: ObjectStore;
  readonly writers: Config["lakeWriters"];
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface Admission {
  /** Resolves when landing may begin; false where the signal came before. @throws store.not_atomic */
  granted(signal: AbortSignal): Promise<boolean>;
  /** Nobody waits any more: a store that gives no answer is not asked again. */
  end(): void;
}

export const ALWAYS_ADMITTED: Admission = { granted: async () => true, end: () => undefined };

/**
 * Races the store, and waits a little for the result.
 * @throws store.not_atomic where it is known by then
 */
export async function admit(ports: AdmissionPorts): Promise<Admission> {
  const over = new AbortController();
  const verdict = judge(ports, over.signal);
  verdict.catch(() => undefined); // whoever asks hears of it
  await Promise.race([verdict, ports.clock.sleep(START_WAIT_MS)]);
  return {
    // Who gives up ends his own waiting alone: it may be a request that its client has left.
    granted: async (signal) => {
      const gone = Promise.withResolvers<boolean>();
      const leave = (): void => gone.resolve(false);
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
      try {
        return await Promise.race([verdict, gone.promise]);
      } finally {
        signal.removeEventListener("abort", leave);
      }
    },
    end: () => over.abort(),
  };
}

async function judge(ports: AdmissionPorts, signal: AbortSignal): Promise<boolean> {
  const { clock, logger, writers } = ports;
  while (!signal.aborted) {
    const atomicity = await look(ports);
    if (atomicity === "atomic" || (atomicity === "sequential" && writers === "one")) return true;
    if (atomicity !== "unknown")
      throw new MuaraError("store.not_atomic", "several writers won the same name in a race", {
        details: { atomicity, lakeWriters: writers },
      });
    logger.warn("the lake's store gives no answer; events are accepted and wait in the log");
    await clock.sleep(AGAIN_MS, signal);
  }
  return false;
}

async function look({ store, randomness, logger }: AdmissionPorts): Promise<Atomicity> {
  try {
    return await probeAtomicity(store, PROBE_FOLDER, randomness);
  } catch (error) {
    if (!isStoreTrouble(error)) throw error;
    logger.warn("the lake's store cannot be raced", { error });
    return "unknown";
  }
}
