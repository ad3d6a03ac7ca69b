/** The books of everything that this token may read. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import type { Totals } from "../live/live-types.ts";
import { BalanceBadge, BooksEquation } from "../parts/books-equation.ts";

export const BooksLine: FunctionComponent<{ readonly totals: Totals }> = ({ totals }) => html`
  <section class="card" aria-labelledby="books-title">
    <h2 id="books-title">The books <${BalanceBadge} isBalanced=${totals.balanced} /></h2>
    <${BooksEquation} totals=${totals} />
  </section>
`;
