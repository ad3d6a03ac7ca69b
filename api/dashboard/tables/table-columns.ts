/** The columns of a table, with what is written about them. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import type { ColumnAnswer, ShownTable } from "./table-answer.ts";

export const TableColumns: FunctionComponent<{ readonly table: ShownTable }> = ({ table }) => html`
  <${AnyTable}
    label=${`Columns of ${table.name}`}
    columns=${COLUMNS}
    rows=${table.columns}
    keyOf=${({ name }: ColumnAnswer) => name}
  />
  ${table.location && html`<p class="quiet">Lies at <code>${table.location}</code></p>`}
  ${
    table.sql &&
    html`<h3>Its SQL</h3>
      <pre tabindex="0"><code>${table.sql}</code></pre>`
  }
`;

const COLUMNS: readonly Column<ColumnAnswer>[] = [
  { title: "Column", show: ({ name }) => html`<code>${name}</code>` },
  { title: "Type", show: ({ type }) => html`<code>${type}</code>` },
  { title: "Empty", class: "whole", show: ({ nullable }) => (nullable ? "may be" : "never") },
  { title: "What it is", show: ({ description }) => description ?? html`<span class="quiet">–</span>` },
];
