/** Cases of a process: by a part of their name, by where they are, by how long nothing has come. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { DataTable } from "../../parts/data-table.ts";
import { FilterField } from "../../parts/filter-field.ts";
import { loaded } from "../../parts/loaded.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";
import { filterOf } from "../../router.ts";
import { type CaseFound, casePath, type ProcessTold } from "./process-types.ts";

interface CaseSearchProps {
  readonly process: ProcessTold;
  readonly bounds: string;
}

interface Found {
  readonly items: readonly CaseFound[];
  readonly is_truncated: boolean;
}

export const CaseSearch: FunctionComponent<CaseSearchProps> = ({ process, bounds }) => {
  const query = new URLSearchParams(bounds);
  query.set("process", process.name);
  const [text, last, show] = [filterOf("q"), filterOf("last"), filterOf("show")];
  if (text !== "") query.set("q", text);
  if (last !== "") query.set("last", last);
  if (show === "stuck") {
    query.set("unfinished", "true");
    query.set("order", "oldest");
  }
  const found = useResource(`search ${query}`, (signal) => askJson<Found>(`/v1/cases?${query}`, { signal }));
  return html`
    <div class="actions spaced">
      <${FilterField} name="q" label="Part of the case's name" isFirst />
      <${FilterField}
        name="last"
        label="Latest activity"
        options=${[["", "any"], ...process.activities.map((name) => [name, name])]}
      />
      <${FilterField}
        name="show"
        label="Show"
        options=${[
          ["", "those that moved last"],
          ["stuck", `those without ${process.activities.at(-1)}, longest silence first`],
        ]}
      />
    </div>
    ${loaded({ of: found, what: "cases", show: (told) => shown(process.name, told) })}
  `;
};

function shown(process: string, { items, is_truncated: isCut }: Found): Content {
  if (items.length === 0) return html`<p class="quiet">No case is like that.</p>`;
  return html`
    ${DataTable<CaseFound>({
      label: "Cases",
      rows: items,
      keyOf: ({ case_id: id }) => id,
      columns: [
        { title: "case", show: ({ case_id: id }) => html`<a href=${casePath(process, id)}>${id}</a>` },
        { title: "latest", show: ({ last }) => last },
        { title: "since, UTC", show: (one) => html`<${Time} at=${one.last_at} />` },
        { title: "began, UTC", show: (one) => html`<${Time} at=${one.begun_at} />` },
        { title: "events", isNumber: true, show: ({ events }) => count(events) },
        { title: "late", isNumber: true, show: ({ late }) => count(late) },
      ],
    })}
    ${isCut && html`<p class="quiet">The first ${count(items.length)}; there are more.</p>`}
  `;
}
