/** Keys: `g` and a letter goes to a page, `/` to the page's filter, `?` shows them all. Never while somebody types. */
import { signal } from "@preact/signals";
import { PAGES } from "./addresses.ts";
import { navigate } from "./router.ts";

export const isHelpOpen = signal(false);
/** How long the letter after `g` may take. */
const SECOND_KEY_MS = 1_500;

let goUntilMs = 0;

export function followShortcuts(): void {
  addEventListener("keydown", (event) => {
    // The browser's own answer to it closes other dialogs.
    if (event.key === "Escape") isHelpOpen.value = false;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event)) return;
    const isSecond = performance.now() < goUntilMs;
    goUntilMs = 0;
    const target = isSecond ? PAGES.find((page) => "key" in page && page.key === event.key) : undefined;
    if (target) navigate(target.path);
    else if (event.key === "g") goUntilMs = performance.now() + SECOND_KEY_MS;
    else if (event.key === "?") isHelpOpen.value = !isHelpOpen.value;
    else if (event.key !== "/" || !focusFilter()) return;
    event.preventDefault();
  });
}

/** Pages mark their first filter with `data-filter`. */
function focusFilter(): boolean {
  const filter = document.querySelector<HTMLElement>("[data-filter]");
  filter?.focus();
  return filter !== null;
}

function isTyping({ target }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  // The editor lies in a root of its own: the event names its host.
  return (
    /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable || target.shadowRoot !== null
  );
}
