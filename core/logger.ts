/**
 * Log lines: a record each, as JSON for machines or as text for people. Passed in, silent in tests. The names of
 * members are stable, and `message` is a fixed text: what differs stands in members (docs/OPERATE.md, "Log lines").
 *
 * What must not be in a line is kept out here, too, whoever forgets it: values under keys that name a secret, and in
 * any text what looks like one. Of an error its message and its code are told, never its details.
 */
import { MuaraError } from "./errors.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "json" | "text";
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
const REDACTED = "[redacted]";
const SECRET_KEY = /token|secret|password|authorization|credential/i;
/** Muara's tokens, JWTs, what follows `Bearer`, passwords in addresses. */
const SECRET_TEXT =
  /muara_[0-9a-f]{12}_[\w-]{43}|\beyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=\bbearer\s+)\S+|(?<=:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/gi;
/** Of one text in a line, characters. */
const TEXT_MAX = 4_000;

/** Writes each line through `write` (without a line break), from `level` upwards. */
export function createLogger(
  write: (line: string) => void,
  level: LogLevel,
  nowMs: () => number,
  bound: LogFields = {},
  format: LogFormat = "json",
): Logger {
  const emit = (lineLevel: LogLevel, message: string, fields?: LogFields): void => {
    if (LEVELS.indexOf(lineLevel) < LEVELS.indexOf(level)) return;
    const own = { time: new Date(nowMs()).toISOString(), level: lineLevel, message };
    // Twice: they come first, and nobody else's member takes their place.
    const text = JSON.stringify(
      { ...own, service: "muara", ...bound, ...codeOf(fields), ...fields, ...own },
      redact,
    );
    write(format === "json" ? text : textOf(JSON.parse(text) as LogFields));
  };
  return {
    debug: (message, fields) => emit("debug", message, fields),
    info: (message, fields) => emit("info", message, fields),
    warn: (message, fields) => emit("warn", message, fields),
    error: (message, fields) => emit("error", message, fields),
    with: (fields) => createLogger(write, level, nowMs, { ...bound, ...fields }, format),
  };
}

function codeOf(fields: LogFields = {}): LogFields {
  const { error } = fields;
  return error instanceof MuaraError ? { code: error.code } : {};
}

function redact(key: string, value: unknown): unknown {
  if (SECRET_KEY.test(key)) return REDACTED;
  if (typeof value === "bigint") return value.toString();
  const text = value instanceof Error ? value.message : value;
  if (typeof text !== "string") return text;
  const shown = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
  return shown.replaceAll(SECRET_TEXT, REDACTED);
}

/** `time LEVEL service: what happened key=value …`; values as JSON where they are no plain words. */
function textOf({ time, level, message, service, ...fields }: LogFields): string {
  const pairs = Object.entries(fields).map(([key, value]) => {
    const isPlain = typeof value === "string" && /^[^\s"=]+$/.test(value);
    return ` ${key}=${isPlain ? value : JSON.stringify(value)}`;
  });
  // A text of several lines would be several records to whoever reads them.
  const said = String(message).replaceAll(/[\r\n]+/g, " ");
  return `${String(time)} ${String(level).toUpperCase().padEnd(5)} ${String(service)}: ${said}${pairs.join("")}`;
}

const nothing = (): void => {};
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  with: () => silentLogger,
};
