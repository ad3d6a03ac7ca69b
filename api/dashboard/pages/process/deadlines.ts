/** How the deadlines and completions of all cases stand: counts, ages, burn-down, and the cases behind them. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count, duration } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { Bars } from "../../parts/bars.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { useResource } from "../../resource.ts";
import { filterOf, setFilters } from "../../router.ts";
import { DueChart, WORDS } from "./due-chart.ts";
import {
  casePath,
  type DeadlineCase,
  type DeadlinesTold,
  type DeadlineTold,
  OUTCOMES,
  type Outcome,
  processPath,
} from "./process-types.ts";

const EVERY_MS = 10_000;

interface DeadlinesProps {
  readonly name: string;
  readonly bounds: string;
}

export const Deadlines: FunctionComponent<DeadlinesProps> = ({ name, bounds }) => {
  const told = useResource(
    `deadlines ${name} ${bounds}`,
    (signal) => askJson<DeadlinesTold>(processPath(name, "/deadlines", bounds), { signal }),
    EVERY_MS,
  );
  return loaded({
    of: told,
    what: "deadlines",
    show: ({ items }) =>
      items.length === 0
        ? html`<${Empty} title="This process has no deadline and no completion">
            They stand in its file, under <code>deadlines</code> and <code>completions</code>.
          <//>`
        : items.map((one) => html`<${Deadline} key=${one.rule} of=${one} name=${name} bounds=${bounds} />`),
  }) as ReturnType<FunctionComponent>;
};

interface DeadlineProps extends DeadlinesProps {
  readonly of: DeadlineTold;
}

const Deadline: FunctionComponent<DeadlineProps> = ({ of, name, bounds }) => {
  const { rule, kind, within_ms: within, states, ageing } = of;
  const chosen = filterOf("rule") === rule ? (filterOf("state") as Outcome | "") : "";
  const oldest = Math.max(1, ...ageing.map(({ cases }) => cases));
  return html`
    <section class="card">
      <h2>${rule} <span class="quiet">${kind}, within ${duration(within)}</span></h2>
      <div class="actions spaced" role="group" aria-label=${`Cases of ${rule} by state`}>
        ${OUTCOMES.map(
          (one) =>
            html`<button
              type="button"
              aria-pressed=${chosen === one}
              onClick=${() => setFilters(chosen === one ? { rule: "", state: "" } : { rule, state: one })}
            >
              ${count(states[one])} ${WORDS[one]}
            </button>`,
        )}
      </div>
      ${chosen !== "" && html`<${Cases} name=${name} rule=${rule} state=${chosen} bounds=${bounds} />`}
      <h3>By when they are due</h3>
      <${DueChart} deadline=${of} />
      <h3>How old those are that are open</h3>
      <${Bars}
        items=${ageing.map(({ from_ms: from, until_ms: until, cases }, i) => ({
          name: until === null ? `over ${duration(from)}` : `${duration(from)} to ${duration(until)}`,
          share: cases / oldest,
          figure: count(cases),
          tone:
            i >= ageing.length - 2
              ? ("bad" as const)
              : i >= ageing.length - 4
                ? ("warn" as const)
                : undefined,
        }))}
      />
    </section>
  `;
};

interface CasesProps extends DeadlinesProps {
  readonly rule: string;
  readonly state: Outcome;
}

const Cases: FunctionComponent<CasesProps> = ({ name, rule, state, bounds }) => {
  const query = `state=${state}${bounds === "" ? "" : `&${bounds}`}`;
  const found = useResource(`cases ${name} ${rule} ${query}`, (signal) =>
    askJson<{ items: DeadlineCase[]; is_truncated: boolean }>(
      processPath(name, `/deadlines/${encodeURIComponent(rule)}`, query),
      { signal },
    ),
  );
  return html`<div class="spaced">
    ${loaded({ of: found, what: "cases", show: (told) => casesShown(name, told) })}
  </div>`;
};

function casesShown(
  name: string,
  { items, is_truncated: isCut }: { readonly items: readonly DeadlineCase[]; readonly is_truncated: boolean },
): Content {
  if (items.length === 0) return html`<p class="quiet">No case is like that.</p>`;
  return html`
    ${DataTable<DeadlineCase>({
      label: "Cases, what is due first comes first",
      rows: items,
      keyOf: ({ case_id: id, event_id: event }) => `${id} ${event}`,
      columns: [
        { title: "case", show: ({ case_id: id }) => html`<a href=${casePath(name, id)}>${id}</a>` },
        { title: "state", show: ({ state }) => html`<${StateBadge} state=${state} />` },
        { title: "began, UTC", show: (one) => html`<${Time} at=${one.started_at} />` },
        { title: "due, UTC", show: (one) => html`<${Time} at=${one.due_at} />` },
        { title: "came, UTC", show: (one) => html`<${Time} at=${one.resolved_at ?? one.at} />` },
        {
          title: "parts",
          isNumber: true,
          show: ({ got, needed }) => (needed === null ? "" : `${count(got)} of ${count(needed)}`),
        },
      ],
    })}
    ${isCut && html`<p class="quiet">The first ${count(items.length)}; there are more.</p>`}
  `;
}
