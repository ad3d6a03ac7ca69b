/** A small line of the last values, from 0 to the highest. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";

const WIDTH = 120;
const HEIGHT = 28;

export const Sparkline: FunctionComponent<{ readonly values: readonly number[]; readonly label: string }> = ({
  values,
  label,
}) => {
  const path = linePath(values);
  return html`
    <svg
      class="sparkline"
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none"
      role="img"
      aria-label=${label}
    >
      <path class="area" d="${path} L${WIDTH} ${HEIGHT} L0 ${HEIGHT} Z" />
      <path class="line" d=${path} />
    </svg>
  `;
};

function linePath(values: readonly number[]): string {
  const highest = Math.max(...values, Number.MIN_VALUE);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, at) => {
    const y = HEIGHT - 1 - (Math.max(0, value) / highest) * (HEIGHT - 2);
    return `${(at * step).toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${points.join(" L")}`;
}
