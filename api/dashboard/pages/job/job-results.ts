/** What a job has made: its newest final rows, and those that are not final as they would be now. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { html } from "../../html.ts";
import { queryLink } from "../../links.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { RowsTable } from "../../parts/rows-table.ts";
import { useResource } from "../../resource.ts";
import { quoteName } from "../../quote.ts";
import { tableRows } from "../../table-rows.ts";
import { jobPath, type JobTold } from "./job-types.ts";

const ROWS = 20;
const EVERY_MS = 5_000;

interface PreviewTold {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

export const JobResults: FunctionComponent<{ readonly job: JobTold }> = ({ job }) => {
  const { name, output } = job;
  const sql = `SELECT * FROM ${quoteName(output)} ORDER BY watermark DESC NULLS LAST LIMIT ${ROWS}`;
  const final = useResource(`results ${output}`, (signal) => tableRows(sql, ROWS, signal), EVERY_MS);
  const preview = useResource(
    `preview ${name}`,
    (signal) => askJson<PreviewTold>(jobPath(name, `/preview?limit=${ROWS}`), { signal }),
    EVERY_MS,
  );
  return html`
    <section class="card">
      <h2>Final, the newest ${ROWS}</h2>
      ${loaded({
        of: final,
        what: "results",
        show: (answer) =>
          answer && answer.rows.length > 0
            ? html`<${RowsTable} label="Final results" answer=${answer} />`
            : html`<${Empty} title="No result is final yet">
                A row is released when the watermark of what the job reads has passed its end.
              <//>`,
      })}
      <p><a href=${queryLink(sql)}>Ask more of this table</a></p>
    </section>
    <section class="card">
      <h2>Not final, as they would be now</h2>
      ${loaded({
        of: preview,
        what: "preview",
        show: ({ columns, rows }) =>
          rows.length === 0
            ? html`<p class="quiet">Nothing is waiting to be released.</p>`
            : html`<${RowsTable}
                label="Results that are not final"
                answer=${{ rows, columns: columns.map((column) => ({ name: column })) }}
              />`,
      })}
    </section>
  `;
};
