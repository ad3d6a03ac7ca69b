/** accepted = landed + duplicates + dead letters + in flight: the sentence that must always be true. */
import type { FunctionComponent } from "preact";
import { count } from "../format.ts";
import { html, type Content } from "../html.ts";
import { Badge } from "./badge.ts";

interface Totals {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
}

export const BooksEquation: FunctionComponent<{ readonly totals: Totals }> = ({ totals }) => html`
  <p class="equation">
    ${term(totals.accepted, "accepted")} <span>=</span> ${term(totals.landed, "landed")}
    <span>+</span> ${term(totals.duplicates, "duplicates")}
    <span>+</span> ${term(totals.dead_letters, "dead letters")}
    <span>+</span> ${term(totals.in_flight, "in flight")}
  </p>
`;

export const BalanceBadge: FunctionComponent<{ readonly isBalanced: boolean }> = ({ isBalanced }) =>
  isBalanced ? html`<${Badge} tone="good">balanced<//>` : html`<${Badge} tone="bad">do not balance<//>`;

function term(value: number, word: string): Content {
  return html`<span class="term"><b>${count(value)}</b> ${word}</span>`;
}
