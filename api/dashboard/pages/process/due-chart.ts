/** When deadlines are due, before and behind the watermark, and what became of them: the burn-down of a deadline. */
import type { FunctionComponent } from "preact";
import { count, utc } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { type Counts, type DeadlineTold, type Outcome, OUTCOMES } from "./process-types.ts";

const [WIDTH, HEIGHT] = [960, 170];
const GAP = 3;
/** From below. */
const ORDER: readonly Outcome[] = ["met", "resolved_late", "open", "breached"];
export const WORDS: Readonly<Record<Outcome, string>> = {
  open: "open",
  met: "met",
  breached: "breached",
  resolved_late: "met too late",
};

export const DueChart: FunctionComponent<{ readonly deadline: DeadlineTold }> = ({ deadline }) => {
  const { due, rule } = deadline;
  const totals = due.map((counts) => OUTCOMES.reduce((sum, one) => sum + counts[one], 0));
  const most = Math.max(1, ...totals);
  const step = WIDTH / Math.max(1, due.length);
  const middle = due.length / 2;
  const breached = due.reduce((sum, counts) => sum + counts.breached, 0);
  const open = due.slice(middle).reduce((sum, counts) => sum + counts.open, 0);
  const label = `${rule}: of what was due lately ${count(breached)} were breached, ${count(open)} will be due`;
  return html`
    <svg
      class="stack"
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none"
      role="img"
      aria-label=${label}
    >
      ${due.map((counts, i) => column(counts, i * step, step, most))}
      <line class="now" x1=${middle * step} x2=${middle * step} y1="0" y2=${HEIGHT} />
    </svg>
    <p class="quiet">
      Due from ${utc(due[0]?.from)} to ${utc(due.at(-1)?.until)} UTC, highest ${count(most)}; the line is the
      watermark: what is right of it is still to come.
    </p>
    <ul class="legend">
      ${ORDER.map((one) => html`<li><i class=${one} aria-hidden="true"></i>${WORDS[one]}</li>`)}
    </ul>
  `;
};

function column(counts: Counts, x: number, step: number, most: number): Content {
  let y = HEIGHT;
  return ORDER.map((one) => {
    const height = (counts[one] / most) * (HEIGHT - 6);
    y -= height;
    return height > 0
      ? html`<rect class=${one} x=${x + GAP / 2} y=${y} width=${step - GAP} height=${height}>
          <title>${WORDS[one]}: ${count(counts[one])}</title>
        </rect>`
      : null;
  });
}
