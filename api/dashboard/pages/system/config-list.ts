/** The configuration that counts: each value and where it came from. Secrets never stand in it. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { Badge } from "../../parts/badge.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { FilterField } from "../../parts/filter-field.ts";
import { loaded } from "../../parts/loaded.ts";
import { useResource } from "../../resource.ts";
import { filterOf } from "../../router.ts";

interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly origin: "default" | "file" | "environment" | "flag";
  readonly variable: string;
  readonly description: string;
}

export const ConfigList: FunctionComponent = () => {
  const told = useResource("config", (signal) => askJson<{ items: Entry[] }>("/v1/config", { signal }));
  return html`
    <div class="actions spaced">
      <${FilterField} name="q" label="Key or meaning" isFirst />
      <${FilterField}
        name="origin"
        label="Set by"
        options=${[
          ["", "anything"],
          ["set", "somebody"],
          ["file", "the file"],
          ["environment", "the environment"],
          ["flag", "a flag"],
          ["default", "nobody: default"],
        ]}
      />
    </div>
    ${loaded({ of: told, what: "the configuration", show: ({ items }) => shown(items) })}
  `;
};

function shown(items: readonly Entry[]): Content {
  if (items.length === 0)
    return html`<${Empty}
      title="This process does not know its configuration"
      command="npx muara config show"
    />`;
  const [text, origin] = [filterOf("q").toLowerCase(), filterOf("origin")];
  const rows = items.filter(
    (entry) =>
      `${entry.key} ${entry.description}`.toLowerCase().includes(text) &&
      (origin === "" || entry.origin === origin || (origin === "set" && entry.origin !== "default")),
  );
  if (rows.length === 0) return html`<p class="quiet">None of ${count(items.length)} keys is like that.</p>`;
  return DataTable<Entry>({
    label: "Configuration",
    rows,
    keyOf: ({ key }) => key,
    columns: [
      { title: "key", class: "id", show: ({ key }) => key },
      { title: "value", class: "id", show: ({ value }) => valueText(value) },
      {
        title: "set by",
        show: ({ origin: by }) => html`<${Badge} tone=${by === "default" ? "calm" : "main"}>${by}<//>`,
      },
      { title: "variable", class: "id", show: ({ variable }) => variable },
      { title: "meaning", show: ({ description }) => description },
    ],
  });
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
