/** A log that notes what is appended to it and how long that takes, whichever door it came by. */
import type { Clock } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import { logWithAppend } from "./log-with-append.ts";
import type { Measures } from "./measures.ts";
import type { Log } from "./ports/log.ts";
import { PAYLOAD_LENGTH, RECORD_WORDS, ABSENT, type RecordBatch } from "./record.ts";

export function measuredLog(log: Log, measures: Measures, clock: Clock): Log {
  const append: Log["append"] = async (stream, partition, batch, producer) => {
    const work = (): ReturnType<Log["append"]> => log.append(stream, partition, batch, producer);
    try {
      const appended = await measures.timed("muara_log_append_seconds", {}, clock, work);
      if (appended.isRepeat) return appended;
      measures.count("muara_log_records", { stream }, batch.count);
      measures.count("muara_log_appended_bytes", { stream }, payloadBytes(batch));
      return appended;
    } catch (error) {
      const code = error instanceof MuaraError ? error.code : "internal";
      measures.count("muara_log_append_failures", { code });
      throw error;
    }
  };
  return logWithAppend(log, append);
}

function payloadBytes({ count, index }: RecordBatch): number {
  let sum = 0;
  for (let record = 0; record < count; record++) {
    const length = index[record * RECORD_WORDS + PAYLOAD_LENGTH]!;
    if (length !== ABSENT) sum += length;
  }
  return sum;
}
