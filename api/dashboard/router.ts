/** Where we are. The address holds the page and every filter of it, so that it can be copied, kept and gone back to. */
import { computed, signal } from "@preact/signals";
import { matchPage, type Matched } from "./addresses.ts";

interface Address {
  readonly path: string;
  readonly query: URLSearchParams;
}

const read = (): Address => ({ path: location.pathname, query: new URLSearchParams(location.search) });

export const address = signal<Address>(read());
export const matched = computed<Matched | undefined>(() => matchPage(address.value.path));

/** Goes to an address of ours. */
export function navigate(to: string, options: { readonly replace?: boolean } = {}): void {
  history[options.replace ? "replaceState" : "pushState"](null, "", to);
  const { path } = address.value;
  address.value = read();
  if (path !== address.value.path) scrollTo(0, 0);
}

/** A filter of the page that is open; "" when it is not set. */
export function filterOf(name: string): string {
  return address.value.query.get(name) ?? "";
}

/** Sets filters of the page that is open; "" takes one out. Going back skips what was typed. */
export function setFilters(changed: Readonly<Record<string, string>>): void {
  const query = new URLSearchParams(address.value.query);
  for (const [name, text] of Object.entries(changed))
    if (text === "") query.delete(name);
    else query.set(name, text);
  const text = query.toString();
  navigate(address.value.path + (text === "" ? "" : `?${text}`), { replace: true });
}

/** Links to our pages do not load the page anew. */
export function followLinks(): void {
  addEventListener("popstate", () => (address.value = read()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target !== "" || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !matchPage(link.pathname) || link.hash !== "") return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
