/** Tables: what the lake holds, how much of it, and how fresh each is. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { bytes, count, duration, shortCount } from "../format.ts";
import { html } from "../html.ts";
import { tableLink } from "../links.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { FilterField } from "../parts/filter-field.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StatTile } from "../parts/stat-tile.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { FreshnessBadge, freshnessWord } from "../tables/freshness-badge.ts";
import { isOfTheHouse, KIND_WORDS, type TableAnswer } from "../tables/table-answer.ts";

const EVERY_MS = 5_000;
const ABOUT =
  "One Delta table for each event type, beside them what jobs and captures make of it. " +
  "Any reader opens them by path.";
const FIRST_COMMAND = "npx muara demo --fresh";

export const Page: PageComponent = () => {
  const tables = useResource("tables", load, EVERY_MS);
  const all = tables.value ?? [];
  const shown = filtered(all);
  return html`
    <${PageHeader}
      title="Tables"
      about=${ABOUT}
      asOf=${tables.asOfMs}
      completeThrough=${tables.value && lowestWatermark(shown)}
      isLoading=${tables.isLoading}
    >
      <${FilterField} name="name" label="Name" isFirst />
      <${FilterField} name="kind" label="Kind" options=${KINDS} />
    <//>
    ${tables.error !== undefined && html`<${ErrorBox} error=${tables.error} onRetry=${tables.reload} />`}
    ${
      tables.value
        ? html`<${Found} all=${all} shown=${shown} />`
        : tables.error === undefined && html`<${Loading} what="tables" />`
    }
  `;
};

async function load(signal: AbortSignal): Promise<readonly TableAnswer[]> {
  return (await askJson<{ items: readonly TableAnswer[] }>("/v1/tables?lag=true", { signal })).items;
}

const KINDS = [
  ["", "all but Muara's own"],
  ["event_type", "events"],
  ["current", "current states"],
  ["job", "results of jobs"],
  ["view", "views"],
  ["other", "other Delta tables"],
  ["house", "Muara's own"],
  ["late", "late or stopped"],
];

function filtered(all: readonly TableAnswer[]): readonly TableAnswer[] {
  const name = filterOf("name").toLowerCase();
  const kind = filterOf("kind");
  const isOfKind = (table: TableAnswer): boolean => {
    if (kind === "house") return isOfTheHouse(table);
    if (kind === "late") return freshnessWord(table)?.tone === "bad";
    return !isOfTheHouse(table) && (kind === "" || table.kind === kind);
  };
  return all.filter((table) => isOfKind(table) && table.name.toLowerCase().includes(name));
}

/** null where one of them has none yet. */
function lowestWatermark(shown: readonly TableAnswer[]): string | null {
  const times = shown.filter(({ kind }) => kind === "event_type").map(({ watermark }) => watermark);
  if (times.length === 0 || times.includes(null)) return null;
  return times.reduce((a, b) => (a! < b! ? a : b))!;
}

interface FoundProps {
  readonly all: readonly TableAnswer[];
  readonly shown: readonly TableAnswer[];
}

const Found: FunctionComponent<FoundProps> = ({ all, shown }) => {
  const isEmptyLake = all.every(isOfTheHouse) && filterOf("kind") === "" && filterOf("name") === "";
  if (isEmptyLake)
    return html`<${Empty} title="No table yet" command=${FIRST_COMMAND}>
      Declare an event type and publish to it, or look at a shop that is made up. Muara's own tables are${" "}
      <a href="/tables?kind=house">here</a>.
    <//>`;
  const late = all.filter((table) => freshnessWord(table)?.tone === "bad");
  const sum = (of: (table: TableAnswer) => number | null): number =>
    shown.reduce((total, table) => total + (of(table) ?? 0), 0);
  return html`
    <div class="tiles">
      <${StatTile} label="Tables" value=${count(shown.length)} />
      <${StatTile} label="Rows" value=${shortCount(sum(({ rows }) => rows))} />
      <${StatTile}
        label="Size"
        value=${bytes(sum((table) => table.bytes))}
        about=${`${count(sum(({ files }) => files))} files`}
      />
      <${StatTile}
        label="Late or stopped"
        value=${count(late.length)}
        tone=${late.length > 0 ? "bad" : undefined}
        href=${late.length > 0 ? "/tables?kind=late" : undefined}
      />
    </div>
    ${
      shown.length === 0
        ? html`<${Empty} title="No table fits">
            <button type="button" onClick=${() => setFilters({ name: "", kind: "" })}>Show all</button>
          <//>`
        : html`<${AnyTable}
            label="Tables"
            columns=${COLUMNS}
            rows=${shown}
            keyOf=${({ name }: TableAnswer) => name}
          />`
    }
  `;
};

const COLUMNS: readonly Column<TableAnswer>[] = [
  { title: "Table", show: ({ name }) => html`<a href=${tableLink(name)}>${name}</a>` },
  { title: "Kind", show: ({ kind }) => KIND_WORDS[kind] },
  { title: "Fresh", show: (table) => html`<${FreshnessBadge} table=${table} />` },
  { title: "Rows", isNumber: true, show: ({ rows }) => count(rows) },
  { title: "Files", isNumber: true, show: ({ files }) => count(files) },
  { title: "Size", isNumber: true, show: (table) => bytes(table.bytes) },
  {
    title: "Last commit",
    isNumber: true,
    show: ({ freshness_ms: age }) => (age === null ? "–" : `${duration(age)} ago`),
  },
  { title: "Complete through, UTC", show: ({ watermark }) => html`<${Time} at=${watermark} />` },
];
