/** What was read for a page, or why it was not. Older figures stay while newer ones load, and after a failure. */
import { html, type Content } from "../html.ts";
import type { Resource } from "../resource.ts";
import { ErrorBox } from "./error-box.ts";
import { Loading } from "./loading.ts";

export interface LoadedProps<T> {
  readonly of: Resource<T>;
  /** What it is, for texts. */
  readonly what: string;
  readonly show: (value: T) => Content;
}

export function loaded<T>({ of, what, show }: LoadedProps<T>): Content {
  const { value, error, isLoading, reload } = of;
  return html`
    ${error !== undefined && html`<${ErrorBox} error=${error} what=${what} onRetry=${reload} />`}
    ${value === undefined && error === undefined && html`<${Loading} what=${what} />`}
    ${value !== undefined && html`<div aria-busy=${isLoading}>${show(value)}</div>`}
  `;
}
