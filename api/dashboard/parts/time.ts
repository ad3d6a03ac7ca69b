/** A time in UTC; the reader's own in the tip. */
import type { FunctionComponent } from "preact";
import { localTime, msOf, utc, utcClock } from "../format.ts";
import { html } from "../html.ts";

interface TimeProps {
  readonly at: number | string | null | undefined;
  /** Without the day. */
  readonly short?: boolean;
}

export const Time: FunctionComponent<TimeProps> = ({ at, short = false }) => {
  const ms = msOf(at);
  if (ms === undefined) return html`<span class="quiet">–</span>`;
  const text = short ? utcClock(ms) : utc(ms);
  return html`<time datetime=${new Date(ms).toISOString()} title=${localTime(ms)}>${text}</time>`;
};
