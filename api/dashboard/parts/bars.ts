/** Names with bars and figures beside them, drawn as a list: the figures can be read and copied as they stand. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import type { Tone } from "./badge.ts";
import "./bars.css";

export interface BarItem {
  readonly name: Content;
  /** 0 to 1. */
  readonly share: number;
  readonly figure: string;
  readonly tone?: Tone;
  /** Below nothing: of the other colour. */
  readonly isNegative?: boolean;
}

export const Bars: FunctionComponent<{ readonly items: readonly BarItem[] }> = ({ items }) => html`
  <dl class="bars">
    ${items.map(
      ({ name, share, figure, tone, isNegative }) => html`
        <dt>${name}</dt>
        <dd class="bar" data-tone=${tone} data-negative=${isNegative} aria-hidden="true">
          ${share > 0 && html`<span style=${{ width: `${Math.round(Math.min(1, share) * 1_000) / 10}%` }}></span>`}
        </dd>
        <dd class="figure">${figure}</dd>
      `,
    )}
  </dl>
`;
