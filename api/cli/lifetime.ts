/** How a process begins to speak and comes to its end. */
import process from "node:process";
import { systemClock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { createLogger, type Logger } from "../../core/logger.ts";

/** Log lines go to stderr: stdout is for data. */
export function stderrLogger(level: Config["logLevel"]): Logger {
  return createLogger(
    (line) => process.stderr.write(`${line}\n`),
    level,
    () => systemClock.nowMs(),
  );
}

/** Resolves at Ctrl-C (the command line's signal) or SIGTERM. */
export function stopOf(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    process.once("SIGTERM", () => done());
    signal.addEventListener("abort", () => done(), { once: true });
  });
}

export function cutOff(): never {
  process.stderr.write(
    "muara: the stop took too long and was cut off; the rest lands after the next start\n",
  );
  process.exit(0);
}
