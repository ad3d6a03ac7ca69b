/** Silences: which alerts nobody is told of, until when, by whom and why. */
import type { FunctionComponent } from "preact";
import { ask } from "../../api-client.ts";
import { html, type Content } from "../../html.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import type { SilenceTold } from "./alert-types.ts";
import { SilenceButton } from "./silence-button.ts";

interface SilencesListProps {
  readonly silences: readonly SilenceTold[];
  readonly onChange: () => void;
}

export const SilencesList: FunctionComponent<SilencesListProps> = ({ silences, onChange }) => html`
  <div class="actions spaced">
    <${SilenceButton} matchers="" label="New silence …" onChange=${onChange} />
  </div>
  ${
    silences.length === 0
      ? html`<${Empty}
          title="Nothing is silenced"
          command=${`npx muara alert silence add 'severity="page"' --for 1h --comment WHY`}
        />`
      : DataTable<SilenceTold>({
          label: "Silences",
          rows: silences,
          keyOf: ({ id }) => id,
          columns: [
            { title: "alerts with", class: "id", show: ({ matchers }) => matchers },
            { title: "state", show: ({ state }) => html`<${StateBadge} state=${state} />` },
            { title: "until, UTC", show: (one) => html`<${Time} at=${one.ends_at} />` },
            { title: "by", class: "id", show: ({ by }) => by },
            { title: "why", show: ({ comment }) => comment },
            { title: "", show: (one) => (one.state === "active" ? ending(one, onChange) : "") },
          ],
        })
  }
`;

function ending({ id, matchers }: SilenceTold, onChange: () => void): Content {
  return html`<${ChangeButton}
    label="End …"
    title="End this silence?"
    about=${`Receivers are told at once of what fires with ${matchers}.`}
    yes="End it"
    run=${() => ask(`/v1/silences/${encodeURIComponent(id)}`, { method: "DELETE" }).then(onChange)}
  />`;
}
