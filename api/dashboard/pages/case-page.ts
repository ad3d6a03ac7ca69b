/** One case as a line of events by time, late and repeated ones among them, and how its deadlines stand. */
import { ApiError, askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { count, duration, msOf } from "../format.ts";
import { html, type Content } from "../html.ts";
import { eventLink } from "../links.ts";
import { DataTable } from "../parts/data-table.ts";
import { Empty } from "../parts/empty.ts";
import { loaded } from "../parts/loaded.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StateBadge } from "../parts/states.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf } from "../router.ts";
import "../style/business.css";
import { casePath } from "./process/process-types.ts";

const EVERY_MS = 5_000;

interface CaseEvent {
  readonly activity: string;
  readonly event_type: string;
  readonly event_id: string;
  readonly event_time: string | null;
  readonly ingest_time: string;
  readonly partition: number;
  readonly offset: number;
  readonly fate: "landed" | "late" | "duplicate";
  readonly verdict?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

interface CaseDeadline {
  readonly rule: string;
  readonly kind: string;
  readonly state: string;
  readonly started_at: string;
  readonly due_at: string;
  readonly at: string | null;
  readonly resolved_at: string | null;
  readonly is_counted: boolean;
  readonly got?: number;
  readonly needed?: number | null;
}

interface CaseTold {
  readonly process: string;
  readonly case_id: string;
  readonly complete_through: string | null;
  readonly events: readonly CaseEvent[];
  readonly is_truncated: boolean;
  readonly deadlines: readonly CaseDeadline[];
  readonly related: readonly { readonly case_id: string; readonly events: readonly string[] }[];
}

export const Page: PageComponent = ({ params }) => {
  const id = params["id"]!;
  const process = filterOf("process");
  const path = `/v1/cases/${encodeURIComponent(id)}${process === "" ? "" : `?process=${encodeURIComponent(process)}`}`;
  const told = useResource(path, (signal) => askJson<CaseTold>(path, { signal }), EVERY_MS);
  const { value, error } = told;
  const isGone = error instanceof ApiError && /^(case|process)\.not_found$/.test(error.code);
  return html`
    <${PageHeader}
      title=${`Case ${id}`}
      about=${value && html`of <a href="/process?process=${encodeURIComponent(value.process)}">${value.process}</a>`}
      asOf=${told.asOfMs}
      completeThrough=${value?.complete_through ?? null}
      isLoading=${told.isLoading}
    />
    ${
      isGone
        ? html`<${Empty}
            title="No event names this case"
            command=${`npx muara case show ${id} --process ${process || "NAME"}`}
          >
            ${error.message}
          <//>`
        : loaded({ of: told, what: "case", show: (found) => shown(found) })
    }
  `;
};

function shown(told: CaseTold): Content {
  const { events, deadlines, related, process } = told;
  return html`
    ${
      deadlines.length > 0 &&
      html`<section class="card">
        <h2>Deadlines</h2>
        ${deadlinesShown(deadlines)}
      </section>`
    }
    <section class="card">
      <h2>${count(events.length)} events${told.is_truncated ? ", the first of them" : ""}</h2>
      <ol class="timeline">
        ${events.map((event, i) => eventShown(event, events[i - 1]))}
      </ol>
    </section>
    ${
      related.length > 0 &&
      html`<section class="card">
        <h2>Cases that share events with it</h2>
        <ul>
          ${related.map(
            (one) =>
              html`<li>
                <a href=${casePath(process, one.case_id)}>${one.case_id}</a> ${" "}<span class="quiet"
                  >${count(one.events.length)} ${one.events.length === 1 ? "event" : "events"}</span
                >
              </li>`,
          )}
        </ul>
      </section>`
    }
  `;
}

function deadlinesShown(deadlines: readonly CaseDeadline[]): Content {
  return DataTable<CaseDeadline>({
    label: "Deadlines of the case",
    rows: deadlines,
    keyOf: (one) => `${one.rule} ${one.started_at}`,
    columns: [
      { title: "rule", show: ({ rule }) => rule },
      {
        title: "state",
        show: (one) =>
          html`<${StateBadge} state=${one.state} />
            ${one.is_counted ? "" : html`<span class="quiet">not counted: it came when all was over</span>`}`,
      },
      {
        title: "parts",
        isNumber: true,
        show: ({ got, needed }) =>
          needed === undefined || needed === null ? "" : `${count(got)} of ${count(needed)}`,
      },
      { title: "began, UTC", show: (one) => html`<${Time} at=${one.started_at} />` },
      { title: "due, UTC", show: (one) => html`<${Time} at=${one.due_at} />` },
      {
        title: "came, UTC",
        show: (one) => html`<${Time} at=${one.resolved_at ?? (one.state === "open" ? null : one.at)} />`,
      },
    ],
  });
}

function eventShown(event: CaseEvent, before: CaseEvent | undefined): Content {
  const { activity, fate, event_id: id, event_type: type, fields } = event;
  const [at, last] = [msOf(event.event_time), msOf(before?.event_time)];
  const since = at !== undefined && last !== undefined ? `${duration(at - last)} after the one before` : "";
  const known = Object.entries(fields ?? {}).filter(([, value]) => value !== null);
  return html`<li data-fate=${fate} key=${`${type} ${event.partition} ${event.offset} ${activity}`}>
    <h3>${activity}</h3>
    <${StateBadge} state=${fate} />
    <p>
      ${event.event_time ? "" : "accepted "}<${Time} at=${event.event_time ?? event.ingest_time} /> UTC
      ${" "}<span class="quiet">${since}</span>
    </p>
    ${known.length > 0 && html`<p class="labels">${known.map(fieldShown)}</p>`} ${fateText(event)}
    <p class="quiet">
      ${type} · <a href=${eventLink(id)} class="id">${id}</a> · partition ${event.partition}, offset
      ${event.offset}
    </p>
  </li>`;
}

function fieldShown([name, value]: [string, unknown]): Content {
  return html`<code>${name}: ${typeof value === "string" ? value : JSON.stringify(value)}</code>`;
}

function fateText({ fate, verdict, ingest_time: accepted }: CaseEvent): Content {
  if (fate === "late")
    return html`<p>It came when the watermark had passed its time, at <${Time} at=${accepted} /> UTC.</p>`;
  if (fate !== "duplicate") return null;
  const how = verdict === "identical" ? "the same bytes" : `bytes ${verdict ?? "not compared"}`;
  return html`<p>It came again, with ${how}; it counts once.</p>`;
}
