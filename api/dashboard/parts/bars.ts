/** A few named shares, as bars with their figures beside them. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import type { Tone } from "./badge.ts";

export interface BarItem {
  readonly name: Content;
  /** 0 to 1. */
  readonly share: number;
  readonly figure: string;
  readonly tone?: Tone;
}

export const Bars: FunctionComponent<{ readonly items: readonly BarItem[] }> = ({ items }) => html`
  <dl class="bars">
    ${items.map(
      ({ name, share, figure, tone }) => html`
        <dt>${name}</dt>
        <dd class="bar" data-tone=${tone} aria-hidden="true">
          <span style=${{ width: `${Math.round(Math.max(0, Math.min(1, share)) * 1_000) / 10}%` }}></span>
        </dd>
        <dd class="figure">${figure}</dd>
      `,
    )}
  </dl>
`;
