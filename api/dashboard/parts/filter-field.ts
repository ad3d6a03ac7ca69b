/** A filter of the page, kept in its address. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { filterOf, setFilters } from "../router.ts";

export interface FilterFieldProps {
  /** In the address. */
  readonly name: string;
  readonly label: string;
  /** A choice; absent: a text. */
  readonly options?: readonly (readonly [value: string, title: string])[];
  readonly type?: "text" | "search" | "date" | "datetime-local";
  /** The first of the page, to which `/` goes. */
  readonly isFirst?: boolean;
  readonly placeholder?: string;
  /** What else of the address no longer holds when it changes. */
  readonly clears?: readonly string[];
}

export const FilterField: FunctionComponent<FilterFieldProps> = (props) => {
  const { name, label, options, type = "search", isFirst = false, placeholder, clears = [] } = props;
  const isTime = type === "datetime-local";
  const set = (event: Event): void => {
    const given = (event.target as HTMLInputElement).value;
    const cleared = Object.fromEntries(clears.map((one) => [one, ""]));
    setFilters({ ...cleared, [name]: isTime && given !== "" ? `${given}:00Z` : given });
  };
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
            value=${isTime ? value.slice(0, 16) : value}
            placeholder=${placeholder}
            autocomplete="off"
            spellcheck=${false}
            onInput=${isTime ? undefined : set}
            onChange=${isTime ? set : undefined}
            data-filter=${isFirst || undefined}
          />`
    }</span
  >`;
};

/** Any, or one of what is there; what the address asks for can be seen even where nothing has it. */
export function anyOf(name: string, values: readonly string[]): readonly (readonly [string, string])[] {
  const chosen = filterOf(name);
  const all = [...new Set([...values, ...(chosen === "" ? [] : [chosen])])].sort();
  return [["", "any"], ...all.map((one) => [one, one] as const)];
}
