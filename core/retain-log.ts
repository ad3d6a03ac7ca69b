/** The log's own retention, while this process has the log. */
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { Log } from "./ports/log.ts";

/** Until the signal is aborted. */
export async function retainLog(
  { log, clock, logger }: { readonly log: Log; readonly clock: Clock; readonly logger: Logger },
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    try {
      const bytes = await log.retain();
      if (bytes > 0) logger.info("log retention", { bytes });
    } catch (error) {
      logger.error("log retention failed", { problem: String(error) });
    }
  }
}
