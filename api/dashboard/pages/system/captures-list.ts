/** Captures: databases that Muara listens to, what they keep for it, and how near that is to a danger. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { bytes, count, duration } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { tableLink } from "../../links.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";

const EVERY_MS = 3_000;

interface CaptureTold {
  readonly name: string;
  readonly database: string;
  readonly state: string;
  readonly problem: string | null;
  readonly alerts: readonly { readonly reason: string; readonly problem: string }[];
  readonly tables: readonly CapturedTable[];
  readonly slot: string | null;
  readonly lsn: string | null;
  readonly retained_bytes: number | null;
  readonly confirmed_lag_bytes: number | null;
  readonly wal_status: string | null;
  readonly safe_bytes: number | null;
  readonly safe_seconds: number | null;
  readonly updated_at: string | null;
}

interface CapturedTable {
  readonly table: string;
  readonly event_type: string;
  readonly copy: string | null;
  readonly copied_rows: number;
  readonly missed: string | null;
}

export const CapturesList: FunctionComponent = () => {
  const told = useResource(
    "captures",
    (signal) => askJson<{ items: CaptureTold[] }>("/v1/captures", { signal }),
    EVERY_MS,
  );
  return loaded({
    of: told,
    what: "captures",
    show: ({ items }) =>
      items.length === 0
        ? html`<${Empty} title="Muara listens to no database" command="npx muara capture check DATABASE">
            A capture makes events of each change of chosen tables of PostgreSQL.
          <//>`
        : items.map((one) => shown(one, told.reload)),
  }) as ReturnType<FunctionComponent>;
};

function shown(capture: CaptureTold, reload: () => void): Content {
  const { name, state, problem, alerts, tables } = capture;
  const isPaused = state === "paused";
  const verb = isPaused ? "resume" : "pause";
  return html`<section class="card alert" key=${name} data-tone=${alerts.length > 0 ? "bad" : undefined}>
    <h2>${name} <${StateBadge} state=${state} /></h2>
    ${problem !== null && html`<p>${problem}</p>`}
    ${alerts.map((alert) => html`<p><${StateBadge} state=${alert.reason} /> ${alert.problem}</p>`)}
    <dl class="facts">
      <dt>Database</dt>
      <dd>${capture.database}</dd>
      <dt>Slot</dt>
      <dd class="id">${capture.slot ?? "–"}</dd>
      <dt>Durable up to</dt>
      <dd class="id">${capture.lsn ?? "–"}, told <${Time} at=${capture.updated_at} /> UTC</dd>
      <dt>Kept for us there</dt>
      <dd>
        ${bytes(capture.retained_bytes)}, ${bytes(capture.confirmed_lag_bytes)} behind its newest
        (${capture.wal_status ?? "not known"})
      </dd>
      <dt>Before it is in danger</dt>
      <dd>
        ${capture.safe_bytes === null ? "no limit is set there" : bytes(capture.safe_bytes)}
        ${capture.safe_seconds !== null && ` · ${duration(capture.safe_seconds * 1_000)} at the rate of now`}
      </dd>
    </dl>
    ${DataTable<CapturedTable>({
      label: `Tables of ${name}`,
      rows: tables,
      keyOf: ({ table }) => table,
      columns: [
        { title: "table", class: "id", show: ({ table }) => table },
        {
          title: "event type",
          show: ({ event_type: type }) => html`<a href=${tableLink(type)}>${type}</a>`,
        },
        { title: "copy", show: ({ copy }) => copy ?? "–" },
        { title: "rows copied", isNumber: true, show: (one) => count(one.copied_rows) },
        { title: "missing", show: ({ missed }) => missed ?? "" },
      ],
    })}
    <div class="actions">
      <${ChangeButton}
        key=${verb}
        label=${isPaused ? "Resume …" : "Pause …"}
        title=${isPaused ? `Listen to ${capture.database} again?` : `Pause ${name}?`}
        about=${
          isPaused
            ? "It goes on where it was."
            : "The database keeps its log for the slot meanwhile, and its disk fills: do not forget it."
        }
        yes=${isPaused ? "Resume" : "Pause"}
        run=${() => askJson(`/v1/captures/${encodeURIComponent(name)}/${verb}`, { method: "POST" }).then(reload)}
      />
    </div>
  </section>`;
}
