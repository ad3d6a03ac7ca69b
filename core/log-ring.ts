/**
 * The newest log lines of a process in memory, for who asks over HTTP; a support bundle has them without anybody
 * searching for a file. Lines are as the logger made them: values under keys that name a secret are not in them.
 */
import { createLogger, type Logger } from "./logger.ts";

const LINES_MAX = 1_000;
const LINE_LENGTH_MAX = 4_096;
/** Of one text in a line that is too long, characters. */
const TEXT_LENGTH = 1_000;

export interface LogRing {
  readonly logger: Logger;
  /** Oldest first. @param limit lines, the newest of those that `has` takes */
  recent(limit: number, has?: (line: LoggedLine) => boolean): readonly LoggedLine[];
}

export type LoggedLine = Readonly<Record<string, unknown>>;

/** @param next gets every line, too, with its own level */
export function ringLogger(next: Logger, nowMs: () => number): LogRing {
  const lines: string[] = [];
  let newest = 0; // index of the oldest line once the ring is full
  const keep = (line: string): void => {
    const kept = line.length > LINE_LENGTH_MAX ? shortened(line) : line;
    if (lines.length < LINES_MAX) lines.push(kept);
    else {
      lines[newest] = kept;
      newest = (newest + 1) % LINES_MAX;
    }
  };
  return {
    logger: tee(next, createLogger(keep, "info", nowMs)),
    recent: (limit, has = () => true) => {
      const inOrder = [...lines.slice(newest), ...lines.slice(0, newest)];
      const found = inOrder.map((line) => JSON.parse(line) as LoggedLine).filter(has);
      return limit === 0 ? [] : found.slice(-limit);
    },
  };
}

/** The same with its texts cut; where that does not do, what every line has, and whose it is. */
function shortened(line: string): string {
  const own = JSON.parse(line) as LoggedLine;
  const texts = Object.fromEntries(
    Object.entries(own).map(([name, value]) => [
      name,
      typeof value === "string" ? value.slice(0, TEXT_LENGTH) : value,
    ]),
  );
  const all = JSON.stringify({ ...texts, shortened: true });
  if (all.length <= LINE_LENGTH_MAX) return all;
  const { time, level, message, service, job } = texts;
  return JSON.stringify({ time, level, message, service, job, shortened: true });
}

function tee(one: Logger, other: Logger): Logger {
  return {
    debug: (message, fields) => {
      one.debug(message, fields);
      other.debug(message, fields);
    },
    info: (message, fields) => {
      one.info(message, fields);
      other.info(message, fields);
    },
    warn: (message, fields) => {
      one.warn(message, fields);
      other.warn(message, fields);
    },
    error: (message, fields) => {
      one.error(message, fields);
      other.error(message, fields);
    },
    with: (fields) => tee(one.with(fields), other.with(fields)),
  };
}
