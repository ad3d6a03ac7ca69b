/** A log whose appends are spans, where they are part of something that is one. Only used where spans are made. */
import { logWithAppend } from "./log-with-append.ts";
import type { Log } from "./ports/log.ts";
import { hasSpan, traced } from "./trace.ts";

export function tracedLog(log: Log): Log {
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
  return logWithAppend(log, append);
}
