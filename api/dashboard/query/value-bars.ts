/** The values of an answer as bars, the longest as wide as there is room. */
import type { FunctionComponent } from "preact";
import { count, decimal } from "../format.ts";
import { html } from "../html.ts";
import { Bars } from "../parts/bars.ts";

const SHOWN_MAX = 60;

interface ValueBarsProps {
  /** What they show. */
  readonly label: string;
  readonly items: readonly { readonly name: string; readonly value: number }[];
}

export const ValueBars: FunctionComponent<ValueBarsProps> = ({ label, items }) => {
  const shown = items.slice(0, SHOWN_MAX);
  const highest = Math.max(...shown.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
  const bars = shown.map(({ name, value }) => ({
    name,
    share: Math.abs(value) / highest,
    figure: decimal(value),
    isNegative: value < 0,
  }));
  return html`
    <figure class="value-bars">
      <figcaption>${label}</figcaption>
      <${Bars} items=${bars} />
      ${
        items.length > SHOWN_MAX &&
        html`<p class="quiet">The first ${count(SHOWN_MAX)} of ${count(items.length)} rows.</p>`
      }
    </figure>
  `;
};
