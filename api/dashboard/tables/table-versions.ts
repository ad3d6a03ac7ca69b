/** Versions of a table, what changed between two of them, and a query as of one. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import { bytes, count } from "../format.ts";
import { html } from "../html.ts";
import { queryLink } from "../links.ts";
import { sqlName } from "../quote.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import type { ShownTable } from "./table-answer.ts";

const PAGE = 50;

interface Commit {
  readonly version: number;
  readonly committed_at: string | null;
  readonly operation: string;
  readonly files_added: number | null;
  readonly files_removed: number | null;
  readonly rows_added: number | null;
  readonly bytes_added: number | null;
  readonly watermark: string | null;
  readonly changes_schema: boolean | null;
}

interface History {
  readonly items: readonly Commit[];
  readonly next_before: number | null;
}

export const TableVersions: FunctionComponent<{ readonly table: ShownTable }> = ({ table }) => {
  const before = filterOf("before");
  const path = `/v1/tables/${encodeURIComponent(table.name)}/history?limit=${PAGE}`;
  const more = before === "" ? "" : `&before=${encodeURIComponent(before)}`;
  // A new version is a new page of history, but only of the newest one.
  const key = `${path}${more} ${before === "" ? (table.version ?? "") : ""}`;
  const history = useResource(key, (signal) => askJson<History>(path + more, { signal }));
  if (!history.value)
    return history.error === undefined
      ? html`<${Loading} what="versions" />`
      : html`<${ErrorBox} error=${history.error} onRetry=${history.reload} />`;
  const { items, next_before: next } = history.value;
  if (items.length === 0)
    return html`<${Empty} title="No version yet">The first event that lands makes it.<//>`;
  return html`
    ${history.error !== undefined && html`<${ErrorBox} error=${history.error} onRetry=${history.reload} />`}
    <${Diff} name=${table.name} isWhole=${table.files !== null} />
    <${AnyTable}
      label="Versions, newest first"
      columns=${columnsOf(table)}
      rows=${items}
      keyOf=${({ version }: Commit) => String(version)}
    />
    <p class="pager">
      ${before !== "" && html`<button type="button" onClick=${() => setFilters({ before: "" })}>Newest</button>`}
      ${
        next !== null &&
        html`<button type="button" onClick=${() => setFilters({ before: String(next) })}>Older</button>`
      }
    </p>
  `;
};

function columnsOf({ name, files }: ShownTable): readonly Column<Commit>[] {
  return [
    { title: "Version", isNumber: true, show: ({ version }) => count(version) },
    { title: "Committed, UTC", show: ({ committed_at: at }) => html`<${Time} at=${at} />` },
    {
      title: "Operation",
      show: ({ operation, changes_schema: changes }) => `${operation}${changes ? ", new columns" : ""}`,
    },
    { title: "Rows added", isNumber: true, show: ({ rows_added: rows }) => count(rows) },
    {
      title: "Files",
      isNumber: true,
      show: ({ files_added: added, files_removed: gone }) =>
        `+${count(added)}${gone ? ` −${count(gone)}` : ""}`,
    },
    { title: "Size added", isNumber: true, show: (one) => bytes(one.bytes_added) },
    { title: "Watermark, UTC", show: ({ watermark }) => html`<${Time} at=${watermark} />` },
    {
      title: "Look",
      show: ({ version }) =>
        html`<span class="row-actions">
          <a href=${queryLink(`SELECT * FROM ${sqlName(name)} LIMIT 100`, String(version))}
            >Query<span class="visually-hidden"> at version ${version}</span></a
          >
          ${
            files !== null &&
            version > 0 &&
            html`<button
              type="button"
              class="copy"
              aria-label=${`Diff of version ${version} and the one before`}
              onClick=${() => setFilters({ from: String(version - 1), to: String(version) })}
            >
              Diff
            </button>`
          }
        </span>`,
    },
  ];
}

interface Change {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

interface FileSum {
  readonly files: number;
  readonly bytes: number;
  readonly rows: number | null;
}

interface DiffAnswer {
  readonly from: number;
  readonly to: number;
  readonly added: FileSum;
  readonly removed: FileSum;
  readonly columns: readonly Change[];
  readonly properties: readonly Change[];
  readonly counters: readonly Change[];
}

const Diff: FunctionComponent<{ readonly name: string; readonly isWhole: boolean }> = ({ name, isWhole }) => {
  const [from, to] = [filterOf("from"), filterOf("to")];
  const isAsked = from !== "" || to !== "";
  if (!isWhole) return null;
  return html`
    <form class="compare" onSubmit=${compare}>
      <div class="field">
        <label for="diff-from">From version</label>
        <input id="diff-from" name="from" inputmode="numeric" pattern="[0-9]*" size="8" value=${from} />
      </div>
      <div class="field">
        <label for="diff-to">to version</label>
        <input id="diff-to" name="to" inputmode="numeric" pattern="[0-9]*" size="8" value=${to} />
      </div>
      <button type="submit">Compare</button>
      ${
        isAsked &&
        html`<button type="button" class="plain" onClick=${() => setFilters({ from: "", to: "" })}>
          Close
        </button>`
      }
    </form>
    ${isAsked && html`<${Differences} name=${name} from=${from} to=${to} />`}
  `;
};

function compare(event: Event): void {
  event.preventDefault();
  const data = new FormData(event.target as HTMLFormElement);
  const textOf = (field: string): string => {
    const value = data.get(field);
    return typeof value === "string" ? value.trim() : "";
  };
  setFilters({ from: textOf("from"), to: textOf("to") });
}

interface DifferencesProps {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

const Differences: FunctionComponent<DifferencesProps> = ({ name, from, to }) => {
  const query = new URLSearchParams(
    Object.entries({ from, to }).filter(([, version]) => version !== ""),
  ).toString();
  const path = `/v1/tables/${encodeURIComponent(name)}/diff?${query}`;
  const diff = useResource(path, (signal) => askJson<DiffAnswer>(path, { signal }));
  if (diff.error !== undefined) return html`<${ErrorBox} error=${diff.error} onRetry=${diff.reload} />`;
  if (!diff.value) return html`<${Loading} what="what changed" />`;
  const { added, removed, columns, properties, counters, ...versions } = diff.value;
  return html`<section class="card" aria-label="What changed">
    <h2>Version ${count(versions.from)} to ${count(versions.to)}</h2>
    <p>
      ${sumText(added)} came, ${sumText(removed)} went. Files that were only written anew stand on both sides.
    </p>
    <${Changes} title="Columns" changes=${columns} />
    <${Changes} title="Properties" changes=${properties} />
    ${
      counters.length > 0 &&
      html`<details>
        <summary>${count(counters.length)} counters moved</summary>
        <${Changes} title="Counters" changes=${counters} />
      </details>`
    }
  </section>`;
};

function sumText({ rows, files, bytes: size }: FileSum): string {
  return `${count(rows)} rows in ${count(files)} files (${bytes(size)})`;
}

const Changes: FunctionComponent<{ readonly title: string; readonly changes: readonly Change[] }> = ({
  title,
  changes,
}) =>
  changes.length === 0
    ? null
    : html`<h3>${title}</h3>
        <${AnyTable} label=${`${title} that changed`} columns=${CHANGE_COLUMNS} rows=${changes} />`;

const CHANGE_COLUMNS: readonly Column<Change>[] = [
  { title: "Name", show: ({ name }) => html`<code>${name}</code>` },
  { title: "Before", show: ({ from }) => from ?? "–" },
  { title: "After", show: ({ to }) => to ?? "–" },
];
