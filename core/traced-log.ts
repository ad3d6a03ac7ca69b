/** A log whose appends are spans, where they are part of something that is one. Only used where spans are made. */
import type { Log } from "./ports/log.ts";
import { hasSpan, traced } from "./trace.ts";

export function tracedLog(log: Log): Log {
  const bound = new Map<PropertyKey, unknown>();
  const append: Log["append"] = (stream, partition, batch, producer) => {
    const plain = (): ReturnType<Log["append"]> => log.append(stream, partition, batch, producer);
    if (!hasSpan()) return plain();
    const attributes = {
      "messaging.destination.name": stream,
      "messaging.destination.partition.id": String(partition),
      "messaging.batch.message_count": batch.count,
      "muara.bytes": batch.bytes.length,
    };
    return traced(
      "log append",
      () => ({ attributes }),
      async (span) => {
        const appended = await plain();
        span.setAttribute("muara.offset", appended.baseOffset);
        return appended;
      },
    );
  };
  bound.set("append", append);
  return new Proxy(log, {
    get: (target, key) => {
      if (bound.has(key)) return bound.get(key);
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      // Its methods know their own private members, not this wrapper's.
      const own: unknown = value.bind(target);
      bound.set(key, own);
      return own;
    },
  });
}
