/** A filter of the page, kept in its address. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { filterOf, setFilters } from "../router.ts";

interface FilterFieldProps {
  /** In the address. */
  readonly name: string;
  readonly label: string;
  /** A choice; absent: a text. */
  readonly options?: readonly (readonly [value: string, title: string])[];
  readonly type?: "text" | "search" | "date";
  /** The first of the page, to which `/` goes. */
  readonly isFirst?: boolean;
  readonly placeholder?: string;
}

export const FilterField: FunctionComponent<FilterFieldProps> = (props) => {
  const { name, label, options, type = "search", isFirst = false, placeholder } = props;
  const set = (event: Event): void => setFilters({ [name]: (event.target as HTMLInputElement).value });
  const id = `filter-${name}`;
  const value = filterOf(name);
  return html`<span class="field"
    ><label for=${id}>${label}</label> ${
      options
        ? html`<select id=${id} onChange=${set} value=${value} data-filter=${isFirst || undefined}>
            ${options.map(
              ([one, title]) => html`<option value=${one} selected=${one === value}>${title}</option>`,
            )}
          </select>`
        : html`<input
            id=${id}
            type=${type}
            value=${value}
            placeholder=${placeholder}
            autocomplete="off"
            spellcheck=${false}
            onInput=${set}
            data-filter=${isFirst || undefined}
          />`
    }</span
  >`;
};
