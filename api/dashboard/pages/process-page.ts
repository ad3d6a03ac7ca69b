/** A business process: how cases go through it, how its deadlines stand, which cases are stuck. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { html, type Content } from "../html.ts";
import { Empty } from "../parts/empty.ts";
import { FilterField } from "../parts/filter-field.ts";
import { loaded } from "../parts/loaded.ts";
import { PageHeader } from "../parts/page-header.ts";
import { Tabs } from "../parts/tabs.ts";
import { useResource } from "../resource.ts";
import { filterOf } from "../router.ts";
import "../style/business.css";
import { CaseSearch } from "./process/case-search.ts";
import { Deadlines } from "./process/deadlines.ts";
import { ProcessMap } from "./process/process-map.ts";
import { ProcessRules } from "./process/process-rules.ts";
import type { ProcessTold, RuleTold } from "./process/process-types.ts";
import { Variants } from "./process/variants.ts";

const EVERY_MS = 10_000;
const DATE = /^\d{4}-\d\d-\d\d$/;

export const Page: PageComponent = () => {
  const all = useResource(
    "processes",
    (signal) => askJson<{ items: ProcessTold[] }>("/v1/processes", { signal }),
    EVERY_MS,
  );
  const items = all.value?.items ?? [];
  const process = items.find(({ name }) => name === filterOf("process")) ?? items[0];
  return html`
    <${PageHeader}
      title="Processes"
      about=${process && (process.description || process.name)}
      asOf=${all.asOfMs}
      completeThrough=${process ? lowest(process.rules) : undefined}
      isLoading=${all.isLoading}
    >
      ${
        items.length > 1 &&
        html`<${FilterField}
          name="process"
          label="Process"
          options=${items.map(({ name }, i) => [i === 0 ? "" : name, name])}
        />`
      }
      <${FilterField} name="since" label="Cases begun from" type="date" />
      <${FilterField} name="until" label="and before" type="date" />
    <//>
    ${loaded({
      of: all,
      what: "processes",
      show: () => (process ? html`<${Parts} process=${process} onChange=${all.reload} />` : none()),
    })}
  `;
};

function none(): Content {
  return html`<${Empty}
    title="No process is watched yet"
    command="npx muara process deploy docs/examples/parcels/process.json"
  >
    A process is a file: which events are steps of which case, and what has to come until when.
  <//>`;
}

/** How far results of its rules are final. */
function lowest(rules: readonly RuleTold[]): string | null {
  const times = rules.map((rule) => rule.released_until);
  return times.includes(null) ? null : ((times as string[]).toSorted()[0] ?? null);
}

/** Of the address, as the API takes them; what is no date yet is left out. */
function boundsOf(): string {
  const query = new URLSearchParams();
  for (const name of ["since", "until"]) if (DATE.test(filterOf(name))) query.set(name, filterOf(name));
  return query.toString();
}

interface PartsProps {
  readonly process: ProcessTold;
  readonly onChange: () => void;
}

const Parts: FunctionComponent<PartsProps> = ({ process, onChange }) => {
  const { name } = process;
  const bounds = boundsOf();
  const tabs = [
    {
      id: "map",
      title: "Map",
      show: () => html`<${ProcessMap} key=${name} name=${name} bounds=${bounds} />`,
    },
    {
      id: "deadlines",
      title: "Deadlines",
      show: () => html`<${Deadlines} key=${name} name=${name} bounds=${bounds} />`,
    },
    {
      id: "variants",
      title: "Variants",
      show: () => html`<${Variants} key=${name} name=${name} bounds=${bounds} />`,
    },
    {
      id: "cases",
      title: "Cases",
      show: () => html`<${CaseSearch} key=${name} process=${process} bounds=${bounds} />`,
    },
    {
      id: "rules",
      title: "Rules",
      count: String(process.rules.length),
      show: () => html`<${ProcessRules} process=${process} onChange=${onChange} />`,
    },
  ];
  return html`<${Tabs} label="Parts of the process" tabs=${tabs} />`;
};
