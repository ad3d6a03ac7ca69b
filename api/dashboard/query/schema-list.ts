/** Tables and columns beside the editor; a click puts a name where the cursor is. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { sqlName } from "../quote.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { isOfTheHouse, type TableAnswer } from "../tables/table-answer.ts";
import type { SqlSchema } from "./query-answer.ts";

interface SchemaListProps {
  readonly schema: SqlSchema | undefined;
  readonly error: unknown;
  readonly onInsert: (text: string) => void;
  readonly onRetry: () => void;
}

type Table = SqlSchema["tables"][number];

export const SchemaList: FunctionComponent<SchemaListProps> = ({ schema, error, onInsert, onRetry }) => {
  const sought = useSignal("");
  if (!schema)
    return error === undefined
      ? html`<${Loading} what="tables" />`
      : html`<${ErrorBox} what="Tables" error=${error} onRetry=${onRetry} />`;
  const text = sought.value.toLowerCase();
  const fits = ({ name, columns }: Table): boolean =>
    [name, ...columns.map((column) => column.name)].some((one) => one.toLowerCase().includes(text));
  const found = schema.tables.filter((table) => fits(table) && (text !== "" || !isHouse(table)));
  return html`
    <section class="schema">
      <h2>Tables</h2>
      <label class="visually-hidden" for="schema-filter">Find a table or column</label>
      <input
        id="schema-filter"
        type="search"
        data-filter
        placeholder="Find a table or column"
        value=${sought.value}
        onInput=${(event: InputEvent) => (sought.value = (event.target as HTMLInputElement).value)}
      />
      ${
        found.length === 0 &&
        html`<p class="quiet">
          ${text === "" ? "None yet: npx muara demo fills a lake." : "None has that in its name."}
        </p>`
      }
      <div class="schema-tables">
        ${found.map((table) => html`<${TableEntry} key=${table.name} table=${table} onInsert=${onInsert} />`)}
      </div>
    </section>
  `;
};

function isHouse(table: Table): boolean {
  return isOfTheHouse(table as Pick<TableAnswer, "name" | "kind">);
}

/** Columns are in the page only while they can be seen: a lake may have thousands. */
const TableEntry: FunctionComponent<{
  readonly table: Table;
  readonly onInsert: (text: string) => void;
}> = ({ table, onInsert }) => {
  const isOpen = useSignal(false);
  const name = sqlName(table.alias ?? table.name);
  return html`<details
    onToggle=${(event: Event) => (isOpen.value = (event.target as HTMLDetailsElement).open)}
  >
    <summary>${table.name}</summary>
    ${
      isOpen.value &&
      html`<button type="button" class="copy" onClick=${() => onInsert(name)}>Insert ${name}</button>
        <ul>
          ${table.columns.map(
            (column) =>
              html`<li>
                <button
                  type="button"
                  class="plain"
                  title=${column.description ?? undefined}
                  onClick=${() => onInsert(sqlName(column.name))}
                >
                  ${column.name} <span class="type">${column.type.toLowerCase()}</span>
                </button>
              </li>`,
          )}
        </ul>`
    }
  </details>`;
};
