/** Rows of an answer of SQL, as they are. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import type { SqlAnswer } from "../sql.ts";
import { DataTable } from "./data-table.ts";

interface RowsTableProps {
  readonly label: string;
  readonly answer: Pick<SqlAnswer, "rows"> & { readonly columns: readonly { readonly name: string }[] };
}

type Cells = readonly unknown[];

export const RowsTable: FunctionComponent<RowsTableProps> = ({ label, answer }) =>
  html`${DataTable<Cells>({
    label,
    rows: answer.rows,
    columns: answer.columns.map(({ name }, i) => ({
      title: name,
      isNumber: answer.rows.some((row) => typeof row[i] === "number"),
      show: (row) => cellText(row[i]),
    })),
  })}`;

export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
