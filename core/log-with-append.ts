/** A log with another way to append; everything else is the log's own. */
import type { Log } from "./ports/log.ts";

export function logWithAppend(log: Log, append: Log["append"]): Log {
  /** Its methods know their private members by the log itself alone, so they are bound to it, once. */
  const bound = new Map<PropertyKey, unknown>([["append", append]]);
  return new Proxy(log, {
    get(target, name) {
      const known = bound.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method: unknown = value.bind(target);
      bound.set(name, method);
      return method;
    },
  });
}
