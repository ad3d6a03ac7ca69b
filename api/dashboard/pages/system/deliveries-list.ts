/** Deliveries: what is sent to other systems, how far each is, and what is in its way. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count, duration } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { jobLink, tableLink } from "../../links.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { StateBadge } from "../../parts/states.ts";
import { useResource } from "../../resource.ts";

const EVERY_MS = 3_000;
const KINDS = ["url", "kafka", "postgres", "elasticsearch", "log"] as const;

interface DeliveryTold extends Readonly<Partial<Record<(typeof KINDS)[number], unknown>>> {
  readonly name: string;
  readonly table: string;
  readonly job?: string;
  readonly state: string;
  readonly problem: string | null;
  readonly delivered: number;
  readonly dead: number;
  readonly behind_versions: number | null;
  readonly lag_ms: number | null;
}

export const DeliveriesList: FunctionComponent = () => {
  const told = useResource(
    "deliveries",
    (signal) => askJson<{ items: DeliveryTold[] }>("/v1/deliveries", { signal }),
    EVERY_MS,
  );
  return loaded({
    of: told,
    what: "deliveries",
    show: ({ items }) =>
      items.length === 0
        ? html`<${Empty} title="Nothing is sent anywhere" command="npx muara deliver create --help">
            A delivery follows a table, and sends its rows to a webhook, Kafka, PostgreSQL, Elasticsearch.
          <//>`
        : DataTable<DeliveryTold>({
            label: "Deliveries",
            rows: items,
            keyOf: ({ name }) => name,
            columns: [
              { title: "delivery", show: ({ name }) => name },
              { title: "state", show: ({ state }) => html`<${StateBadge} state=${state} />` },
              {
                title: "of",
                show: ({ table }) => html`<a href=${tableLink(table)}>${table}</a>`,
              },
              { title: "to", class: "id", show: targetOf },
              { title: "rows sent", isNumber: true, show: ({ delivered }) => count(delivered) },
              { title: "refused", isNumber: true, show: ({ dead }) => count(dead) },
              { title: "commits behind", isNumber: true, show: (one) => count(one.behind_versions) },
              { title: "time behind", isNumber: true, show: (one) => duration(one.lag_ms) },
              { title: "problem", show: ({ problem }) => problem ?? "" },
              { title: "", show: (one) => change(one, told.reload) },
            ],
          }),
  }) as ReturnType<FunctionComponent>;
};

function targetOf(delivery: DeliveryTold): string {
  const kind = KINDS.find((one) => delivery[one] !== undefined);
  const to = kind && delivery[kind];
  if (kind === undefined) return "–";
  if (typeof to === "string") return kind === "url" ? to : `${kind} ${to}`;
  return `${kind} ${Object.values(to as Record<string, unknown>)
    .filter((one) => typeof one === "string")
    .join("/")}`;
}

/** A job's own go with the job. */
function change({ name, state, job }: DeliveryTold, reload: () => void): Content {
  if (job !== undefined) return html`<a href=${jobLink(job)}>its job</a>`;
  const isPaused = state === "paused";
  const verb = isPaused ? "resume" : "pause";
  return html`<${ChangeButton}
    key=${verb}
    label=${isPaused ? "Resume …" : "Pause …"}
    title=${isPaused ? `Let ${name} go on?` : `Pause ${name}?`}
    about=${isPaused ? "It goes on where it was." : "Nothing is sent until it is resumed; nothing is lost."}
    yes=${isPaused ? "Resume" : "Pause"}
    run=${() => askJson(`/v1/deliveries/${encodeURIComponent(name)}/${verb}`, { method: "POST" }).then(reload)}
  />`;
}
