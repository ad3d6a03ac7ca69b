/** Two texts as one, with what went and what came. */
import type { FunctionComponent } from "preact";
import { type Content, html } from "../html.ts";
import { type LineChange, lineChanges } from "./line-changes.ts";

const SIGNS = { same: " ", gone: "−", new: "+" } as const;

export const Difference: FunctionComponent<{ readonly before: string; readonly after: string }> = ({
  before,
  after,
}) => html` <pre class="difference" tabindex="0">${lineChanges(before, after).map(lineShown)}</pre> `;

function lineShown({ kind, text }: LineChange): Content {
  return html`<span data-kind=${kind}>${SIGNS[kind]} ${text}${"\n"}</span>`;
}
