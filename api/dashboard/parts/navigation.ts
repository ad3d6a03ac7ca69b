/** The way between pages: a column on a wide screen, a bar at the bottom with the rest behind "More" on a phone. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import { PAGES } from "../addresses.ts";
import { html } from "../html.ts";
import { address } from "../router.ts";
import { isHelpOpen } from "../shortcuts.ts";
import { forgetToken, token } from "../token.ts";

const GROUPS = ["Watch", "Lake", "Business", "House"] as const;

export const Navigation: FunctionComponent = () => {
  const isOpen = useSignal(false);
  const { path } = address.value;
  useEffect(() => void (isOpen.value = false), [path]);
  return html`
    <header class="side" data-open=${isOpen.value}>
      <a class="brand" href="/" aria-label="Muara: now">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M3 6c8 0 8 10 13 10h13M3 16h26M3 26c8 0 8-10 13-10" />
        </svg>
        <span>Muara</span>
      </a>
      <button
        class="more"
        type="button"
        aria-expanded=${isOpen.value}
        aria-controls="pages"
        onClick=${() => (isOpen.value = !isOpen.value)}
      >
        Menu
      </button>
      <nav id="pages" aria-label="Pages">
        ${GROUPS.map(
          (group) => html`
            <h2>${group}</h2>
            <ul>
              ${pagesOf(group).map(
                (page) =>
                  html`<li>
                    <a href=${page.path} aria-current=${isCurrent(page.path, path) ? "page" : undefined}
                      >${page.title}</a
                    >
                  </li>`,
              )}
            </ul>
          `,
        )}
        <div class="foot">
          <button type="button" class="plain" onClick=${() => (isHelpOpen.value = true)}>
            Keys <kbd>?</kbd>
          </button>
          ${
            token.value !== undefined &&
            html`<button type="button" class="plain" onClick=${forgetToken}>Sign out</button>`
          }
        </div>
      </nav>
    </header>
  `;
};

function pagesOf(group: string): readonly (typeof PAGES)[number][] {
  return PAGES.filter((page) => "group" in page && page.group === group);
}

/** `/tables/x` belongs to Tables, `/events/x` to Live, `/cases/x` to Processes. */
function isCurrent(own: string, path: string): boolean {
  if (own === "/") return path === "/";
  if (own === "/live" && path.startsWith("/events/")) return true;
  if (own === "/process" && path.startsWith("/cases/")) return true;
  return path === own || path.startsWith(`${own}/`);
}
