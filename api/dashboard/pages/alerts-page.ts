/** Alerts: what fires, what may soon, what nobody is told of, what cannot be said; why, and what was before. */
import type { FunctionComponent } from "preact";
import { ApiError, askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { count } from "../format.ts";
import { html, type Content } from "../html.ts";
import { FilterField } from "../parts/filter-field.ts";
import { loaded } from "../parts/loaded.ts";
import { PageHeader } from "../parts/page-header.ts";
import { StatTile } from "../parts/stat-tile.ts";
import { StateBadge } from "../parts/states.ts";
import { Tabs } from "../parts/tabs.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { filterOf } from "../router.ts";
import "../style/business.css";
import { AlertCard } from "./alerts/alert-card.ts";
import { AlertHistory } from "./alerts/alert-history.ts";
import type { AlertTold, RuleTold, SilenceTold } from "./alerts/alert-types.ts";
import { NoRule, RuleFilter, RulesList } from "./alerts/rules-list.ts";
import { SilencesList } from "./alerts/silences-list.ts";

const EVERY_MS = 3_000;
const ORDER = { firing: 0, pending: 1, resolved: 2 } as const;

interface Told {
  readonly alerts: readonly AlertTold[];
  readonly rules: readonly RuleTold[];
  /** null: the token may not see them. */
  readonly silences: readonly SilenceTold[] | null;
}

export const Page: PageComponent = () => {
  const told = useResource("alerts", read, EVERY_MS);
  return html`
    <${PageHeader}
      title="Alerts"
      about="Rules over the lake, and what holds now."
      asOf=${told.asOfMs}
      completeThrough=${told.value ? lowest(told.value.rules) : null}
      isLoading=${told.isLoading}
    />
    ${loaded({ of: told, what: "alerts", show: (value) => html`<${Parts} told=${value} onChange=${told.reload} />` })}
  `;
};

async function read(signal: AbortSignal): Promise<Told> {
  const items = async <T>(path: string): Promise<readonly T[]> =>
    (await askJson<{ items: readonly T[] }>(path, { signal })).items;
  const silences = items<SilenceTold>("/v1/silences").catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 403) return null;
    throw error;
  });
  const [alerts, rules] = await Promise.all([items<AlertTold>("/v1/alerts"), items<RuleTold>("/v1/rules")]);
  return { alerts, rules, silences: await silences };
}

/** Below it, every rule has seen everything. */
function lowest(rules: readonly RuleTold[]): string | null {
  const times = rules.flatMap((rule) => (rule.state === "paused" ? [] : [rule.complete_through]));
  return times.includes(null) ? null : ((times as string[]).toSorted()[0] ?? null);
}

interface PartsProps {
  readonly told: Told;
  readonly onChange: () => void;
}

const Parts: FunctionComponent<PartsProps> = ({ told, onChange }) => {
  const { alerts, rules, silences } = told;
  const live = alerts.filter(({ state }) => state !== "resolved");
  const active = silences?.filter(({ state }) => state === "active") ?? [];
  const tabs = [
    {
      id: "now",
      title: "Now",
      count: count(live.length),
      show: () => html`<${Current} told=${told} onChange=${onChange} />`,
    },
    {
      id: "rules",
      title: "Rules",
      count: count(rules.length),
      show: () => html`<${RulesList} rules=${rules} onChange=${onChange} />`,
    },
    {
      id: "silences",
      title: "Silences",
      count: count(active.length),
      show: () =>
        silences === null
          ? html`<p>
              This token may not see silences: it takes <code>read</code> on <code>system:alerts</code>.
            </p>`
          : html`<${SilencesList} silences=${silences} onChange=${onChange} />`,
    },
    { id: "history", title: "History", show: () => html`<${AlertHistory} />` },
  ];
  return html`<${Tabs} label="Parts of alerts" tabs=${tabs} />`;
};

const Current: FunctionComponent<PartsProps> = ({ told, onChange }) => {
  const { alerts, rules } = told;
  if (rules.length === 0) return html`<${NoRule} />`;
  const [text, state, wanted] = [filterOf("q").toLowerCase(), filterOf("state"), filterOf("rule")];
  const shown = alerts
    .filter((alert) => hasState(alert, state) && textOf(alert).includes(text))
    .filter(({ rule }) => wanted === "" || rule === wanted)
    .toSorted(
      (a, b) => ORDER[a.state] - ORDER[b.state] || (b.starts_at ?? "").localeCompare(a.starts_at ?? ""),
    );
  const silent = rules.filter((rule) => rule.state === "no_data" || rule.state === "failing");
  return html`
    ${tiles(told)} ${silent.length > 0 && speechless(silent)}
    <div class="actions spaced">
      <${FilterField} name="q" label="Name, label or text" isFirst />
      <${FilterField}
        name="state"
        label="State"
        options=${[["", "any"], ...["firing", "pending", "silenced", "resolved"].map((one) => [one, one])]}
      />
      <${RuleFilter} rules=${rules} />
    </div>
    ${shown.length === 0 && html`<p>${noneText(told)}</p>`}
    ${shown.map(
      (alert) =>
        html`<${AlertCard}
          key=${`${alert.rule} ${alert.fingerprint} ${alert.starts_at}`}
          alert=${alert}
          rule=${rules.find(({ name }) => name === alert.rule)}
          onChange=${onChange}
        />`,
    )}
  `;
};

function noneText({ alerts, rules }: Told): string {
  return alerts.length === 0 ? `Nothing fires: ${count(rules.length)} rules hold.` : "No alert is like that.";
}

function hasState({ state, silenced_by: by }: AlertTold, wanted: string): boolean {
  if (wanted === "") return true;
  return wanted === "silenced" ? by.length > 0 && state !== "resolved" : state === wanted && by.length === 0;
}

function textOf({ labels, annotations, rule }: AlertTold): string {
  return [rule, ...Object.entries(labels).flat(), ...Object.values(annotations)].join(" ").toLowerCase();
}

function tiles({ alerts, rules }: Told): Content {
  const of = (wanted: string): number => alerts.filter((alert) => hasState(alert, wanted)).length;
  const noData = rules.filter(({ state }) => state === "no_data").length;
  const failing = rules.filter(({ state }) => state === "failing").length;
  return html`<div class="tiles">
    <${StatTile} label="Firing" value=${count(of("firing"))} tone=${of("firing") > 0 ? "bad" : undefined} />
    <${StatTile}
      label="Pending"
      value=${count(of("pending"))}
      tone=${of("pending") > 0 ? "warn" : undefined}
    />
    <${StatTile} label="Silenced" value=${count(of("silenced"))} />
    <${StatTile} label="Without data" value=${count(noData)} tone=${noData > 0 ? "warn" : undefined} />
    <${StatTile} label="Rules that fail" value=${count(failing)} tone=${failing > 0 ? "bad" : undefined} />
  </div>`;
}

function speechless(rules: readonly RuleTold[]): Content {
  return html`<section class="card alert" data-tone="warn">
    <h2>Nothing can be said of these</h2>
    <ul>
      ${rules.map(
        ({ name, state, problem, complete_through: through }) =>
          html`<li>
            ${name}
            <${StateBadge} state=${state} />
            ${problem ?? html`complete through <${Time} at=${through} /> UTC only`}
          </li>`,
      )}
    </ul>
  </section>`;
}
