/**
 * What other processes declare (event types, tokens, roles, shares) is known here after a bounded time. Landing reads
 * it in each of its rounds; a process that only accepts events, or only answers, would know nothing new for ever.
 */
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { Registry } from "./registry.ts";

/** How often it is read, ms. */
const FOLLOW_MS = 2_000;

/** Until the signal is aborted. While it cannot be read, what was read holds. */
export async function followRegistry(
  { registry, clock, logger }: { registry: Registry; clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  let isFailing = false;
  for (;;) {
    await clock.sleep(FOLLOW_MS, signal);
    if (signal.aborted) return;
    try {
      await registry.refresh();
      isFailing = false;
    } catch (error) {
      if (!isFailing) logger.warn("what is declared cannot be read; what was read holds", { error });
      isFailing = true;
    }
  }
}
