/** Tokens: who may do what. One is told when it is made, and never again. */
import type { FunctionComponent } from "preact";
import { ask, askJson } from "../../api-client.ts";
import { html, type Content } from "../../html.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { CopyButton } from "../../parts/copy-button.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";

const KINDS = ["table", "event_type", "extract", "share", "capture", "system", "token", "*"];
const EVERY_MS = 5_000;
const ACTIONS = ["read", "write", "admin"];

interface Grant {
  readonly action: string;
  readonly kind: string;
  readonly name: string;
  readonly columns?: readonly string[];
  readonly rows?: string;
}

interface TokenTold {
  readonly id: string;
  readonly description: string;
  readonly grants: readonly Grant[];
  readonly roles: readonly string[];
  readonly created_at: string | null;
  readonly expires_at: string | null;
}

export const TokensList: FunctionComponent = () => {
  const told = useResource(
    "tokens",
    (signal) => askJson<{ items: TokenTold[] }>("/v1/tokens", { signal }),
    EVERY_MS,
  );
  return html`
    <div class="actions spaced"><${NewToken} onChange=${told.reload} /></div>
    ${loaded({
      of: told,
      what: "tokens",
      show: ({ items }) =>
        items.length === 0
          ? html`<${Empty}
              title="There are no tokens"
              command="npx muara token create --description NAME --grant read:table:NAME"
            />`
          : listed(items, told.reload),
    })}
  `;
};

function listed(items: readonly TokenTold[], reload: () => void): Content {
  return DataTable<TokenTold>({
    label: "Tokens",
    rows: items,
    keyOf: ({ id }) => id,
    columns: [
      { title: "token", class: "id", show: ({ id }) => id },
      { title: "for", show: ({ description }) => description },
      {
        title: "may",
        show: ({ grants, roles }) =>
          [...grants.map(grantText), ...roles.map((role) => `role ${role}`)].map(
            (text) => html`<div>${text}</div>`,
          ),
      },
      { title: "since, UTC", show: (one) => html`<${Time} at=${one.created_at} />` },
      {
        title: "until, UTC",
        show: (one) => (one.expires_at ? html`<${Time} at=${one.expires_at} />` : "for good"),
      },
      {
        title: "",
        show: ({ id, description }) =>
          html`<${ChangeButton}
            label="Revoke …"
            title=${`Revoke ${id}?`}
            about=${`"${description}" has no access any more, at once. It does not come back.`}
            yes="Revoke"
            run=${() => ask(`/v1/tokens/${encodeURIComponent(id)}`, { method: "DELETE" }).then(reload)}
          />`,
      },
    ],
  });
}

function grantText({ action, kind, name, columns, rows }: Grant): string {
  const part = [
    ...(columns ? [`columns ${columns.join(", ")}`] : []),
    ...(rows ? [`rows where ${rows}`] : []),
  ];
  return `${action} ${kind} ${name}${part.length > 0 ? ` (${part.join("; ")})` : ""}`;
}

function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}

const NewToken: FunctionComponent<{ readonly onChange: () => void }> = ({ onChange }) => {
  const run = async (fields: FormData): Promise<unknown> => {
    const until = textOf(fields, "until");
    const made = await askJson<{ token: string; id: string }>("/v1/tokens", {
      method: "POST",
      body: {
        description: fields.get("description"),
        grants: [{ action: fields.get("action"), kind: fields.get("kind"), name: fields.get("name") }],
        ...(until === "" ? {} : { expires_at: `${until}T00:00:00Z` }),
      },
    });
    onChange();
    return made;
  };
  return html`<${ChangeButton}
    label="New token …"
    class="primary"
    title="A new token"
    about="Who has it may do what it says, wherever it comes from. More than one right: npx muara token create."
    yes="Make it"
    run=${run}
    done=${(answer: unknown) => madeShown(answer as { token: string; id: string })}
  >
    <label class="field">Who or what it is for <input name="description" required maxlength="200" /></label>
    <label class="field"
      >May
      <select name="action">
        ${ACTIONS.map((one) => html`<option>${one}</option>`)}
      </select></label
    >
    <label class="field"
      >on
      <select name="kind">
        ${KINDS.map((one) => html`<option>${one}</option>`)}
      </select></label
    >
    <label class="field">named (* for all) <input name="name" required spellcheck=${false} /></label>
    <label class="field">until, UTC (empty: for good) <input name="until" type="date" /></label>
  <//>`;
};

function madeShown({ token, id }: { readonly token: string; readonly id: string }): Content {
  return html`
    <p>This is ${id}. It is told now and never again: Muara keeps its hash only.</p>
    <pre class="secret" tabindex="0">${token}</pre>
    <p><${CopyButton} text=${token} /></p>
  `;
}
