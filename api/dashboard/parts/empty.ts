/** Nothing is there yet, and what would fill it. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import { CopyButton } from "./copy-button.ts";

interface EmptyProps {
  readonly title: string;
  /** A line for a terminal. */
  readonly command?: string;
  readonly children?: Content;
}

export const Empty: FunctionComponent<EmptyProps> = ({ title, command, children }) => html`
  <section class="empty">
    <svg viewBox="0 0 120 40" aria-hidden="true">
      <path d="M2 12c30 0 30 8 58 8h58M2 28c30 0 30-8 58-8" />
    </svg>
    <h2>${title}</h2>
    ${children && html`<p>${children}</p>`}
    ${command && html`<p class="command"><code>${command}</code> <${CopyButton} text=${command} /></p>`}
  </section>
`;
