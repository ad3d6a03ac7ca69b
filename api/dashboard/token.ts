/**
 * Whose dashboard this is. The token comes by the address's fragment, which no browser sends, is taken out of the
 * address at once, and lasts as long as the tab's session.
 */
import { signal } from "@preact/signals";

const KEY = "muara.token";

export const token = signal<string | undefined>(sessionStorage.getItem(KEY) ?? undefined);
/** Whether the server refused what we have. */
export const isRefused = signal(false);

/** Called before anything reads the address. */
export function takeTokenFromAddress(): void {
  const found = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (found === undefined) return;
  keepToken(decodeURIComponent(found));
  history.replaceState(history.state, "", location.pathname + location.search);
}

export function keepToken(text: string): void {
  sessionStorage.setItem(KEY, text);
  token.value = text;
  isRefused.value = false;
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
  token.value = undefined;
  isRefused.value = true;
}
