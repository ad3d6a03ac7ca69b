/** One figure that matters, with what it is and how it went. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import type { Tone } from "./badge.ts";
import { Sparkline } from "./sparkline.ts";

interface StatTileProps {
  readonly label: string;
  readonly value: Content;
  readonly unit?: string;
  readonly about?: Content;
  readonly tone?: Tone;
  readonly trend?: readonly number[];
  readonly href?: string;
}

export const StatTile: FunctionComponent<StatTileProps> = ({
  label,
  value,
  unit,
  about,
  tone,
  trend,
  href,
}) => html`
  <div class="tile" data-tone=${tone}>
    <p class="tile-label">${href ? html`<a href=${href}>${label}</a>` : label}</p>
    <p class="tile-value">${value}${unit && html` <span class="unit">${unit}</span>`}</p>
    ${trend && trend.length > 1 && html`<${Sparkline} values=${trend} label=${`${label}, last values`} />`}
    ${about && html`<p class="tile-about">${about}</p>`}
  </div>
`;
