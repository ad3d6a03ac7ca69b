/**
 * The configuration as it may be shown. Secrets never stand in it (secret.ts), but an address may carry one: a user's
 * password, or the path of a chat's webhook.
 */
import type { ConfigEntry } from "./config.ts";

const HIDDEN = "***";
/** Of an address, also of one within another; up to the last @, since a password may hold one. */
const USER = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#]*@/gi;
const USER_ENCODED = /(%3A%2F%2F)(?:(?!%2F|%3F|%23)[^\s/?#&])*%40/gi;

/** The same with addresses made harmless, in whatever it holds. */
export function shownValue(value: unknown, key = ""): unknown {
  if (typeof value === "string") return shownText(value, key);
  if (Array.isArray(value)) return value.map((one) => shownValue(one, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shownValue(inner, name)]));
}

export function shownEntry({ path, value, ...entry }: ConfigEntry): ConfigEntry {
  return { ...entry, path, value: shownValue(value ?? null, path.at(-1)) };
}

function shownText(text: string, key: string): string {
  const masked = text.replace(USER, `$1${HIDDEN}@`).replace(USER_ENCODED, `$1${HIDDEN}%40`);
  if (key !== "webhook") return masked;
  const address = URL.parse(masked);
  return address && `${address.pathname}${address.search}` !== "/" ? `${address.origin}/${HIDDEN}` : masked;
}
