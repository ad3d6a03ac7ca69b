/** A time in UTC; the reader's own in the tip. */
import type { FunctionComponent } from "preact";
import { localTime, msOf, utc, utcClock } from "../format.ts";
import { html, type Content } from "../html.ts";

interface TimeProps {
  readonly at: number | string | null | undefined;
  /** Without the day. */
  readonly short?: boolean;
}

export const Time: FunctionComponent<TimeProps> = ({ at, short = false }) => {
  const ms = msOf(at);
  if (ms === undefined) return html`<span class="quiet">–</span>`;
  const text = short ? utcClock(ms) : utc(ms);
  return html`<time datetime=${new Date(ms).toISOString()} title=${localTime(ms)}>${nowrapped(text)}</time>`;
};

/** Where it must go into two lines, the day is one and the clock the other. */
function nowrapped(text: string): Content {
  return text.split(" ").map((part, at) => html`${at === 0 ? "" : " "}<span class="part">${part}</span>`);
}
