/** One event of a tail: its JSON, its fate, how to send it again, and the way to all its fates. */
import type { FunctionComponent } from "preact";
import { FateBadge } from "../fate-badge.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { eventLink } from "../links.ts";
import { shellWord } from "../quote.ts";
import type { TailEvent } from "../../live/tail-event.ts";
import { CopyButton } from "../parts/copy-button.ts";
import { Time } from "../parts/time.ts";

interface EventPanelProps {
  readonly type: string;
  readonly event: TailEvent;
  readonly onClose: () => void;
}

export const EventPanel: FunctionComponent<EventPanelProps> = ({ type, event, onClose }) => html`
  <aside class="card event-panel" aria-labelledby="event-title">
    <div class="card-head">
      <h2 id="event-title">Event <${FateBadge} fate=${event.fate} /></h2>
      <button type="button" onClick=${onClose}>Close</button>
    </div>
    <dl class="facts">
      <dt>id</dt>
      <dd class="id">
        ${event.event_id === null ? "none" : html`<a href=${eventLink(event.event_id)}>${event.event_id}</a>`}
      </dd>
      <dt>accepted</dt>
      <dd><${Time} at=${event.ingest_time} /> UTC</dd>
      <dt>place</dt>
      <dd>partition ${event.partition}, offset ${count(event.offset)}</dd>
      ${
        event.about &&
        html`<dt>why</dt>
          <dd>${event.about}</dd>`
      }
    </dl>
    ${
      event.payload !== null &&
      html`<pre tabindex="0" aria-label="The event as JSON">${indented(event.payload)}</pre>
        <p class="actions">
          <${CopyButton} text=${event.payload} label="Copy JSON" />
          ${!event.is_cut && html`<${CopyButton} text=${() => curlOf(type, event.payload!)} label="Copy as curl" />`}
        </p>`
    }
    ${event.is_cut && html`<p class="quiet">Only its beginning is shown.</p>`}
  </aside>
`;

/** Laid out by its own text, never parsed: long numbers keep every digit. */
export function indented(text: string): string {
  let depth = 0;
  let isInString = false;
  let out = "";
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (isInString) {
      out += character;
      if (character === "\\") out += text[++at] ?? "";
      else if (character === '"') isInString = false;
    } else if (character === '"') {
      isInString = true;
      out += character;
    } else if (character === "{" || character === "[") {
      const isEmpty = text[at + 1] === "}" || text[at + 1] === "]";
      out += isEmpty ? character + text[++at]! : `${character}\n${"  ".repeat(++depth)}`;
    } else if (character === "}" || character === "]") out += `\n${"  ".repeat(--depth)}${character}`;
    else if (character === ",") out += `,\n${"  ".repeat(depth)}`;
    else if (character === ":") out += ": ";
    else if (!/\s/.test(character)) out += character;
  }
  return out;
}

/** With a place for the token: what is copied ends up in histories. */
function curlOf(type: string, payload: string): string {
  const body = shellWord(`[${payload}]`);
  const address = `${location.origin}/event-types/${encodeURIComponent(type)}/events`;
  return `curl -sS -H "Authorization: Bearer $MUARA_TOKEN" -H 'Content-Type: application/json' -d ${body} ${address}`;
}
