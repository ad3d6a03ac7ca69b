/** Whether a table can be trusted: its books, what came twice, what could not land, and what reconciliation found. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { BalanceBadge, BooksEquation } from "../parts/books-equation.ts";
import { lettersLink, type LetterGroup } from "../letters/letter-answer.ts";
import { Badge } from "../parts/badge.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import type { ShownTable } from "./table-answer.ts";
import type { LineageAnswer } from "./table-lineage.ts";

interface Account {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly balanced: boolean;
  readonly removed?: {
    readonly retention: number;
    readonly erasure: number;
    readonly rollback: number;
  } | null;
}

interface Reconciled {
  readonly capture: string;
  readonly is_equal: boolean;
  readonly ended_at: string;
  readonly tables: readonly {
    readonly table: string;
    readonly event_type: string;
    readonly is_equal: boolean;
    readonly differing_rows: number;
    readonly source: { readonly rows: number };
    readonly lake: { readonly rows: number };
  }[];
}

interface Quality {
  readonly account: Account | undefined;
  readonly groups: readonly LetterGroup[];
  readonly reconciled: readonly ReconciledRow[];
}

interface ReconciledRow {
  readonly capture: string;
  readonly table: string;
  readonly isEqual: boolean;
  readonly at: string;
  readonly source: number;
  readonly lake: number;
  readonly differing: number;
}

export const TableQuality: FunctionComponent<{ readonly table: ShownTable }> = ({ table }) => {
  const quality = useResource(`quality ${table.name} ${table.version}`, (signal) => load(table, signal));
  if (!quality.value)
    return quality.error === undefined
      ? html`<${Loading} what="what is known of its quality" />`
      : html`<${ErrorBox} error=${quality.error} onRetry=${quality.reload} />`;
  const { account, groups, reconciled } = quality.value;
  if (!account && reconciled.length === 0)
    return html`<${Empty} title="Nothing is counted here">
      Books are kept of event types, for whoever may read all of one. The tables that this one comes from
      stand under Lineage.
    <//>`;
  return html`
    ${quality.error !== undefined && html`<${ErrorBox} error=${quality.error} onRetry=${quality.reload} />`}
    ${account && html`<${Books} account=${account} duplicates=${table.duplicates} />`}
    ${account && html`<${Letters} name=${table.name} groups=${groups} />`}
    ${
      reconciled.length > 0 &&
      html`<h2>Compared with the source</h2>
        <${AnyTable} label="Reconciliations" columns=${RECONCILED} rows=${reconciled} />`
    }
  `;
};

async function load(table: ShownTable, signal: AbortSignal): Promise<Quality> {
  const name = encodeURIComponent(table.name);
  const isCounted = table.kind === "event_type" && table.files !== null;
  const [books, letters, lineage] = await Promise.all([
    isCounted
      ? askJson<{ items: readonly Account[] }>(`/v1/books?event_type=${name}`, { signal })
      : { items: [] },
    isCounted
      ? askJson<{ items: readonly LetterGroup[] }>(`/v1/dead-letters/groups?event_type=${name}`, { signal })
      : { items: [] },
    askJson<LineageAnswer>(`/v1/tables/${name}/lineage`, { signal }),
  ]);
  const captures = new Set(lineage.upstream.filter(({ kind }) => kind === "capture").map((one) => one.name));
  const found = await Promise.all(
    [...captures].map((capture) =>
      askJson<{ items: readonly Reconciled[] }>(
        `/v1/captures/${encodeURIComponent(capture)}/reconciliations`,
        { signal },
      ),
    ),
  );
  return {
    account: books.items[0],
    groups: letters.items,
    reconciled: found.flatMap(({ items }) => items.flatMap((one) => rowsOf(one, table.name))),
  };
}

function rowsOf({ capture, ended_at: at, tables }: Reconciled, name: string): readonly ReconciledRow[] {
  return tables
    .filter((one) => one.event_type === name)
    .map((one) => ({
      capture,
      at,
      table: one.table,
      isEqual: one.is_equal,
      source: one.source.rows,
      lake: one.lake.rows,
      differing: one.differing_rows,
    }));
}

const RECONCILED: readonly Column<ReconciledRow>[] = [
  { title: "Capture", show: ({ capture }) => capture },
  { title: "Table there", show: ({ table }) => html`<code>${table}</code>` },
  {
    title: "Found",
    show: ({ isEqual, differing }) =>
      isEqual
        ? html`<${Badge} tone="good">equal<//>`
        : html`<${Badge} tone="bad">${count(differing)} rows differ<//>`,
  },
  { title: "Rows there", isNumber: true, show: ({ source }) => count(source) },
  { title: "Rows here", isNumber: true, show: ({ lake }) => count(lake) },
  { title: "When, UTC", show: ({ at }) => html`<${Time} at=${at} />` },
];

interface BooksProps {
  readonly account: Account;
  readonly duplicates: ShownTable["duplicates"];
}

const Books: FunctionComponent<BooksProps> = ({ account, duplicates }) => {
  const { removed } = account;
  const gone = removed ? removed.retention + removed.erasure + removed.rollback : 0;
  return html`<section class="card">
    <h2>Books <${BalanceBadge} isBalanced=${account.balanced} /></h2>
    <${BooksEquation} totals=${account} />
    ${
      gone > 0 &&
      html`<p>
        ${
          `${count(gone)} landed rows are gone since: ${count(removed!.retention)} by retention, ` +
          `${count(removed!.erasure)} erased, ${count(removed!.rollback)} rolled back.`
        }
      </p>`
    }
    ${
      duplicates &&
      html`<p>
        ${
          `Of the duplicates ${count(duplicates.identical)} had the same bytes as what landed, ` +
          `${count(duplicates.different)} had others, of ${count(duplicates.unknown)} it cannot be told any more.`
        }
      </p>`
    }
  </section>`;
};

const Letters: FunctionComponent<{ readonly name: string; readonly groups: readonly LetterGroup[] }> = ({
  name,
  groups,
}) =>
  html`<section class="card">
    <h2>Dead letters</h2>
    ${
      groups.length === 0
        ? html`<p><${Badge} tone="good">none<//> Everything that was accepted could land.</p>`
        : html`<ul>
            ${groups.map(
              ({ reason, open, count: all }) =>
                html`<li>
                  <a href=${lettersLink({ event_type: name, reason })}><code>${reason}</code></a
                  >: ${count(open)} open of ${count(all)}
                </li>`,
            )}
          </ul>`
    }
  </section>`;
