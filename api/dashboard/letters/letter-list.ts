/** The dead letters of a group, newest first, a page at a time. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import { html } from "../html.ts";
import { eventLink } from "../links.ts";
import { Badge } from "../parts/badge.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { STATE_WORDS, type LetterItem, type LetterState } from "./letter-answer.ts";

const PAGE = 50;

interface LettersAnswer {
  readonly items: readonly LetterItem[];
  readonly next_cursor: string | null;
}

export const LetterList: FunctionComponent<{ readonly query: string }> = ({ query }) => {
  const cursor = filterOf("cursor");
  const more = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
  const path = `/v1/dead-letters?${query}&limit=${PAGE}${more}`;
  const letters = useResource(path, (signal) => askJson<LettersAnswer>(path, { signal }), 5_000);
  if (!letters.value)
    return letters.error === undefined
      ? html`<${Loading} what="dead letters" />`
      : html`<${ErrorBox} error=${letters.error} onRetry=${letters.reload} />`;
  const { items, next_cursor: next } = letters.value;
  return html`
    <h2 class="letters-title">Its dead letters</h2>
    ${letters.error !== undefined && html`<${ErrorBox} error=${letters.error} onRetry=${letters.reload} />`}
    <${AnyTable}
      label="Dead letters of the group, newest first"
      columns=${COLUMNS}
      rows=${items}
      keyOf=${(letter: LetterItem) => letter.dead_letter_id}
    />
    <p class="pager">
      ${cursor !== "" && html`<button type="button" onClick=${() => setFilters({ cursor: "" })}>Newest</button>`}
      ${next !== null && html`<button type="button" onClick=${() => setFilters({ cursor: next })}>Older</button>`}
    </p>
  `;
};

export const LetterBadge: FunctionComponent<{ readonly state: LetterState }> = ({ state }) =>
  html`<${Badge} tone=${state === "open" ? "bad" : state === "dead_again" ? "warn" : "good"}
    >${STATE_WORDS[state]}<//
  >`;

const COLUMNS: readonly Column<LetterItem>[] = [
  { title: "Accepted, UTC", show: (letter) => html`<${Time} at=${letter.ingest_time} />` },
  { title: "State", show: ({ state }) => html`<${LetterBadge} state=${state} />` },
  {
    title: "Event",
    show: ({ event_id: id }) =>
      id === null
        ? html`<span class="quiet">no id</span>`
        : html`<a class="id" href=${eventLink(id)}>${id}</a>`,
  },
  {
    title: "What is wrong",
    class: "wide",
    show: ({ pointer, detail }) => html`${pointer && html`<code>${pointer}</code>: `}${detail}`,
  },
  {
    title: "Look",
    show: (letter) =>
      html`<button
        type="button"
        class="copy"
        aria-label=${`Show dead letter ${letter.dead_letter_id}`}
        onClick=${() => setFilters({ letter: letter.dead_letter_id })}
      >
        Show
      </button>`,
  },
];
