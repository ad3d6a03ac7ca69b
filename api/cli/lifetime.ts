/** How a process begins to speak and comes to its end. */
import process from "node:process";
import { systemClock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { createLogger, type LogFormat, type Logger } from "../../core/logger.ts";

/** Log lines go to stderr: stdout is for data. */
export function stderrLogger(level: Config["logLevel"], format: LogFormat = "json"): Logger {
  return createLogger(
    (line) => process.stderr.write(`${line}\n`),
    level,
    () => systemClock.nowMs(),
    {},
    format,
  );
}

/** Resolves at Ctrl-C (the command line's signal) or SIGTERM. */
export function stopOf(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    process.once("SIGTERM", () => done());
    signal.addEventListener("abort", () => done(), { once: true });
  });
}

export function cutOff(logger: Logger): never {
  logger.error("the stop took too long and was cut off; the rest lands after the next start");
  process.exit(0);
}
