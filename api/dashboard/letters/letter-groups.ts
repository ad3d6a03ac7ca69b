/** Dead letters by event type and reason, each with when, how many, the newest as a sample, and what to do. */
import type { FunctionComponent } from "preact";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { Badge } from "../parts/badge.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { nameText } from "../parts/name-text.ts";
import { Time } from "../parts/time.ts";
import { filterOf } from "../router.ts";
import { lettersLink, type LetterGroup } from "./letter-answer.ts";

interface LetterGroupsProps {
  readonly groups: readonly LetterGroup[];
  readonly onReplay: (group: LetterGroup) => void;
}

export const LetterGroups: FunctionComponent<LetterGroupsProps> = ({ groups, onReplay }) =>
  html`<${AnyTable}
    label="Dead letters by reason"
    columns=${columnsOf(onReplay)}
    rows=${groups}
    keyOf=${(group: LetterGroup) => `${group.event_type} ${group.reason}`}
  />`;

function linkOf({ event_type, reason }: LetterGroup): string {
  const [state, since, until] = [filterOf("state"), filterOf("since"), filterOf("until")];
  return lettersLink({ event_type, reason, state, since, until });
}

function columnsOf(onReplay: LetterGroupsProps["onReplay"]): readonly Column<LetterGroup>[] {
  return [
    {
      title: "Reason",
      show: (group) =>
        html`<a href=${linkOf(group)}><code>${group.reason}</code></a>
          ${group.help && html`<br /><span class="quiet">${group.help}</span>`}`,
      class: "wide",
    },
    { title: "Event type", show: (group) => nameText(group.event_type) },
    {
      title: "Open",
      isNumber: true,
      show: ({ open }) =>
        open > 0 ? html`<${Badge} tone="bad">${count(open)}<//>` : html`<${Badge} tone="good">0<//>`,
    },
    { title: "All", isNumber: true, show: (group) => count(group.count) },
    { title: "First, UTC", class: "when", show: (group) => html`<${Time} at=${group.first_seen} />` },
    { title: "Last, UTC", class: "when", show: (group) => html`<${Time} at=${group.last_seen} />` },
    {
      title: "The newest says",
      class: "wide",
      show: ({ sample }) =>
        html`<a href=${`/dead-letters?letter=${encodeURIComponent(sample.dead_letter_id)}`}
          >${sample.pointer ? html`<code>${sample.pointer}</code>: ` : ""}${sample.detail ?? "see it"}</a
        >`,
    },
    {
      title: "Do",
      show: (group) =>
        group.open > 0 &&
        html`<button
          type="button"
          aria-label=${`Replay dead letters of ${group.event_type}, ${group.reason}`}
          onClick=${() => onReplay(group)}
        >
          Replay
        </button>`,
    },
  ];
}
