/** Bars with their names and figures, drawn as a list: the figures can be read and copied as they stand. */
import type { FunctionComponent } from "preact";
import { count } from "../format.ts";
import { html } from "../html.ts";

const SHOWN_MAX = 60;

interface BarsProps {
  /** What they show. */
  readonly label: string;
  readonly items: readonly { readonly name: string; readonly value: number }[];
}

export const Bars: FunctionComponent<BarsProps> = ({ label, items }) => {
  const shown = items.slice(0, SHOWN_MAX);
  const highest = Math.max(...shown.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
  return html`
    <figure class="bars">
      <figcaption>${label}</figcaption>
      <dl>
        ${shown.map(
          ({ name, value }) =>
            html`<div>
              <dt title=${name}>${name}</dt>
              <dd>
                <span
                  class="bar"
                  data-negative=${value < 0}
                  style=${{ width: `${((Math.abs(value) / highest) * 100).toFixed(2)}%` }}
                  aria-hidden="true"
                ></span>
                <span class="bar-value">${value.toLocaleString("en-US", { maximumFractionDigits: 3 })}</span>
              </dd>
            </div>`,
        )}
      </dl>
      ${
        items.length > SHOWN_MAX &&
        html`<p class="quiet">The first ${count(SHOWN_MAX)} of ${count(items.length)} rows.</p>`
      }
    </figure>
  `;
};
