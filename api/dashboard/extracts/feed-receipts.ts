/** What loaders said that they have loaded, and where it differs from what was published. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { Badge } from "../parts/badge.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { feedPath, type FeedAnswer, type ReceiptAnswer } from "./extract-answer.ts";

const EVERY_MS = 10_000;
const SHOWN = 100;

export const FeedReceipts: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed }) => {
  const path = feedPath(feed.feed, `/receipts?limit=${SHOWN}`);
  const receipts = useResource(
    path,
    async (signal) => (await askJson<{ items: readonly ReceiptAnswer[] }>(path, { signal })).items,
    EVERY_MS,
  );
  if (!receipts.value)
    return receipts.error === undefined
      ? html`<${Loading} what="receipts" />`
      : html`<${ErrorBox} error=${receipts.error} onRetry=${receipts.reload} />`;
  const failed =
    receipts.error !== undefined && html`<${ErrorBox} error=${receipts.error} onRetry=${receipts.reload} />`;
  if (receipts.value.length === 0)
    return html`${failed}<${Empty} title="No receipt yet" command=${commandOf(feed)}>
        A loader says how many rows it has. Where that is not what was published, the answer names the window.
      <//>`;
  return html`${failed}<${AnyTable}
      label="Receipts, newest first"
      columns=${COLUMNS}
      rows=${receipts.value}
    />`;
};

function commandOf({ feed, version }: FeedAnswer): string {
  const address = location.origin + feedPath(feed, `/versions/${version}/receipts`);
  return `curl -H "authorization: Bearer $MUARA_TOKEN" --json '{"rows":0}' ${address}`;
}

const COLUMNS: readonly Column<ReceiptAnswer>[] = [
  { title: "When, UTC", show: (one) => html`<${Time} at=${one.received_at} />` },
  { title: "Version", isNumber: true, show: ({ version }) => count(version) },
  { title: "By", show: ({ by }) => by },
  { title: "Rows said", isNumber: true, show: ({ rows }) => count(rows) },
  {
    title: "Found",
    show: ({ equal }) =>
      equal ? html`<${Badge} tone="good">equal<//>` : html`<${Badge} tone="bad">differs<//>`,
  },
  {
    title: "Differences",
    show: ({ differences }) =>
      differences.length === 0
        ? "–"
        : html`<ul class="plain-list">
            ${differences.map(
              ({ partition, what, expected, reported }) =>
                html`<li>${partition ?? "the whole"}: ${what} ${expected}, said ${reported}</li>`,
            )}
          </ul>`,
  },
];
