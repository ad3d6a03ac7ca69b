/**
 * Structured log lines: one JSON object per line, for people and machines. Passed in, silent in tests.
 * Values under keys that name a secret never appear.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const SECRET_KEY = /token|secret|password|authorization|credential/i;

/** Writes each line through `write` (without a line break), from `level` upwards. */
export function createLogger(
  write: (line: string) => void,
  level: LogLevel,
  nowMs: () => number,
  bound: LogFields = {},
): Logger {
  const emit = (lineLevel: LogLevel, message: string, fields?: LogFields): void => {
    if (LEVELS.indexOf(lineLevel) < LEVELS.indexOf(level)) return;
    const time = new Date(nowMs()).toISOString();
    write(JSON.stringify({ time, level: lineLevel, message, ...bound, ...fields }, redact));
  };
  return {
    debug: (message, fields) => emit("debug", message, fields),
    info: (message, fields) => emit("info", message, fields),
    warn: (message, fields) => emit("warn", message, fields),
    error: (message, fields) => emit("error", message, fields),
    with: (fields) => createLogger(write, level, nowMs, { ...bound, ...fields }),
  };
}

function redact(key: string, value: unknown): unknown {
  if (SECRET_KEY.test(key)) return "[redacted]";
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return value.message;
  return value;
}

const nothing = (): void => {};
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  with: () => silentLogger,
};
