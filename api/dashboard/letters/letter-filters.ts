/** Which dead letters are shown; all of it stands in the address. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { anyOf, FilterField } from "../parts/filter-field.ts";
import { STATE_WORDS, type LetterGroup } from "./letter-answer.ts";

/** A letter that is open may not be among what is asked for next. */
const CLEARS = ["letter", "cursor"];
const STATES = [["", "any"], ...Object.entries(STATE_WORDS)];

export const LetterFilters: FunctionComponent<{ readonly groups: readonly LetterGroup[] }> = ({ groups }) => {
  const types = groups.map(({ event_type: type }) => type);
  const reasons = groups.map(({ reason }) => reason);
  return html`
    <${FilterField}
      name="event_type"
      label="Event type"
      options=${anyOf("event_type", types)}
      clears=${CLEARS}
      isFirst
    />
    <${FilterField} name="reason" label="Reason" options=${anyOf("reason", reasons)} clears=${CLEARS} />
    <${FilterField} name="state" label="State" options=${STATES} clears=${CLEARS} />
    <${FilterField} name="since" label="Accepted since, UTC" type="datetime-local" clears=${CLEARS} />
  `;
};
