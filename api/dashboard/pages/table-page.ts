/** One table: its columns, partitions, versions, quality, what it comes from and goes to, and how to read it. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { bytes, count, duration, shortCount } from "../format.ts";
import { html } from "../html.ts";
import { queryLink } from "../links.ts";
import { sqlName } from "../quote.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StatTile } from "../parts/stat-tile.ts";
import { Tabs, type Tab } from "../parts/tabs.ts";
import { useResource } from "../resource.ts";
import { FreshnessBadge, freshnessWord } from "../tables/freshness-badge.ts";
import { KIND_WORDS, type PartitionsAnswer, type ShownTable } from "../tables/table-answer.ts";
import { TableColumns } from "../tables/table-columns.ts";
import { TableLineage } from "../tables/table-lineage.ts";
import { TablePartitions } from "../tables/table-partitions.ts";
import { TableQuality } from "../tables/table-quality.ts";
import { TableSnippets } from "../tables/table-snippets.ts";
import { TableVersions } from "../tables/table-versions.ts";
import "../tables/tables.css";

const EVERY_MS = 5_000;

interface Whole {
  readonly table: ShownTable;
  /** undefined for a view, and for who may read a part of the table only. */
  readonly partitions: PartitionsAnswer | undefined;
}

export const Page: PageComponent = ({ params }) => {
  const name = params["t"]!;
  const whole = useResource(`table ${name}`, (signal) => load(name, signal), EVERY_MS);
  const { value } = whole;
  // While another table loads, the one before is not shown under its name.
  const here = value && isSame(value.table, name) ? value : undefined;
  const table = here?.table;
  return html`
    <${PageHeader}
      title=${table?.name ?? name}
      about=${table && about(table)}
      asOf=${whole.asOfMs}
      completeThrough=${table && table.kind !== "view" ? table.watermark : undefined}
      isLoading=${whole.isLoading}
    >
      <a class="button" href=${queryLink(`SELECT * FROM ${sqlName(table?.name ?? name)} LIMIT 100`)}>Query</a>
    <//>
    ${whole.error !== undefined && html`<${ErrorBox} what=${name} error=${whole.error} onRetry=${whole.reload} />`}
    ${here ? html`<${Shown} ...${here} />` : whole.error === undefined && html`<${Loading} what=${name} />`}
  `;
};

async function load(name: string, signal: AbortSignal): Promise<Whole> {
  const path = `/v1/tables/${encodeURIComponent(name)}`;
  const table = await askJson<ShownTable>(path, { signal });
  if (table.kind === "view" || table.files === null) return { table, partitions: undefined };
  return { table, partitions: await askJson<PartitionsAnswer>(`${path}/partitions?limit=1000`, { signal }) };
}

function isSame({ name, alias }: ShownTable, asked: string): boolean {
  return [name, alias].some((one) => one?.toLowerCase() === asked.toLowerCase());
}

function about({ kind, description, alias, name }: ShownTable): string {
  const also = alias && alias !== name ? `, in SQL also ${alias}` : "";
  return `${description ? `${description} · ` : ""}${KIND_WORDS[kind]}${also}`;
}

const Shown: FunctionComponent<Whole> = ({ table, partitions }) => {
  const fresh = { ...table, ...partitions };
  const tabs: Tab[] = [
    {
      id: "columns",
      title: "Columns",
      count: count(table.columns.length),
      show: () => html`<${TableColumns} table=${table} />`,
    },
  ];
  if (partitions)
    tabs.push({
      id: "partitions",
      title: "Partitions",
      count: count(partitions.count),
      show: () => html`<${TablePartitions} partitions=${partitions} />`,
    });
  if (table.kind !== "view")
    tabs.push(
      { id: "versions", title: "Versions", show: () => html`<${TableVersions} table=${table} />` },
      { id: "quality", title: "Quality", show: () => html`<${TableQuality} table=${table} />` },
    );
  tabs.push(
    { id: "lineage", title: "Lineage", show: () => html`<${TableLineage} name=${table.name} />` },
    { id: "use", title: "Read it", show: () => html`<${TableSnippets} table=${table} />` },
  );
  return html`
    ${
      table.problem &&
      html`<section class="error" role="alert">
        <h2>landing does not go on</h2>
        <p>${table.problem}</p>
      </section>`
    }
    ${table.kind !== "view" && html`<${Tiles} table=${table} partitions=${partitions} fresh=${fresh} />`}
    <${Tabs} label=${`About ${table.name}`} tabs=${tabs} />
  `;
};

interface TilesProps extends Whole {
  readonly fresh: Parameters<typeof freshnessWord>[0];
}

const Tiles: FunctionComponent<TilesProps> = ({ table, partitions, fresh }) => {
  const target = partitions?.freshness_target_ms;
  return html`<div class="tiles">
    <${StatTile} label="Rows" value=${shortCount(table.rows)} about=${`${count(table.rows)} exactly`} />
    <${StatTile} label="Size" value=${bytes(table.bytes)} about=${`${count(table.files)} files`} />
    <${StatTile}
      label="Behind"
      value=${partitions ? duration(partitions.lag_ms) : "–"}
      tone=${freshnessWord(fresh)?.tone === "bad" ? "bad" : undefined}
      about=${target ? html`<${FreshnessBadge} table=${fresh} />` : "no target is declared"}
    />
    <${StatTile}
      label="Version"
      value=${count(table.version)}
      about=${table.freshness_ms === null ? "no commit yet" : `committed ${duration(table.freshness_ms)} ago`}
    />
    <${StatTile}
      label="Rows are kept"
      value=${table.retention?.rows_ms ? duration(table.retention.rows_ms) : "for ever"}
    />
  </div>`;
};
