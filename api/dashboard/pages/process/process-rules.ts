/** The rules of a process: the jobs that watch it, and the way to let them rest. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { html } from "../../html.ts";
import { jobLink, tableLink } from "../../links.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { DataTable } from "../../parts/data-table.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { processPath, type ProcessTold, type RuleTold } from "./process-types.ts";

interface ProcessRulesProps {
  readonly process: ProcessTold;
  readonly onChange: () => void;
}

export const ProcessRules: FunctionComponent<ProcessRulesProps> = ({ process, onChange }) => {
  const { name, rules } = process;
  const isPaused = rules.length > 0 && rules.every(({ state }) => state === "paused");
  const verb = isPaused ? "resume" : "pause";
  const change = (): Promise<unknown> =>
    askJson(processPath(name, `/${verb}`), { method: "POST" }).then(onChange);
  return html`<section class="card">
    <h2>What is watched</h2>
    ${DataTable<RuleTold>({
      label: "Rules",
      rows: rules,
      keyOf: ({ rule }) => rule,
      columns: [
        { title: "rule", show: ({ rule }) => rule },
        { title: "kind", show: ({ kind }) => kind },
        { title: "state", show: ({ state }) => html`<${StateBadge} state=${state} />` },
        { title: "job", show: ({ job }) => html`<a href=${jobLink(job)}>${job}</a>` },
        {
          title: "results",
          show: ({ table }) => html`<a href=${tableLink(table)}>${table}</a>`,
        },
        { title: "final until, UTC", show: (rule) => html`<${Time} at=${rule.released_until} />` },
        { title: "problem", show: ({ problem }) => problem ?? "" },
      ],
    })}
    <p class="quiet">Declared by ${process.by}; reads ${process.tables.join(", ")}.</p>
    <${ChangeButton}
      key=${verb}
      label=${isPaused ? "Resume its jobs …" : "Pause its jobs …"}
      title=${isPaused ? `Watch ${name} again?` : `Let the jobs of ${name} rest?`}
      about=${
        isPaused
          ? "They go on where they were: nothing is missing."
          : "Its results stand still until they are resumed. This page goes on: it asks the lake."
      }
      yes=${isPaused ? "Resume" : "Pause"}
      run=${change}
    />
  </section>`;
};
