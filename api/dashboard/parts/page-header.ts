/** The head of a page: what it is, as of when, how far its data is complete, and what can be done. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import { Time } from "./time.ts";

interface PageHeaderProps {
  readonly title: string;
  /** One sentence. */
  readonly about?: Content;
  readonly asOf?: number | string | null | undefined;
  readonly completeThrough?: number | string | null | undefined;
  /** While newer data loads. */
  readonly isLoading?: boolean;
  /** Buttons and filters. */
  readonly children?: Content;
}

export const PageHeader: FunctionComponent<PageHeaderProps> = (props) => html`
  <header class="page-header">
    <div>
      <h1 tabindex="-1">${props.title}</h1>
      ${props.about && html`<p class="about">${props.about}</p>`}
      <p class="as-of" aria-busy=${props.isLoading ?? false}>${known(props)}</p>
    </div>
    ${props.children && html`<div class="actions">${props.children}</div>`}
  </header>
`;

/** Nothing before there is an answer. */
function known({ asOf, completeThrough: through }: PageHeaderProps): Content {
  if (asOf === undefined || asOf === null) return null;
  return html`as of <${Time} at=${asOf} short /> UTC
    ${through !== undefined && html` · complete through ${through ? html`<${Time} at=${through} />` : "–"}`}`;
}
