/** Which dead letters are shown; all of it stands in the address. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { filterOf, setFilters } from "../router.ts";
import { STATE_WORDS, type LetterGroup } from "./letter-answer.ts";

export const LetterFilters: FunctionComponent<{ readonly groups: readonly LetterGroup[] }> = ({
  groups,
}) => html`
  <${Choice}
    id="letter-type"
    label="Event type"
    name="event_type"
    values=${groups.map((one) => one.event_type)}
    isFirst
  />
  <${Choice} id="letter-reason" label="Reason" name="reason" values=${groups.map(({ reason }) => reason)} />
  <div class="field">
    <label for="letter-state">State</label>
    <select
      id="letter-state"
      value=${filterOf("state")}
      onChange=${(event: Event) => change("state", (event.target as HTMLSelectElement).value)}
    >
      <option value="">any</option>
      ${Object.entries(STATE_WORDS).map(([state, word]) => html`<option value=${state}>${word}</option>`)}
    </select>
  </div>
  <div class="field">
    <label for="letter-since">Accepted since, UTC</label>
    <input
      id="letter-since"
      type="datetime-local"
      value=${filterOf("since").slice(0, 16)}
      onChange=${(event: Event) => {
        const { value } = event.target as HTMLInputElement;
        change("since", value === "" ? "" : `${value}:00Z`);
      }}
    />
  </div>
`;

/** A letter that is open may not be among what is asked for next. */
function change(name: string, value: string): void {
  setFilters({ [name]: value, letter: "", cursor: "" });
}

interface ChoiceProps {
  readonly id: string;
  readonly label: string;
  readonly name: string;
  readonly values: readonly string[];
  readonly isFirst?: boolean;
}

const Choice: FunctionComponent<ChoiceProps> = ({ id, label, name, values, isFirst }) => {
  const chosen = filterOf(name);
  const all = [...new Set([...values, ...(chosen === "" ? [] : [chosen])])].sort();
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <select
        id=${id}
        data-filter=${isFirst ? "" : undefined}
        value=${chosen}
        onChange=${(event: Event) => change(name, (event.target as HTMLSelectElement).value)}
      >
        <option value="">any</option>
        ${all.map((value) => html`<option value=${value}>${value}</option>`)}
      </select>
    </div>
  `;
};
