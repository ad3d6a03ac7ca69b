/** One event: every fate of its id, in the order in which it was accepted, and its row in the lake. */
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { FateBadge } from "../fate-badge.ts";
import { count } from "../format.ts";
import { html, type Content } from "../html.ts";
import { eventLink, tableLink } from "../links.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { navigate } from "../router.ts";
import { quoteName, quoteText } from "../quote.ts";
import { sql } from "../sql.ts";
import "../event.css";

interface Fate {
  readonly fate: string;
  readonly event_type: string;
  readonly partition: number;
  readonly offset: number;
  readonly ingest_time?: string | null;
  readonly event_time?: string | null;
  readonly late?: boolean;
  readonly version?: number | null;
  readonly committed_at?: string | null;
  readonly watermark?: string | null;
  readonly verdict?: string;
  readonly first_partition?: number | null;
  readonly first_offset?: number | null;
  readonly reason?: string;
  readonly pointer?: string;
  readonly detail?: string;
  readonly dead_letter_id?: string;
  readonly state?: string;
}

interface Fates {
  readonly event_id: string;
  readonly fates: readonly Fate[];
  readonly complete: boolean;
}

/** While it waits it is asked again so often, ms. */
const WAITING_MS = 2_000;

export const Page: PageComponent = ({ params }) => {
  const id = params["id"]!;
  const { value, error, isLoading, asOfMs, reload } = useResource(
    id,
    (signal) => askJson<Fates>(`/v1/events/${encodeURIComponent(id)}`, { signal }),
    WAITING_MS * 5,
  );
  const current = value?.event_id === id ? value : undefined;
  return html`
    <${PageHeader}
      title="Event"
      about=${html`<span class="id">${id}</span>`}
      asOf=${asOfMs}
      isLoading=${isLoading}
    >
      <form class="actions" onSubmit=${search}>
        <label class="field"
          ><span>Another id</span><input data-filter name="id" type="search" required
        /></label>
        <button type="submit">Find</button>
      </form>
    <//>
    ${error !== undefined && html`<${ErrorBox} error=${error} what="Fates" onRetry=${reload} />`}
    ${current ? shown(current) : error === undefined && html`<${Loading} what="its fates" />`}
  `;
};

function search(event: Event): void {
  event.preventDefault();
  const id = new FormData(event.target as HTMLFormElement).get("id");
  if (typeof id === "string" && id.trim() !== "") navigate(eventLink(id.trim()));
}

function shown({ event_id: id, fates, complete }: Fates): Content {
  if (fates.length === 0)
    return html`<${Empty} title="No event with this id" command="npx muara trace ${id}">
      ${
        complete
          ? "It was never accepted, or you may not read its event type."
          : "It is in no table. The log holds more than one look reads: it may still wait there."
      }
    <//>`;
  const sorted = fates.toSorted((a, b) => (a.ingest_time ?? "~").localeCompare(b.ingest_time ?? "~"));
  return html`
    <ol class="fates">
      ${sorted.map((fate) => fateCard(fate))}
    </ol>
    ${!complete && html`<p class="quiet">The log holds more than one look reads; more may wait there.</p>`}
    ${sorted
      .filter(({ fate }) => fate === "landed")
      .slice(0, 1)
      .map((fate) => html`<${Row} id=${id} type=${fate.event_type} />`)}
  `;
}

function fateCard(fate: Fate): Content {
  const type = html`<a href=${tableLink(fate.event_type)}>${fate.event_type}</a>`;
  return html`<li class="card">
    <h2><${FateBadge} fate=${fate.late ? "landed late" : fate.fate} /> ${type}</h2>
    <dl class="facts">
      ${fact("accepted", fate.ingest_time && html`<${Time} at=${fate.ingest_time} /> UTC`)}
      ${fact("happened", fate.event_time && html`<${Time} at=${fate.event_time} /> UTC`)}
      ${fact("place in the log", html`partition ${fate.partition}, offset ${count(fate.offset)}`)}
      ${fact("commit", commitOf(fate))}
      ${fact("late because", fate.late && html`it happened before the watermark <${Time} at=${fate.watermark} />`)}
      ${fact("bytes", fate.verdict && `${fate.verdict} to what landed`)} ${fact("first seen", firstOf(fate))}
      ${fact("reason", fate.reason && html`<code>${fate.reason}</code> <code>${fate.pointer}</code> ${fate.detail}`)}
      ${fact("state", fate.state && html`${fate.state}, <a href=${letterOf(fate)}>dead letter</a>`)}
      ${fact("now", fate.fate === "waiting" && "it is in the log and has not landed yet")}
    </dl>
  </li>`;
}

function fact(name: string, value: Content): Content {
  return value
    ? html`<dt>${name}</dt>
        <dd>${value}</dd>`
    : null;
}

function commitOf({ version, committed_at: at, event_type: type }: Fate): Content {
  if (version === null || version === undefined) return null;
  const history = tableLink(type, "versions");
  return html`<a href=${history}>version ${count(version)}</a>${at && html` at <${Time} at=${at} /> UTC`}`;
}

function firstOf({ first_partition: partition, first_offset: offset }: Fate): Content {
  if (partition === null || partition === undefined) return null;
  return html`partition ${partition}, offset ${count(offset)}`;
}

function letterOf({ event_type: type, dead_letter_id: id }: Fate): string {
  return `/dead-letters?type=${encodeURIComponent(type)}&id=${encodeURIComponent(id ?? "")}`;
}

/** The event as the lake has it, a field in a line. */
function Row({ id, type }: { readonly id: string; readonly type: string }): Content {
  const { value, error, reload } = useResource(`${type}|${id}`, (signal) =>
    sql(`SELECT * FROM ${quoteName(type)} WHERE event_id = ${quoteText(id)} LIMIT 1`, signal, 1),
  );
  const [row] = value?.rows ?? [];
  if (error !== undefined) return html`<${ErrorBox} error=${error} what="Its row" onRetry=${reload} />`;
  if (!value || !row) return null;
  return html`<section class="card" aria-labelledby="row-title">
    <h2 id="row-title">In the lake</h2>
    <dl class="facts">
      ${value.columns.map(({ name }, at) => fact(name, html`<span class="id">${textOf(row[at])}</span>`))}
    </dl>
  </section>`;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : `${value as string | number | boolean}`;
}
