/** A time among the parameters of an address. */
import { MuaraError } from "../core/errors.ts";
import type { ApiContext } from "./context.ts";

/** @returns ISO 8601 UTC; undefined where it is not given @throws request.malformed naming the parameter */
export function isoTime(context: ApiContext, name: string): string | undefined {
  const text = context.req.query(name);
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new MuaraError("request.malformed", `${name} is a time like 2026-03-01T00:00:00Z.`, {
      details: { parameter: name },
    });
  return new Date(ms).toISOString();
}
