/** Extracts: feeds for the warehouse, what each has published, who has it, and whether the loader's count is it. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { Badge, type Tone } from "../parts/badge.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { FilterField } from "../parts/filter-field.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { FeedDetail } from "../extracts/feed-detail.ts";
import type { FeedAnswer } from "../extracts/extract-answer.ts";

const EVERY_MS = 10_000;
const ABOUT =
  "Closed, numbered, checksummed Parquet for the warehouse. Late data makes a new revision of its window, " +
  "never a changed file.";

export const Page: PageComponent = () => {
  const feeds = useResource(
    "extracts",
    async (signal) => (await askJson<{ items: readonly FeedAnswer[] }>("/v1/extracts", { signal })).items,
    EVERY_MS,
  );
  const all = feeds.value ?? [];
  const name = filterOf("name").toLowerCase();
  const shown = all.filter(({ feed }) => feed.includes(name));
  const opened = filterOf("feed");
  const feed = all.find((one) => one.feed === opened);
  return html`
    <${PageHeader}
      title=${feed ? feed.feed : "Extracts"}
      about=${
        feed
          ? html`<a href="/extracts">All extracts</a>${feed.description && ` · ${feed.description}`}`
          : ABOUT
      }
      asOf=${feeds.asOfMs}
      completeThrough=${feed ? feed.complete_through : undefined}
      isLoading=${feeds.isLoading}
    >
      ${!feed && html`<${FilterField} name="name" label="Name" isFirst />`}
    <//>
    ${feeds.error !== undefined && html`<${ErrorBox} error=${feeds.error} onRetry=${feeds.reload} />`}
    ${
      feeds.value
        ? feed
          ? html`<${FeedDetail} key=${feed.feed} feed=${feed} onChanged=${feeds.reload} />`
          : html`<${FeedList} all=${all} shown=${shown} missing=${opened} />`
        : feeds.error === undefined && html`<${Loading} what="extracts" />`
    }
  `;
};

interface FeedListProps {
  readonly all: readonly FeedAnswer[];
  readonly shown: readonly FeedAnswer[];
  /** A feed that the address names and that is not there. */
  readonly missing: string;
}

const EXAMPLE = `extracts: {
  orders_daily: {
    sql: "SELECT event_id, event_time, total FROM ORDER_CREATED",
    time: "event_time",
    key: ["event_id"],
    totals: ["total"],
  },
},`;

const FeedList: FunctionComponent<FeedListProps> = ({ all, shown, missing }) => {
  if (missing !== "")
    return html`<${Empty} title=${`There is no extract "${missing}"`}>
      Or your token may not read it. <a href="/extracts">All extracts</a>
    <//>`;
  if (all.length === 0)
    return html`<${Empty} title="No extract is declared" command="npx muara extract list">
      A feed is declared in <code>muara.config.ts</code>, reviewed like code:
      <pre tabindex="0"><code>${EXAMPLE}</code></pre>
    <//>`;
  if (shown.length === 0)
    return html`<${Empty} title="No extract fits">
      <button type="button" onClick=${() => setFilters({ name: "" })}>Show all</button>
    <//>`;
  return html`<${AnyTable}
    label="Extracts"
    columns=${COLUMNS}
    rows=${shown}
    keyOf=${({ feed }: FeedAnswer) => feed}
  />`;
};

const COLUMNS: readonly Column<FeedAnswer>[] = [
  {
    title: "Extract",
    show: ({ feed, owner }) =>
      html`<a href=${`/extracts?feed=${encodeURIComponent(feed)}`}>${feed}</a>
        ${owner && html`<br /><span class="quiet">${owner}</span>`}`,
  },
  { title: "State", show: (feed) => html`<${FeedState} feed=${feed} />` },
  { title: "Version", isNumber: true, show: ({ version }) => (version === 0 ? "none" : count(version)) },
  { title: "Complete through, UTC", show: (feed) => html`<${Time} at=${feed.complete_through} />` },
  { title: "Windows", isNumber: true, show: ({ windows }) => count(windows) },
  { title: "Rows", isNumber: true, show: ({ rows }) => count(rows) },
  { title: "Last receipt", show: (feed) => html`<${LastReceipt} feed=${feed} />` },
  { title: "Kept", isNumber: true, show: (feed) => `${count(feed.retention_days)} d` },
];

const FeedState: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed }) => {
  const tone: Tone = feed.problem
    ? "bad"
    : feed.withheld.length > 0
      ? "warn"
      : feed.version > 0
        ? "good"
        : "calm";
  return html`<${Badge} tone=${tone}>${feed.state}<//>`;
};

const LastReceipt: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed: { reconciliation } }) => {
  if (!reconciliation) return html`<span class="quiet">none</span>`;
  const { equal, version, differences } = reconciliation;
  return equal
    ? html`<${Badge} tone="good">equal, version ${version}<//>`
    : html`<${Badge} tone="bad">${count(differences.length)} differ, version ${version}<//>`;
};
