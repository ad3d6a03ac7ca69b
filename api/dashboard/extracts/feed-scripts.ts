/** SQL that makes the table and loads a version, for the warehouse that is chosen. To copy as it stands. */
import type { FunctionComponent } from "preact";
import { ask } from "../api-client.ts";
import { html } from "../html.ts";
import { CopyButton } from "../parts/copy-button.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { feedPath, TARGETS, type FeedAnswer } from "./extract-answer.ts";

interface Scripts {
  readonly ddl: string;
  readonly load: string;
}

export const FeedScripts: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed }) => {
  const target = TARGETS.find((one) => one === filterOf("target")) ?? TARGETS[0];
  const version = Number(filterOf("version")) || feed.version;
  const table = filterOf("table");
  const key = `${feed.feed} ${version} ${target} ${table}`;
  const scripts = useResource(key, (signal) => load(feed.feed, version, { target, table }, signal));
  if (version === 0)
    return html`<${Empty} title="No version yet">Scripts load a version; the first one is not made yet.<//>`;
  return html`
    <div class="actions spaced">
      <div class="field">
        <label for="script-target">Warehouse</label>
        <select
          id="script-target"
          value=${target}
          onChange=${(event: Event) => setFilters({ target: (event.target as HTMLSelectElement).value })}
        >
          ${TARGETS.map((one) => html`<option value=${one}>${one}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="script-table">Table there</label>
        <input
          id="script-table"
          placeholder=${feed.feed}
          value=${table}
          onChange=${(event: Event) => setFilters({ table: (event.target as HTMLInputElement).value.trim() })}
        />
      </div>
    </div>
    ${scripts.error !== undefined && html`<${ErrorBox} error=${scripts.error} onRetry=${scripts.reload} />`}
    ${
      scripts.value
        ? html`<${Script} title="Make the table, once" text=${scripts.value.ddl} />
            <${Script} title=${`Load version ${version}`} text=${scripts.value.load} />`
        : scripts.error === undefined && html`<${Loading} what="scripts" />`
    }
  `;
};

async function load(
  feed: string,
  version: number,
  { target, table }: { readonly target: string; readonly table: string },
  signal: AbortSignal,
): Promise<Scripts> {
  if (version === 0) return { ddl: "", load: "" };
  const query = new URLSearchParams({ target, ...(table === "" ? {} : { table }) }).toString();
  const textOf = async (kind: string): Promise<string> =>
    (
      await ask(feedPath(feed, `/versions/${version}/${kind}?${query}`), {
        headers: { accept: "*/*" },
        signal,
      })
    ).text();
  const [ddl, text] = await Promise.all([textOf("ddl"), textOf("load")]);
  return { ddl, load: text };
}

const Script: FunctionComponent<{ readonly title: string; readonly text: string }> = ({
  title,
  text,
}) => html`
  <section class="card">
    <h2>${title} <${CopyButton} text=${text} /></h2>
    <pre tabindex="0" aria-label=${title}><code>${text}</code></pre>
  </section>
`;
