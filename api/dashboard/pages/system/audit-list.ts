/** The audit log: who changed what, who was refused. Rows of the table `muara.audit`, the newest first. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../../html.ts";
import { quoteText } from "../../quote.ts";
import { Badge } from "../../parts/badge.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { FilterField } from "../../parts/filter-field.ts";
import { loaded } from "../../parts/loaded.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";
import { filterOf } from "../../router.ts";
import { tableRows } from "../../table-rows.ts";

const ROWS = 200;
const EVERY_MS = 5_000;
const ACTIONS = ["declared", "changed", "removed", "reset", "refused", "started"];

type Row = readonly [
  at: string,
  action: string,
  type: string,
  id: string,
  user: string,
  code: string | null,
  before: string | null,
  after: string | null,
];

export const AuditList: FunctionComponent = () => {
  const [text, action] = [filterOf("q").toLowerCase(), filterOf("action")];
  const conditions = [
    ...(text === ""
      ? []
      : [`contains(lower(resource_id || ' ' || resource_type || ' ' || "user"), ${quoteText(text)})`]),
    ...(action === "" ? [] : [`action = ${quoteText(action)}`]),
  ];
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
  const sql =
    `SELECT event_time, action, resource_type, resource_id, "user", code, previous_object, new_object ` +
    `FROM "muara.audit"${where} ORDER BY event_time DESC`;
  const rows = useResource(sql, (signal) => tableRows(sql, ROWS, signal), EVERY_MS);
  return html`
    <div class="actions spaced">
      <${FilterField} name="q" label="What or who" isFirst />
      <${FilterField}
        name="action"
        label="Action"
        options=${[["", "any"], ...ACTIONS.map((one) => [one, one])]}
      />
    </div>
    ${loaded({
      of: rows,
      what: "the audit log",
      show: (answer) =>
        answer === null
          ? html`<${Empty} title="Nothing is recorded here" command="MUARA_AUDIT=on npx muara start">
              With it, each change of what is declared and each refusal becomes a row that cannot be changed
              unseen.
            <//>`
          : answer.rows.length === 0
            ? html`<p class="quiet">No record is like that.</p>`
            : DataTable<Row>({
                label: "Records, the newest first",
                rows: answer.rows as unknown as readonly Row[],
                columns: [
                  { title: "when, UTC", show: ([at]) => html`<${Time} at=${at} />` },
                  {
                    title: "action",
                    show: ([, did]) => html`<${Badge} tone=${did === "refused" ? "bad" : "calm"}>${did}<//>`,
                  },
                  { title: "what", show: ([, , type]) => type },
                  { title: "named", class: "id", show: (row) => row[3] },
                  { title: "by", class: "id", show: (row) => row[4] },
                  { title: "code", show: (row) => row[5] ?? "" },
                  { title: "change", show: (row) => changed(row) },
                ],
              }),
    })}
    <p class="quiet"><code>npx muara audit verify</code> proves that none was taken out or changed.</p>
  `;
};

function changed([, , , , , , before, after]: Row): Content {
  if (before === null && after === null) return "";
  return html`<details>
    <summary>show</summary>
    ${
      before !== null &&
      html`<p class="quiet">before</p>
        <pre tabindex="0">${before}</pre>`
    }
    ${
      after !== null &&
      html`<p class="quiet">after</p>
        <pre tabindex="0">${after}</pre>`
    }
  </details>`;
}
