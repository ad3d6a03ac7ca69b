/** Versions of a feed, and of the one that is chosen its windows, files and checks. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { ask, askJson } from "../api-client.ts";
import { bytes, count } from "../format.ts";
import { html } from "../html.ts";
import { tableLink } from "../links.ts";
import { Badge } from "../parts/badge.ts";
import { CopyButton } from "../parts/copy-button.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { saveFile } from "../save-file.ts";
import { feedPath, type FeedAnswer, type ManifestAnswer, type VersionItem } from "./extract-answer.ts";

const SHOWN = 50;

interface VersionsAnswer {
  readonly items: readonly VersionItem[];
  readonly full_version: number | null;
}

export const FeedVersions: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed }) => {
  const path = feedPath(feed.feed, `/versions?since=newest&limit=${SHOWN}`);
  const versions = useResource(`${path} ${feed.version}`, (signal) =>
    askJson<VersionsAnswer>(path, { signal }),
  );
  if (!versions.value)
    return versions.error === undefined
      ? html`<${Loading} what="versions" />`
      : html`<${ErrorBox} error=${versions.error} onRetry=${versions.reload} />`;
  const items = versions.value.items.toReversed();
  if (items.length === 0)
    return html`<${Empty} title="No version yet">
      The first one comes when a window is over and the watermark has passed it.
    <//>`;
  const chosen = Number(filterOf("version")) || items[0]!.version;
  return html`
    ${versions.error !== undefined && html`<${ErrorBox} error=${versions.error} onRetry=${versions.reload} />`}
    <${AnyTable}
      label="Versions, newest first"
      columns=${columnsOf(chosen)}
      rows=${items}
      keyOf=${({ version }: VersionItem) => String(version)}
    />
    <p class="quiet">
      ${items.length === SHOWN && `The newest ${SHOWN}. `}${
        versions.value.full_version !== null &&
        `Who comes too late for the first versions starts with the full version ${versions.value.full_version}.`
      }
    </p>
    <${Chosen} key=${chosen} feed=${feed.feed} version=${chosen} />
  `;
};

function columnsOf(chosen: number): readonly Column<VersionItem>[] {
  return [
    {
      title: "Version",
      isNumber: true,
      show: ({ version }) =>
        html`<button
          type="button"
          class="copy"
          aria-pressed=${version === chosen}
          aria-label=${`Version ${count(version)}`}
          onClick=${() => setFilters({ version: String(version) })}
        >
          ${count(version)}
        </button>`,
    },
    { title: "Made, UTC", show: ({ created }) => html`<${Time} at=${created} />` },
    { title: "Complete through, UTC", show: (one) => html`<${Time} at=${one.complete_through} />` },
    { title: "Windows", isNumber: true, show: ({ partitions }) => count(partitions) },
    { title: "Rows", isNumber: true, show: ({ rows }) => count(rows) },
    { title: "Files", isNumber: true, show: ({ files }) => count(files) },
    { title: "Size", isNumber: true, show: (one) => bytes(one.bytes) },
    {
      title: "Checks",
      show: ({ ok }) =>
        ok ? html`<${Badge} tone="good">hold<//>` : html`<${Badge} tone="warn">some do not<//>`,
    },
    { title: "Kept until, UTC", show: (one) => html`<${Time} at=${one.retained_until} />` },
  ];
}

const Chosen: FunctionComponent<{ readonly feed: string; readonly version: number }> = ({
  feed,
  version,
}) => {
  // Looking at it here is no fetch.
  const path = feedPath(feed, `/versions/${version}/manifest?look=true`);
  const manifest = useResource(path, (signal) => askJson<ManifestAnswer>(path, { signal }));
  if (!manifest.value)
    return manifest.error === undefined
      ? html`<${Loading} what=${`version ${version}`} />`
      : html`<${ErrorBox} what=${`Version ${version}`} error=${manifest.error} onRetry=${manifest.reload} />`;
  const { partitions, files, quality, inputs, manifest_sha256: hash } = manifest.value;
  const broken = quality.filter(({ ok }) => !ok);
  return html`
    <section class="card" aria-label=${`Version ${version}`}>
      <h2>Version ${count(version)}</h2>
      <p>
        Made from
        ${Object.entries(inputs).map(
          ([name, at]) => html` <a href=${tableLink(name)}>${name}</a> at version ${count(at)}`,
        )}.${" "}SHA-256
        of the manifest <code class="id">${hash}</code> <${CopyButton} text=${hash} />
      </p>
      <h3>Windows</h3>
      <${AnyTable} label="Windows of this version" columns=${WINDOWS} rows=${partitions} />
      <h3>Files</h3>
      <${AnyTable} label="Files of this version" columns=${FILES} rows=${files} />
      <h3>Checks</h3>
      ${
        quality.length === 0
          ? html`<p class="quiet">None is declared.</p>`
          : html`<p>${count(quality.length - broken.length)} of ${count(quality.length)} hold.</p>`
      }
      ${broken.length > 0 && html`<${AnyTable} label="Checks that do not hold" columns=${CHECKS} rows=${broken} />`}
    </section>
  `;
};

type Window = ManifestAnswer["partitions"][number];

const WINDOWS: readonly Column<Window>[] = [
  { title: "Window", show: ({ day, hour }) => day ?? hour ?? "" },
  {
    title: "Revision",
    isNumber: true,
    show: ({ revision, revises }) => `${revision}${revises === null ? "" : `, after ${revises}`}`,
  },
  { title: "Why", show: ({ reason }) => reason },
  { title: "Load by", show: ({ action }) => action },
  { title: "Rows", isNumber: true, show: ({ rows }) => count(rows) },
  { title: "New since", isNumber: true, show: (one) => count(one.late_rows) },
  { title: "Gone since", isNumber: true, show: (one) => count(one.removed_rows) },
  {
    title: "Totals",
    show: ({ totals }) =>
      Object.entries(totals)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ") || "–",
  },
];

type File = ManifestAnswer["files"][number];

const FILES: readonly Column<File>[] = [
  { title: "File", show: ({ name }) => html`<span class="id">${name}</span>` },
  { title: "Rows", isNumber: true, show: ({ rows }) => count(rows) },
  { title: "Size", isNumber: true, show: (one) => bytes(one.bytes) },
  {
    title: "SHA-256",
    show: ({ sha256 }) => html`<span class="id" title=${sha256}>${sha256.slice(0, 16)}…</span>`,
  },
  { title: "Take it", show: (file) => html`<${TakeFile} file=${file} />` },
];

const TakeFile: FunctionComponent<{ readonly file: File }> = ({ file }) => {
  const failure = useSignal("");
  const take = async (): Promise<void> => {
    try {
      const response = await ask(file.url, { headers: { accept: "*/*" } });
      saveFile(await response.blob(), file.name.split("/").at(-1)!);
      failure.value = "";
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error);
    }
  };
  return html`<button
      type="button"
      class="copy"
      aria-label=${`Download ${file.name}`}
      onClick=${() => void take()}
    >
      Download
    </button>
    ${failure.value && html`<span role="alert">${failure.value}</span>`}`;
};

type Check = ManifestAnswer["quality"][number];

const CHECKS: readonly Column<Check>[] = [
  { title: "Window", show: ({ partition }) => partition },
  { title: "Check", show: ({ check }) => check },
  { title: "Weight", show: ({ severity }) => severity },
  { title: "Expected", show: ({ expected }) => expected },
  { title: "Found", show: ({ actual }) => actual },
];
