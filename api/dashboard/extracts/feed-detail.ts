/** One feed: its versions and files, receipts, who fetched what, and scripts that load it. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { ask, askJson } from "../api-client.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { ChangeButton } from "../parts/change-button.ts";
import { CopyButton } from "../parts/copy-button.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { StatTile } from "../parts/stat-tile.ts";
import { Tabs, type Tab } from "../parts/tabs.ts";
import { Time } from "../parts/time.ts";
import { saveFile } from "../save-file.ts";
import { feedPath, type FeedAnswer } from "./extract-answer.ts";
import { FeedFetches } from "./feed-fetches.ts";
import { FeedReceipts } from "./feed-receipts.ts";
import { FeedScripts } from "./feed-scripts.ts";
import { FeedVersions } from "./feed-versions.ts";

interface FeedDetailProps {
  readonly feed: FeedAnswer;
  readonly onChanged: () => void;
}

interface Made {
  /** Versions. */
  readonly published: number;
  readonly complete_through: string | null;
}

export const FeedDetail: FunctionComponent<FeedDetailProps> = ({ feed, onChanged }) => {
  const made = useSignal<Made | undefined>(undefined);
  const { feed: name, reconciliation } = feed;
  const tabs: readonly Tab[] = [
    { id: "versions", title: "Versions", show: () => html`<${FeedVersions} feed=${feed} />` },
    { id: "receipts", title: "Receipts", show: () => html`<${FeedReceipts} feed=${feed} />` },
    { id: "fetches", title: "Who has it", show: () => html`<${FeedFetches} feed=${feed} />` },
    { id: "load", title: "Load it", show: () => html`<${FeedScripts} feed=${feed} />` },
  ];
  const look = async (): Promise<void> => {
    made.value = await askJson<Made>(feedPath(name, "/make"), { method: "POST" });
    onChanged();
  };
  return html`
    ${
      feed.problem &&
      html`<section class="error" role="alert">
        <h2>It is not made</h2>
        <p>${feed.problem}</p>
      </section>`
    }
    <div class="tiles">
      <${StatTile}
        label="Version"
        value=${feed.version === 0 ? "none" : count(feed.version)}
        about=${html`made <${Time} at=${feed.created} />`}
      />
      <${StatTile}
        label="Rows"
        value=${count(feed.rows)}
        about=${`${count(feed.windows)} windows of a${feed.window === "hour" ? "n hour" : " day"}`}
      />
      <${StatTile}
        label="Last receipt"
        value=${reconciliation ? (reconciliation.equal ? "equal" : "differs") : "none"}
        tone=${reconciliation && !reconciliation.equal ? "bad" : undefined}
        about=${reconciliation && `version ${reconciliation.version}, by ${reconciliation.by}`}
      />
      <${StatTile} label="A version is kept" value=${count(feed.retention_days)} unit="days" />
      <${StatTile}
        label="Left out"
        value=${count(feed.rows_without_time + feed.rows_too_late)}
        tone=${feed.rows_too_late > 0 ? "warn" : undefined}
        about=${`${count(feed.rows_too_late)} too late, ${count(feed.rows_without_time)} without a time`}
      />
    </div>
    <div class="actions spaced">
      <${ChangeButton} label="Look now" title=${`Make what is due of ${name}?`} yes="Make it" run=${look}>
        <p>
          Windows that are over, and those with late data, become a new version. Versions that are there stay
          as they are.
        </p>
      <//>
      <${ContractButton} feed=${feed} />
      <${CopyButton} label="Copy the command" text=${`npx muara extract get ${name} --to ./out`} />
    </div>
    ${made.value && html`<p role="status">${saidOf(made.value)}</p>`}
    <${Tabs} label=${`About ${name}`} tabs=${tabs} />
  `;
};

function saidOf({ published, complete_through: through }: Made): string {
  const what = published > 0 ? `Published: ${count(published)} versions.` : "Nothing new is due.";
  return through ? `${what} Complete through ${through}.` : what;
}

const ContractButton: FunctionComponent<{ readonly feed: FeedAnswer }> = ({ feed }) => {
  const failure = useSignal<unknown>(undefined);
  const take = async (): Promise<void> => {
    try {
      const response = await ask(feedPath(feed.feed, "/contract"), { headers: { accept: "*/*" } });
      saveFile(await response.blob(), `${feed.feed}.odcs.yaml`);
      failure.value = undefined;
    } catch (error) {
      failure.value = error;
    }
  };
  return html`<button type="button" onClick=${() => void take()}>Contract ${feed.contract.version}</button>
    ${failure.value !== undefined && html`<${ErrorBox} what="The contract" error=${failure.value} />`}`;
};
