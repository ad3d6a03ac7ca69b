/** How many events of a type happened per window, beside what the days before had at the same time. */
import type { FunctionComponent } from "preact";
import { systemClock } from "../../../core/clock.ts";
import { count, msOf } from "../format.ts";
import { html } from "../html.ts";
import { Chart } from "../parts/chart.ts";
import type { Series } from "../parts/chart-props.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { quoteName } from "../quote.ts";
import { sql } from "../sql.ts";

const EVERY_MS = 10_000;
const DAY_SECONDS = 86_400;
/** Days before that make the band. */
const DAYS = 7;
/** After this, events of a window that has closed are there, or are missing. */
const SETTLED_SECONDS = 60;
/** hours → seconds of a window */
const WINDOWS: Readonly<Record<string, number>> = { "1": 60, "6": 300, "24": 900 };

interface Velocity {
  readonly times: readonly number[];
  readonly counts: readonly number[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly days: number;
}

interface VelocityProps {
  readonly types: readonly string[];
  /** The one shown unless another is asked for. */
  readonly most: string;
}

export const VelocityCard: FunctionComponent<VelocityProps> = ({ types, most }) => {
  const type = types.includes(filterOf("type")) ? filterOf("type") : most;
  const hours = filterOf("hours") in WINDOWS ? filterOf("hours") : "6";
  const { value, error, reload } = useResource(
    `${type}|${hours}`,
    (signal) => velocityOf(type, Number(hours), signal),
    EVERY_MS,
  );
  return html`
    <section class="card velocity" aria-labelledby="velocity-title">
      <div class="card-head">
        <h2 id="velocity-title">Velocity</h2>
        <div class="actions">
          <label class="field">
            <span>Event type</span>
            <select
              data-filter
              value=${type}
              onChange=${(event: Event) => setFilters({ type: valueOf(event) })}
            >
              ${types.map((name) => html`<option value=${name} selected=${name === type}>${name}</option>`)}
            </select>
          </label>
          <label class="field">
            <span>Last</span>
            <select value=${hours} onChange=${(event: Event) => setFilters({ hours: valueOf(event) })}>
              ${Object.keys(WINDOWS).map(
                (one) => html`<option value=${one} selected=${one === hours}>${one} h</option>`,
              )}
            </select>
          </label>
        </div>
      </div>
      ${error !== undefined && html`<${ErrorBox} error=${error} what="Velocity" onRetry=${reload} />`}
      ${value ? shown(type, hours, value) : error === undefined && html`<${Loading} what="velocity" />`}
    </section>
  `;
};

function shown(type: string, hours: string, velocity: Velocity): unknown {
  if (velocity.counts.every((one) => one === 0))
    return html`<${Empty}
      title="No ${type} happened in the last ${hours} h"
      command="npx muara send ${type} -"
    />`;
  const seconds = WINDOWS[hours]!;
  const window = seconds < 120 ? "minute" : `${seconds / 60} minutes`;
  const hasBand = velocity.days > 0;
  const series: Series[] = [{ label: `events per ${window}`, values: velocity.counts, kind: "area" }];
  if (velocity.days === 1) series.push({ label: "a day before", values: velocity.low, kind: "band-low" });
  else if (hasBand)
    series.push(
      { label: "expected, at least", values: velocity.low, kind: "band-low" },
      { label: "expected, at most", values: velocity.high, kind: "band-high" },
    );
  const label = `${type} per ${window} over the last ${hours} hours, the latest ${count(velocity.counts.at(-1))}`;
  return html`
    <${Chart} label=${label} times=${velocity.times} series=${series} format=${count} height=${230} />
    <p class="quiet">
      ${
        hasBand
          ? velocity.days === 1
            ? "Dashed: the same time of the day before."
            : `The band: the least and the most at the same time of the last ${velocity.days} days.`
          : "What is expected appears once a day before is known."
      }
    </p>
  `;
}

async function velocityOf(type: string, hours: number, signal: AbortSignal): Promise<Velocity> {
  const seconds = WINDOWS[String(hours)]!;
  const now = systemClock.nowMs() / 1_000;
  const closed = Math.floor(now / seconds) * seconds;
  const from = new Date((closed - seconds - hours * 3_600 - DAYS * DAY_SECONDS) * 1_000).toISOString();
  const text = `SELECT CAST(floor(epoch(event_time) / ${seconds}) AS BIGINT) * ${seconds} AS at, count(*)
    FROM ${quoteName(type)} WHERE event_time >= TIMESTAMPTZ '${from}' GROUP BY 1`;
  const { rows, complete_through: through } = await sql(text, signal, 20_000);
  // A window that is open, or has only just closed, would always look like a drop.
  const isComplete = now - closed >= SETTLED_SECONDS || (msOf(through) ?? 0) / 1_000 >= closed;
  const end = isComplete ? closed : closed - seconds;
  const start = end - hours * 3_600;
  const counts = new Map(rows.map(([at, events]) => [Number(at), Number(events)]));
  const times = Array.from({ length: (end - start) / seconds }, (_, at) => start + at * seconds);
  const days = Array.from({ length: DAYS }, (_, day) => (day + 1) * DAY_SECONDS).filter(
    (back) => times.filter((time) => counts.has(time - back)).length > times.length / 3,
  );
  const band = (pick: (...values: number[]) => number): (number | null)[] =>
    times.map((time) =>
      days.length === 0 ? null : pick(...days.map((back) => counts.get(time - back) ?? 0)),
    );
  return {
    times,
    counts: times.map((time) => counts.get(time) ?? 0),
    low: band(Math.min),
    high: band(Math.max),
    days: days.length,
  };
}

function valueOf(event: Event): string {
  return (event.target as HTMLSelectElement).value;
}
