/** Whether a table is fresh, in a word: against its target where it has one, else how long its oldest event waits. */
import type { FunctionComponent } from "preact";
import { duration } from "../format.ts";
import { html } from "../html.ts";
import { Badge, type Tone } from "../parts/badge.ts";
import type { TableAnswer } from "./table-answer.ts";

export interface FreshnessWord {
  readonly tone: Tone;
  readonly text: string;
}

type Told = Pick<TableAnswer, "landing" | "paused_until" | "lag_ms" | "freshness_target_ms" | "is_fresh">;

/** undefined where nothing is said, since nothing lands there. */
export function freshnessWord(table: Told): FreshnessWord | undefined {
  const { landing, lag_ms: lag, freshness_target_ms: target, is_fresh: isFresh } = table;
  if (landing === "stopped") return { tone: "bad", text: "landing stopped" };
  if (isFresh === false) return { tone: "bad", text: `late: ${duration(lag)}, target ${duration(target)}` };
  if (table.paused_until) return { tone: "warn", text: "paused" };
  if (landing === "retrying") return { tone: "warn", text: "landing retries" };
  if (isFresh === true) return { tone: "good", text: `in time, target ${duration(target)}` };
  if (lag === undefined || lag === null) return undefined;
  return lag === 0
    ? { tone: "good", text: "nothing waits" }
    : { tone: "main", text: `${duration(lag)} behind` };
}

export const FreshnessBadge: FunctionComponent<{ readonly table: Told }> = ({ table }) => {
  const word = freshnessWord(table);
  return word
    ? html`<${Badge} tone=${word.tone}>${word.text}<//>`
    : html`<span class="quiet" title="Nothing lands here directly">–</span>`;
};
