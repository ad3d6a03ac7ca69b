/** What became of alerts: each change is a row of the table `muara.alert`. */
import type { FunctionComponent } from "preact";
import { html } from "../../html.ts";
import { quoteText } from "../../quote.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { FilterField } from "../../parts/filter-field.ts";
import { loaded } from "../../parts/loaded.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";
import { filterOf } from "../../router.ts";
import { tableRows } from "../../table-rows.ts";

const ROWS = 100;
const EVERY_MS = 10_000;

type Row = readonly [
  at: string,
  rule: string,
  from: string,
  to: string,
  labels: string | null,
  value: number | null,
  text: string | null,
];

export const AlertHistory: FunctionComponent = () => {
  const sought = filterOf("q").toLowerCase();
  const where =
    sought === ""
      ? ""
      : ` WHERE contains(lower(rule || coalesce(CAST(labels AS VARCHAR), '')), ${quoteText(sought)})`;
  const sql =
    `SELECT event_time, rule, "from", "to", CAST(labels AS VARCHAR), value, CAST(annotations AS VARCHAR) ` +
    `FROM "muara.alert"${where} ORDER BY event_time DESC`;
  const rows = useResource(sql, (signal) => tableRows(sql, ROWS, signal), EVERY_MS);
  return html`
    <div class="actions spaced"><${FilterField} name="q" label="Rule or label" isFirst /></div>
    ${loaded({
      of: rows,
      what: "history",
      show: (answer) =>
        answer && answer.rows.length > 0
          ? DataTable<Row>({
              label: "Changes of alerts, the newest first",
              rows: answer.rows as unknown as readonly Row[],
              columns: [
                { title: "when, UTC", show: ([at]) => html`<${Time} at=${at} />` },
                { title: "rule", show: ([, rule]) => rule },
                { title: "from", show: ([, , from]) => from },
                { title: "to", show: ([, , , to]) => html`<${StateBadge} state=${to} />` },
                { title: "value", isNumber: true, show: (row) => (row[5] === null ? "–" : String(row[5])) },
                { title: "labels", class: "id", show: (row) => row[4] ?? "" },
                { title: "told", show: (row) => textsOf(row[6]) },
              ],
            })
          : html`<${Empty} title="No alert has changed yet" command="npx muara rule deploy FILE" />`,
    })}
  `;
};

function textsOf(text: string | null): string {
  if (text === null) return "";
  try {
    return Object.values(JSON.parse(text) as Record<string, unknown>)
      .map(String)
      .join(" · ");
  } catch {
    return text;
  }
}
