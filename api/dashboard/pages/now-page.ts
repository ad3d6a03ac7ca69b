/** Now: the flow with its rates, the books, the velocity of an event type, what fires, and every type in a row. */
import { useEffect } from "preact/hooks";
import type { PageComponent } from "../page-component.ts";
import { count, duration, rate } from "../format.ts";
import { html, type Content } from "../html.ts";
import { tableLink } from "../links.ts";
import { liveNow, liveState, watchLive } from "../live/live-client.ts";
import type { FiringAlert, NowValue, TypeNow } from "../live/live-types.ts";
import { BooksLine } from "../now/books-line.ts";
import { FlowPicture } from "../now/flow-picture.ts";
import { VelocityCard } from "../now/velocity.ts";
import { Badge } from "../parts/badge.ts";
import { DataTable, type Column } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { LiveNote } from "../parts/live-note.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { Time } from "../parts/time.ts";
import "../now/now.css";

const ALERTS_SHOWN = 4;

export const Page: PageComponent = () => {
  useEffect(() => watchLive({ isNow: true, tail: undefined }), []);
  const now = liveNow.value;
  return html`
    <${PageHeader}
      title="Now"
      about="Events come in at the doors, wait in the log, and land in the lake, each once."
      asOf=${now?.as_of}
      completeThrough=${now ? now.complete_through : undefined}
    >
      <${LiveNote} />
    <//>
    ${now ? shown(now) : waiting()}
  `;
};

function waiting(): Content {
  const { kind, error } = liveState.value;
  if (kind !== "refused" && kind !== "retrying") return html`<${Loading} what="what happens now" />`;
  return html`<section class="error" role="alert">
    <h2>${kind === "refused" ? "No live data" : "No answer"}</h2>
    <p>${error?.message ?? "The connection was cut."} ${kind === "retrying" && "It is tried again."}</p>
    <button type="button" onClick=${() => location.reload()}>Try again</button>
  </section>`;
}

function shown(now: NowValue): Content {
  if (now.event_types.length === 0)
    return html`<${Empty} title="No event type is declared, or none that you may read" command="npm run demo">
      The demo fills a lake with a seeded shop. Your own events: <a href="/system">doors and tokens</a>.
    <//>`;
  const types = now.event_types.map(({ event_type: type }) => type).toSorted();
  const most = now.event_types.reduce((best, one) => (one.accepted > best.accepted ? one : best));
  return html`
    <section class="card flow-card" aria-label="The flow">
      <${FlowPicture} now=${now} />
    </section>
    <${BooksLine} totals=${now.totals} />
    <div class="now-columns">
      <${VelocityCard} types=${types} most=${most.event_type} />
      ${alertsCard(now)}
    </div>
    <section aria-labelledby="types-title">
      <h2 id="types-title" class="section-title">
        Event types <span class="quiet">${count(now.event_types_count)}</span>
      </h2>
      ${DataTable({ label: "Event types", columns: COLUMNS, rows: now.event_types, keyOf: (one) => one.event_type })}
      ${
        now.event_types_count > now.event_types.length &&
        html`<p class="quiet">
          The ${now.event_types.length} with the most events; the sums above have all.
        </p>`
      }
    </section>
  `;
}

function alertsCard({ alerts, alerts_count: total, last_commit: last }: NowValue): Content {
  return html`
    <section class="card" aria-labelledby="alerts-title">
      <h2 id="alerts-title">
        Alerts
        ${
          total === 0
            ? html`<${Badge} tone="good">nothing fires<//>`
            : html`<${Badge} tone="bad">${count(total)} firing<//>`
        }
      </h2>
      <ul class="alerts">
        ${alerts.slice(0, ALERTS_SHOWN).map(alertLine)}
      </ul>
      ${total > ALERTS_SHOWN && html`<p><a href="/alerts">All ${count(total)} alerts</a></p>`}
      <h2>Last commit</h2>
      ${
        last
          ? html`<p>
              <a href=${tableLink(last.table)}>${last.table}</a> version ${count(last.version)}<br />
              <${Time} at=${last.at} /> UTC
            </p>`
          : html`<p class="quiet">None yet.</p>`
      }
    </section>
  `;
}

function alertLine({ rule, fingerprint, annotations, labels, starts_at: since }: FiringAlert): Content {
  const about = annotations["summary"] ?? annotations["evidence"] ?? annotations["description"];
  const own = Object.entries(labels).filter(([name]) => name !== "alertname" && name !== "rule");
  return html`<li key=${fingerprint}>
    <a href="/alerts?rule=${encodeURIComponent(rule)}"><b>${rule}</b></a>
    <span class="quiet"> since <${Time} at=${since} short /></span>
    ${about && html`<br />${about}`}
    ${own.length > 0 && html`<br /><span class="id">${own.map((pair) => pair.join("=")).join(" ")}</span>`}
  </li>`;
}

const COLUMNS: readonly Column<TypeNow>[] = [
  {
    title: "event type",
    show: ({ event_type: type }) => html`<a href=${tableLink(type)}>${type}</a>`,
  },
  { title: "in /s", isNumber: true, show: ({ rates }) => rate(rates.accepted) },
  { title: "landed /s", isNumber: true, show: ({ rates }) => rate(rates.landed) },
  { title: "landed", isNumber: true, show: ({ landed }) => count(landed) },
  { title: "duplicates", isNumber: true, show: ({ duplicates }) => count(duplicates) },
  {
    title: "dead letters",
    isNumber: true,
    show: ({ dead_letters: dead, event_type: type }) =>
      dead === 0 ? "0" : html`<a href="/dead-letters?type=${encodeURIComponent(type)}">${count(dead)}</a>`,
  },
  { title: "in flight", isNumber: true, show: ({ in_flight: inFlight }) => count(inFlight) },
  { title: "lag", isNumber: true, show: ({ lag_ms: lagMs }) => (lagMs === 0 ? "none" : duration(lagMs)) },
  { title: "last commit", show: ({ committed_at: at }) => html`<${Time} at=${at} short />` },
  {
    title: "",
    show: ({ event_type: type, balanced }) =>
      balanced
        ? html`<a href="/live?type=${encodeURIComponent(type)}">tail</a>`
        : html`<${Badge} tone="bad">books differ<//>`,
  },
];
