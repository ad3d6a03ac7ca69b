/**
 * The configuration as it may be shown. Secrets never stand in it (secret.ts), but an address may carry one: a user's
 * password, or the path of a chat's webhook.
 */
import type { ConfigEntry } from "./config.ts";

const HIDDEN = "***";

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
  const masked = text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, `$1${HIDDEN}@`);
  if (key !== "webhook") return masked;
  const address = URL.parse(masked);
  return address && `${address.pathname}${address.search}` !== "/" ? `${address.origin}/${HIDDEN}` : masked;
}
