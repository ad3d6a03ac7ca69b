/** All jobs: whether they run, how far they are behind, and what is wrong. */
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { count, duration } from "../format.ts";
import { html, type Content } from "../html.ts";
import { jobLink, tableLink } from "../links.ts";
import { DataTable } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { FilterField } from "../parts/filter-field.ts";
import { loaded } from "../parts/loaded.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StateBadge } from "../parts/states.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf } from "../router.ts";
import type { JobTold } from "./job/job-types.ts";

const EVERY_MS = 3_000;
const STATES = ["running", "starting", "waiting", "paused", "failing", "stopped", "unknown"];

export const Page: PageComponent = () => {
  const jobs = useResource(
    "jobs",
    (signal) => askJson<{ items: JobTold[] }>("/v1/jobs", { signal }),
    EVERY_MS,
  );
  return html`
    <${PageHeader}
      title="Jobs"
      about="SELECTs that go on: each reads tables of the lake and keeps its results in one."
      asOf=${jobs.asOfMs}
      isLoading=${jobs.isLoading}
    >
      <${FilterField} name="q" label="Name or table" isFirst />
      <${FilterField}
        name="state"
        label="State"
        options=${[["", "any"], ...STATES.map((state) => [state, state])]}
      />
    <//>
    ${loaded({ of: jobs, what: "jobs", show: ({ items }) => (items.length === 0 ? none() : listed(items)) })}
  `;
};

function none(): Content {
  return html`<${Empty} title="No job runs yet" command="npx muara job deploy FILE">
    A job is a file with a SELECT; <code>npx muara job plan FILE</code> says beforehand what it would be.
  <//>`;
}

function listed(items: readonly JobTold[]): Content {
  const [text, state] = [filterOf("q").toLowerCase(), filterOf("state")];
  const rows = items.filter(
    (job) =>
      (state === "" || job.state === state) &&
      [job.name, job.output, ...job.inputs].some((name) => name.toLowerCase().includes(text)),
  );
  if (rows.length === 0) return html`<p class="quiet">None of ${count(items.length)} jobs is like that.</p>`;
  return DataTable<JobTold>({
    label: "Jobs",
    rows,
    keyOf: ({ name }) => name,
    columns: [
      { title: "job", show: (job) => html`<a href=${jobLink(job.name)}>${job.name}</a>` },
      { title: "state", show: (job) => html`<${StateBadge} state=${job.state} />` },
      {
        title: "version",
        isNumber: true,
        show: ({ version, running_version: running }) =>
          running !== null && running !== version ? `${running} → ${version}` : version,
      },
      { title: "commits behind", isNumber: true, show: (job) => count(job.behind_versions) },
      { title: "event time behind", isNumber: true, show: (job) => duration(job.behind_ms) },
      {
        title: "released until, UTC",
        class: "when",
        show: (job) => html`<${Time} at=${job.released_until} />`,
      },
      { title: "reads", class: "id", show: ({ inputs }) => inputs.map((name) => html`<div>${name}</div>`) },
      {
        title: "writes",
        class: "id",
        show: (job) => html`<a href=${tableLink(job.output)}>${job.output}</a>`,
      },
      { title: "problem", show: (job) => job.problem ?? "" },
    ],
  });
}
