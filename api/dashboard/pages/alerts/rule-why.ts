/** Why an alert is: what its rule asks, and what it saw around that time. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { html, type Content } from "../../html.ts";
import { Chart } from "../../parts/chart.ts";
import type { Series } from "../../parts/chart-props.ts";
import { loaded } from "../../parts/loaded.ts";
import { useResource } from "../../resource.ts";
import { type ChartTold, type Labels, rulePath, type RuleTold } from "./alert-types.ts";

const SPAN_MS = 3_600_000;
const WINDOWS = 120;

interface RuleWhyProps {
  readonly rule: RuleTold;
  readonly labels: Labels;
  /** When it began or was over; null: now. */
  readonly at: string | null;
}

export const RuleWhy: FunctionComponent<RuleWhyProps> = ({ rule, labels, at }) => {
  const query = new URLSearchParams({ labels: JSON.stringify(labels) });
  if (rule.drop) query.set("points", String(WINDOWS));
  else query.set("span_ms", String(SPAN_MS));
  if (at !== null) query.set("until", at);
  const path = rulePath(rule.name, `/chart?${query}`);
  const chart = useResource(path, (signal) => askJson<ChartTold>(path, { signal }));
  return html`
    <p>${asks(rule)}</p>
    ${
      rule.sql
        ? html`<pre tabindex="0">${rule.sql.query}</pre>`
        : html`<pre tabindex="0">${JSON.stringify(rule.drop, null, 2)}</pre>`
    }
    ${loaded({ of: chart, what: "what it saw", show: (told) => drawn(rule, told) })}
  `;
};

function asks({ sql, drop, for_ms: wait }: RuleTold): string {
  const lasting = wait > 0 ? ` for ${wait / 1_000} s` : "";
  if (sql) return `It fires while this query has a row${lasting}; asked after each ${sql.every}.`;
  return `It fires while counts of ${drop?.table ?? "its table"} are too low for the time of the week${lasting}.`;
}

function drawn(rule: RuleTold, { kind, points }: ChartTold): Content {
  if (points.length === 0)
    return html`<p class="quiet">There is nothing to draw: the lake has no rows of that time.</p>`;
  const times = points.map(({ at }) => Date.parse(at) / 1_000);
  const series: Series[] = [
    {
      label: kind === "drop" ? "counted" : "value",
      values: points.map(({ value }) => value),
      kind: kind === "drop" ? "line" : "mark",
      tone: "main",
    },
  ];
  if (kind === "drop")
    series.push(
      { label: "expected", values: points.map(({ expected }) => expected), tone: "calm" },
      { label: "too low below", values: points.map(({ low }) => low), tone: "bad" },
    );
  const said =
    kind === "drop"
      ? `${rule.name}: what was counted by window, what was expected, and below which it is too low`
      : `${rule.name}: what its query gave at ${points.length} moments, asked anew of the lake as it is now`;
  const isSilent = kind === "sql" && points.every(({ value }) => value === null);
  return html`
    <${Chart} label=${said} times=${times} series=${series} height=${190} />
    ${isSilent && html`<p class="quiet">The query has no row of this alert now.</p>`}
  `;
}
