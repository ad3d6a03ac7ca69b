/** Who has fetched which version, as far as it passed here. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { feedPath, type FeedAnswer, type FetchAnswer } from "./extract-answer.ts";

const EVERY_MS = 10_000;

export const FeedFetches: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed }) => {
  const path = feedPath(feed.feed, "/fetches");
  const fetches = useResource(
    path,
    async (signal) => (await askJson<{ items: readonly FetchAnswer[] }>(path, { signal })).items,
    EVERY_MS,
  );
  if (!fetches.value)
    return fetches.error === undefined
      ? html`<${Loading} what="who fetched it" />`
      : html`<${ErrorBox} error=${fetches.error} onRetry=${fetches.reload} />`;
  const failed =
    fetches.error !== undefined && html`<${ErrorBox} error=${fetches.error} onRetry=${fetches.reload} />`;
  if (fetches.value.length === 0)
    return html`${failed}<${Empty}
        title="Nobody has fetched it yet"
        command=${`npx muara extract get ${feed.feed} --to ./out`}
      />`;
  return html`${failed}
    <${AnyTable} label="Fetches, newest version first" columns=${COLUMNS} rows=${fetches.value} />
    <p class="quiet">What is looked at on this page does not count.</p>`;
};

const COLUMNS: readonly Column<FetchAnswer>[] = [
  {
    title: "Version",
    isNumber: true,
    show: ({ version, full }) => `${count(version)}${full ? ", full" : ""}`,
  },
  { title: "Who", show: ({ by }) => by },
  { title: "Manifest", show: ({ manifest }) => (manifest ? "yes" : "no") },
  {
    title: "Files",
    isNumber: true,
    show: ({ files, links }) => (links ? `${count(files)} here, others by addresses of S3` : count(files)),
  },
  { title: "First, UTC", show: (one) => html`<${Time} at=${one.first_at} />` },
  { title: "Last new one, UTC", show: (one) => html`<${Time} at=${one.last_at} />` },
];
