/** Rows and columns. Wide ones scroll inside their own frame, never the page. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";

export interface Column<Row> {
  readonly title: string;
  readonly show: (row: Row) => Content;
  /** Numbers stand at the right, in figures of one width. */
  readonly isNumber?: boolean;
  /** Of the cell, for widths. */
  readonly class?: string;
}

interface DataTableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf?: (row: Row) => string;
}

export function DataTable<Row>({ label, columns, rows, keyOf }: DataTableProps<Row>): Content {
  return html`
    <div class="table-frame" role="region" aria-label=${label} tabindex="0">
      <table>
        <thead>
          <tr>
            ${columns.map((column) => html`<th scope="col" class=${classOf(column)}>${column.title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr key=${keyOf?.(row)}>
                ${columns.map((column) => html`<td class=${classOf(column)}>${column.show(row)}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** As a component inside a template: `<${DataTable} … />` loses the row's type, the function keeps it. */
export const AnyTable = DataTable as unknown as FunctionComponent<DataTableProps<unknown>>;

function classOf(column: { readonly isNumber?: boolean; readonly class?: string }): string | undefined {
  const names = [column.isNumber ? "number" : "", column.class ?? ""].filter((name) => name !== "");
  return names.length === 0 ? undefined : names.join(" ");
}
