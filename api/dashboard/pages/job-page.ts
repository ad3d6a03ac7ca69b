/** One job: its graph and places, results, texts, trouble, what another text would be, and the way to other engines. */
import type { FunctionComponent } from "preact";
import { askJson, ApiError } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { html, type Content } from "../html.ts";
import { ChangeButton } from "../parts/change-button.ts";
import { Empty } from "../parts/empty.ts";
import { loaded } from "../parts/loaded.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StateBadge } from "../parts/states.ts";
import { Tabs } from "../parts/tabs.ts";
import { useResource } from "../resource.ts";
import "../style/business.css";
import { JobExport } from "./job/job-export.ts";
import { JobGraph } from "./job/job-graph.ts";
import { JobPlan } from "./job/job-plan.ts";
import { JobResults } from "./job/job-results.ts";
import { JobTrouble } from "./job/job-trouble.ts";
import { type GraphTold, jobPath, type JobTold } from "./job/job-types.ts";
import { JobVersions } from "./job/job-versions.ts";

const EVERY_MS = 2_000;

export const Page: PageComponent = ({ params }) => {
  const name = params["j"]!;
  const job = useResource(`job ${name}`, (signal) => askJson<JobTold>(jobPath(name), { signal }), EVERY_MS);
  const { value } = job;
  const isGone = job.error instanceof ApiError && job.error.code === "job.not_found";
  return html`
    <${PageHeader}
      title=${name}
      about=${value && html`<${StateBadge} state=${value.state} /> ${value.problem ?? ""}`}
      asOf=${job.asOfMs}
      completeThrough=${value?.released_until ?? null}
      isLoading=${job.isLoading}
    >
      ${value && !isGone && actions(value, job.reload)}
    <//>
    ${
      isGone
        ? html`<${Empty} title="There is no such job for this token" command="npx muara job list" />`
        : loaded({
            of: job,
            what: "job",
            show: (told) => html`<${Parts} job=${told} onChange=${job.reload} />`,
          })
    }
  `;
};

function actions(job: JobTold, reload: () => void): Content {
  const isPaused = job.state === "paused";
  const verb = isPaused ? "resume" : "pause";
  const run = (): Promise<unknown> => askJson(jobPath(job.name, `/${verb}`), { method: "POST" }).then(reload);
  return html`<${ChangeButton}
    key=${verb}
    label=${isPaused ? "Resume …" : "Pause …"}
    title=${isPaused ? `Let ${job.name} go on?` : `Pause ${job.name}?`}
    about=${
      isPaused
        ? "It goes on where it was. Nothing is missing and nothing comes twice."
        : "Its results stand still until it is resumed, and so do the deliveries of its sinks. Nothing is lost."
    }
    yes=${isPaused ? "Resume" : "Pause"}
    run=${run}
  />`;
}

interface PartsProps {
  readonly job: JobTold;
  readonly onChange: () => void;
}

const Parts: FunctionComponent<PartsProps> = ({ job, onChange }) => {
  const { name } = job;
  const tabs = [
    { id: "overview", title: "Overview", show: () => html`<${Overview} name=${name} />` },
    { id: "results", title: "Results", show: () => html`<${JobResults} job=${job} />` },
    {
      id: "versions",
      title: "Texts",
      count: String(job.text_versions.length),
      show: () => html`<${JobVersions} job=${job} onChange=${onChange} />`,
    },
    { id: "plan", title: "Plan a change", show: () => html`<${JobPlan} job=${job} onChange=${onChange} />` },
    { id: "trouble", title: "Trouble", show: () => html`<${JobTrouble} job=${job} />` },
    { id: "export", title: "Export", show: () => html`<${JobExport} name=${name} />` },
  ];
  return html`<${Tabs} label="Parts of the job" tabs=${tabs} />`;
};

const Overview: FunctionComponent<{ readonly name: string }> = ({ name }) => {
  const graph = useResource(
    `graph ${name}`,
    (signal) => askJson<GraphTold>(jobPath(name, "/graph"), { signal }),
    EVERY_MS,
  );
  return loaded({
    of: graph,
    what: "graph",
    show: (told) => html`<${JobGraph} graph=${told} job=${name} />`,
  }) as ReturnType<FunctionComponent>;
};
