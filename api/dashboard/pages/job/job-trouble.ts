/** What goes wrong with a job: why it fails, what came too late, what broke a check, sinks that take nothing. */
import type { FunctionComponent } from "preact";
import { count } from "../../format.ts";
import { html } from "../../html.ts";
import { DataTable } from "../../parts/data-table.ts";
import { loaded } from "../../parts/loaded.ts";
import { RowsTable } from "../../parts/rows-table.ts";
import { StateBadge } from "../../parts/states.ts";
import { useResource } from "../../resource.ts";
import { quoteName } from "../../quote.ts";
import { tableRows } from "../../table-rows.ts";
import type { DeliveryTold, JobTold } from "./job-types.ts";

const ROWS = 20;

export const JobTrouble: FunctionComponent<{ readonly job: JobTold }> = ({ job }) => html`
  <section class="card">
    <h2>Running</h2>
    <p><${StateBadge} state=${job.state} /> ${job.problem ?? "Nothing is wrong with it."}</p>
    ${
      job.state === "stopped" &&
      html`<p>Trying again cannot help it. Change its text, or what it reads, and resume it.</p>`
    }
  </section>
  <${Side} table=${`${job.output}.corrections`} title="Came too late" none="Nothing came too late." />
  <${Side} table=${`${job.output}.violations`} title="Broke a check" none="No row broke a check." />
  <section class="card">
    <h2>Further sinks</h2>
    ${
      job.deliveries.length === 0
        ? html`<p class="quiet">It has none: its results are in the lake.</p>`
        : DataTable<DeliveryTold>({
            label: "Sinks",
            rows: job.deliveries,
            keyOf: ({ name }) => name,
            columns: [
              { title: "delivery", show: ({ name }) => name },
              { title: "state", show: ({ state }) => html`<${StateBadge} state=${state} />` },
              { title: "rows", isNumber: true, show: ({ delivered }) => count(delivered) },
              { title: "commits behind", isNumber: true, show: (one) => count(one.behind_versions) },
              { title: "problem", show: ({ problem }) => problem ?? "" },
            ],
          })
    }
  </section>
`;

interface SideProps {
  readonly table: string;
  readonly title: string;
  readonly none: string;
}

const Side: FunctionComponent<SideProps> = ({ table, title, none }) => {
  const rows = useResource(table, (signal) =>
    tableRows(`SELECT * FROM ${quoteName(table)} LIMIT ${ROWS}`, ROWS, signal),
  );
  return html`<section class="card">
    <h2>${title}</h2>
    ${loaded({
      of: rows,
      what: title.toLowerCase(),
      show: (answer) =>
        answer && answer.rows.length > 0
          ? html`<${RowsTable} label=${title} answer=${answer} />`
          : html`<p class="quiet">${none}</p>`,
    })}
  </section>`;
};
