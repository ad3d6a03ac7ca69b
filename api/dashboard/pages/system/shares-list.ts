/** Shares: tables that others read without an account here, and who they are. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { ask, askJson } from "../../api-client.ts";
import { count } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { tableLink } from "../../links.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";

const EVERY_MS = 5_000;

interface ShareTold {
  readonly name: string;
  readonly description: string;
  readonly origin: string;
  readonly tables: readonly { readonly table: string; readonly as: string; readonly history: boolean }[];
  readonly recipients?: readonly RecipientTold[] | null;
}

interface RecipientTold {
  readonly id: string;
  readonly recipient: string;
  readonly created_at: string | null;
  readonly expires_at: string | null;
}

export const SharesList: FunctionComponent = () => {
  const told = useResource(
    "shares",
    (signal) => askJson<{ items: ShareTold[] }>("/v1/shares", { signal }),
    EVERY_MS,
  );
  return loaded({
    of: told,
    what: "shares",
    show: ({ items }) =>
      items.length === 0
        ? html`<${Empty} title="Nothing is shared" command="npx muara share create --help">
            A share opens tables to clients of Delta Sharing: Spark, pandas, Power BI.
          <//>`
        : items.map(
            (share) => html`<${ShareCard} key=${share.name} share=${share} onChange=${told.reload} />`,
          ),
  }) as ReturnType<FunctionComponent>;
};

interface ShareCardProps {
  readonly share: ShareTold;
  readonly onChange: () => void;
}

const ShareCard: FunctionComponent<ShareCardProps> = ({ share, onChange }) => {
  const { name, description, origin, tables } = share;
  const isOpen = useSignal(false);
  return html`<section class="card">
    <h2>${name}</h2>
    <p>${description}</p>
    <ul>
      ${tables.map(
        ({ table, as, history }) =>
          html`<li>
            <a href=${tableLink(table)}>${table}</a> as
            <code>${as}</code>${history ? ", with its history" : ""}
          </li>`,
      )}
    </ul>
    <details onToggle=${(event: Event) => (isOpen.value = (event.target as HTMLDetailsElement).open)}>
      <summary>Who reads it</summary>
      ${isOpen.value && html`<${Recipients} name=${name} />`}
    </details>
    ${
      origin === "registry"
        ? html`<${ChangeButton}
            label="Revoke …"
            title=${`Revoke ${name}?`}
            about="All of its recipients lose their access at once. The tables stay."
            yes="Revoke"
            run=${() => ask(`/v1/shares/${encodeURIComponent(name)}`, { method: "DELETE" }).then(onChange)}
          />`
        : html`<p class="quiet">It stands in the configuration, and is changed there.</p>`
    }
  </section>`;
};

const Recipients: FunctionComponent<{ readonly name: string }> = ({ name }) => {
  const path = `/v1/shares/${encodeURIComponent(name)}`;
  const told = useResource(path, (signal) => askJson<ShareTold>(path, { signal }));
  return loaded({
    of: told,
    what: "recipients",
    show: ({ recipients }) => recipientsShown(path, recipients, told.reload),
  }) as ReturnType<FunctionComponent>;
};

function recipientsShown(
  path: string,
  recipients: readonly RecipientTold[] | null | undefined,
  reload: () => void,
): Content {
  if (!recipients) return html`<p class="quiet">Only who administers the share may see them.</p>`;
  if (recipients.length === 0) return html`<p class="quiet">Nobody yet: ${count(0)} recipients.</p>`;
  return DataTable<RecipientTold>({
    label: "Recipients",
    rows: recipients,
    keyOf: ({ id }) => id,
    columns: [
      { title: "recipient", show: ({ recipient }) => recipient },
      { title: "since, UTC", show: (one) => html`<${Time} at=${one.created_at} />` },
      { title: "until, UTC", show: (one) => html`<${Time} at=${one.expires_at} />` },
      {
        title: "",
        show: ({ id, recipient }) =>
          html`<${ChangeButton}
            label="Revoke …"
            title=${`Take ${recipient}'s access away?`}
            about="It ends at once, and does not come back: a new one is another file."
            yes="Revoke"
            run=${() => ask(`${path}/recipients/${encodeURIComponent(id)}`, { method: "DELETE" }).then(reload)}
          />`,
      },
    ],
  });
}
