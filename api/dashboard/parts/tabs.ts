/** Parts of a page, one at a time; which one stands in the address, under `tab`. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import { filterOf, setFilters } from "../router.ts";

export interface Tab {
  readonly id: string;
  readonly title: string;
  readonly count?: string;
  readonly show: () => Content;
}

interface TabsProps {
  readonly label: string;
  readonly tabs: readonly Tab[];
}

export const Tabs: FunctionComponent<TabsProps> = ({ label, tabs }) => {
  const open = tabs.find(({ id }) => id === filterOf("tab")) ?? tabs[0]!;
  const select = (id: string): void => setFilters({ tab: id === tabs[0]!.id ? "" : id });
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(open) + step + tabs.length) % tabs.length]!;
    select(next.id);
    document.querySelector<HTMLElement>(`#tab-${next.id}`)?.focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
      ${tabs.map(
        ({ id, title, count }) =>
          html`<button
            type="button"
            role="tab"
            id="tab-${id}"
            aria-selected=${id === open.id}
            aria-controls="panel-${id}"
            tabindex=${id === open.id ? 0 : -1}
            onClick=${() => select(id)}
          >
            ${title}${count !== undefined && html` <span class="count">${count}</span>`}
          </button>`,
      )}
    </div>
    <div role="tabpanel" id="panel-${open.id}" aria-labelledby="tab-${open.id}" tabindex="0">
      ${open.show()}
    </div>
  `;
};
