/** accepted = landed + duplicates + dead letters + in flight: the sentence that must always be true. */
import type { FunctionComponent } from "preact";
import { count } from "../format.ts";
import { html } from "../html.ts";
import type { Totals } from "../live/live-types.ts";
import { Badge } from "../parts/badge.ts";

export const BooksLine: FunctionComponent<{ readonly totals: Totals }> = ({ totals }) => html`
  <section class="card" aria-labelledby="books-title">
    <h2 id="books-title">
      The books
      ${
        totals.balanced
          ? html`<${Badge} tone="good">balanced<//>`
          : html`<${Badge} tone="bad">do not balance<//>`
      }
    </h2>
    <p class="equation">
      ${term(totals.accepted, "accepted")} <span>=</span> ${term(totals.landed, "landed")}
      <span>+</span> ${term(totals.duplicates, "duplicates")}
      <span>+</span> ${term(totals.dead_letters, "dead letters")}
      <span>+</span> ${term(totals.in_flight, "in flight")}
    </p>
  </section>
`;

function term(value: number, word: string): unknown {
  return html`<span class="term"><b>${count(value)}</b> ${word}</span>`;
}
