/** Dead letters: what was accepted and could not land, by reason and type; looked at, corrected and replayed. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { LetterDetail } from "../letters/letter-detail.ts";
import { LetterFilters } from "../letters/letter-filters.ts";
import { LetterGroups } from "../letters/letter-groups.ts";
import { LetterList } from "../letters/letter-list.ts";
import { ReplayGroup } from "../letters/replay-group.ts";
import type { LetterGroup } from "../letters/letter-answer.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StatTile } from "../parts/stat-tile.ts";
import { useResource } from "../resource.ts";
import { filterOf } from "../router.ts";
import "../letters/letters.css";

const EVERY_MS = 5_000;
const FILTERS = ["event_type", "reason", "state", "since", "until"] as const;

interface GroupsAnswer {
  readonly items: readonly LetterGroup[];
  readonly truncated: boolean;
}

export const Page: PageComponent = () => {
  const query = queryOf();
  const path = `/v1/dead-letters/groups?${query}`;
  const groups = useResource(path, (signal) => askJson<GroupsAnswer>(path, { signal }), EVERY_MS);
  const letter = filterOf("letter");
  const replayed = useSignal<LetterGroup | undefined>(undefined);
  return html`
    <${PageHeader}
      title="Dead letters"
      about="Accepted, and could not land. Nothing of it is lost: correct it and send it again; each is replayed once."
      asOf=${groups.asOfMs}
      isLoading=${groups.isLoading}
    >
      <${LetterFilters} groups=${groups.value?.items ?? []} />
    <//>
    ${groups.error !== undefined && html`<${ErrorBox} error=${groups.error} onRetry=${groups.reload} />`}
    ${letter !== "" && html`<${LetterDetail} key=${letter} id=${letter} onChanged=${groups.reload} />`}
    ${
      replayed.value &&
      html`<${ReplayGroup}
        group=${replayed.value}
        onChanged=${groups.reload}
        onClose=${() => (replayed.value = undefined)}
      />`
    }
    ${
      groups.value
        ? html`<${Found}
            answer=${groups.value}
            query=${query}
            onReplay=${(group: LetterGroup) => (replayed.value = group)}
          />`
        : groups.error === undefined && html`<${Loading} what="dead letters" />`
    }
  `;
};

function queryOf(): string {
  const set = FILTERS.map((name) => [name, filterOf(name)]).filter(([, text]) => text !== "");
  return new URLSearchParams(set).toString();
}

interface FoundProps {
  readonly answer: GroupsAnswer;
  /** The filters that are set. */
  readonly query: string;
  readonly onReplay: (group: LetterGroup) => void;
}

const Found: FunctionComponent<FoundProps> = ({ answer, query, onReplay }) => {
  const { items, truncated } = answer;
  if (items.length === 0)
    return query === ""
      ? html`<${Empty} title="No dead letter" command="npx muara books">
          Everything that was accepted has landed, or was a duplicate. The books say the same, counted apart.
        <//>`
      : html`<${Empty} title="No dead letter fits"><a href="/dead-letters">Show all</a><//>`;
  const sum = (of: (group: LetterGroup) => number): number =>
    items.reduce((total, group) => total + of(group), 0);
  const isOne = filterOf("event_type") !== "" && filterOf("reason") !== "";
  return html`
    <div class="tiles">
      <${StatTile} label="Open" value=${count(sum(({ open }) => open))} />
      <${StatTile} label="Landed since" value=${count(sum(({ landed }) => landed))} />
      <${StatTile} label="Were duplicates" value=${count(sum(({ duplicate }) => duplicate))} />
      <${StatTile}
        label="Dead again"
        value=${count(sum((group) => group.dead_again))}
        about="each a dead letter of its own"
      />
    </div>
    <${LetterGroups} groups=${items} onReplay=${onReplay} />
    ${truncated && html`<p class="quiet">There are more groups: filter by event type.</p>`}
    ${
      isOne
        ? html`<${LetterList} query=${query} />`
        : html`<p class="quiet">Choose a group to see its dead letters.</p>`
    }
  `;
};
