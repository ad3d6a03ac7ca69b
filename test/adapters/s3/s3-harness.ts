/** A harness of the log on an object store: the log's time is the test's, its waiting is real. */
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { type S3LogOptions, openS3Log } from "../../../adapters/s3/log.ts";
import { type Clock, ManualClock, seededRandomness, systemClock } from "../../../core/clock.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { LogHarness } from "../../conformance/log-harness.ts";

/** Wall time by hand; pauses as they are. What the hand moves forward is time that has passed. */
class HalfManualClock extends ManualClock {
  #passedMs = 0;

  override advance(ms: number): void {
    super.advance(ms);
    this.#passedMs += Math.max(0, ms);
  }

  override monotonicMs(): number {
    return systemClock.monotonicMs() + this.#passedMs;
  }

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }
}

export type StoreOf = (clock: Clock) => ObjectStore;

/** A store in memory whose clock is the test's. */
export const memoryStore: StoreOf = (clock) => {
  let passedMs = clock.nowMs();
  // A store's clock does not go back.
  const nowMs = (): number => (passedMs = Math.max(passedMs, clock.nowMs()));
  return createMemoryObjectStore({ clock: { ...systemClock, nowMs } });
};

/**
 * One log out of several processes' logs over the same store: each stream is appended to by one of them, everything
 * else is asked of each in turn.
 */
export function manyProcesses(): LogHarness & { readonly clock: ManualClock } {
  const harness = s3LogHarness(memoryStore);
  const open = async (): Promise<Log> => {
    const logs = await Promise.all([harness.open(), harness.open(), harness.open()]);
    let turn = 0;
    const next = (): Log => logs[turn++ % logs.length]!;
    return {
      id: logs[0].id,
      createStream: (name, options) => next().createStream(name, options),
      alterStream: (name, options) => next().alterStream(name, options),
      deleteStream: (name, topicId) => next().deleteStream(name, topicId),
      // What another one altered or deleted is seen by whoever looks at the chain.
      stream: async (name) => {
        const log = next();
        await log.bounds(name, 0).catch(() => undefined);
        return log.stream(name);
      },
      listStreams: () => next().listStreams(),
      append: (stream, ...rest) => logs[stream.length % logs.length]!.append(stream, ...rest),
      read: async (stream, partition, ...from) => {
        const log = next();
        await log.bounds(stream, partition); // looks; what it knew before may be gone
        return log.read(stream, partition, ...from);
      },
      bounds: (...place) => next().bounds(...place),
      offsetAt: (...place) => next().offsetAt(...place),
      accepted: (stream) => next().accepted(stream),
      hold: async (consumer, holds) => {
        const log = next();
        for (const { stream, partition } of holds) await log.bounds(stream, partition);
        await log.hold(consumer, holds);
      },
      isHolding: (consumer) => next().isHolding(consumer),
      retain: () => next().retain(),
      // Of several at once each has its own share only where one does them all.
      erase: (...erasure) => logs[1].erase!(...erasure),
      get appendCount(): number {
        return logs[0].appendCount;
      },
      waitForAppend: (...wait) => logs[0].waitForAppend(...wait),
      close: async () => void (await Promise.all(logs.map((log) => log.close()))),
    };
  };
  const reopen = async (log: Log): Promise<Log> => {
    await log.close();
    return open();
  };
  return { ...harness, open, reopen };
}

export function s3LogHarness(
  storeOf: StoreOf,
  limits: Partial<S3LogOptions> = {},
): LogHarness & { readonly clock: ManualClock } {
  const clock = new HalfManualClock(1_700_000_000_000);
  const store = storeOf(clock);
  const randomness = seededRandomness(1);
  const open = (): Promise<Log> => openS3Log({ store, clock, randomness, freshMs: 0, floorMs: 0, ...limits });
  const reopen = async (log: Log): Promise<Log> => {
    await log.close();
    return open();
  };
  return {
    clock,
    open,
    reopen,
    abilities: ["clock", "reopen", "producers", "retention", "accepted", "erase"],
  };
}
