/** All rules: how each is, when it was asked last, a test of it, and the way to let it rest. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count, duration, msOf } from "../../format.ts";
import { html } from "../../html.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { Empty } from "../../parts/empty.ts";
import { anyOf, FilterField } from "../../parts/filter-field.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { filterOf } from "../../router.ts";
import { rulePath, type RuleTold } from "./alert-types.ts";
import { RuleWhy } from "./rule-why.ts";

interface RulesListProps {
  readonly rules: readonly RuleTold[];
  readonly onChange: () => void;
}

/** Which rule is shown, with what comes of it. */
export const RuleFilter: FunctionComponent<Pick<RulesListProps, "rules">> = ({ rules }) => {
  const options = anyOf(
    "rule",
    rules.map(({ name }) => name),
  );
  return html`<${FilterField} name="rule" label="Rule" options=${options} />`;
};

export const NoRule: FunctionComponent = () => html`
  <${Empty} title="No rule watches yet" command="npx muara rule deploy FILE">
    A rule is a SELECT whose rows are alerts, or a table whose counts must not drop.
  <//>
`;

export const RulesList: FunctionComponent<RulesListProps> = ({ rules, onChange }) => {
  if (rules.length === 0) return html`<${NoRule} />`;
  const wanted = filterOf("rule");
  const shown = rules.filter(({ name }) => wanted === "" || name === wanted);
  return html`
    <div class="actions spaced"><${RuleFilter} rules=${rules} /></div>
    ${shown.length === 0 && html`<p>No rule has this name.</p>`}
    ${shown.map((rule) => html`<${RuleCard} key=${rule.name} rule=${rule} onChange=${onChange} />`)}
  `;
};

interface RuleCardProps {
  readonly rule: RuleTold;
  readonly onChange: () => void;
}

const RuleCard: FunctionComponent<RuleCardProps> = ({ rule, onChange }) => {
  const tested = useSignal(0);
  const { name, state, problem } = rule;
  const isPaused = state === "paused";
  const verb = isPaused ? "resume" : "pause";
  const change = (): Promise<unknown> =>
    askJson(rulePath(name, `/${verb}`), { method: "POST" }).then(onChange);
  return html`<article class="card">
    <h2>${name} <${StateBadge} state=${state} /></h2>
    ${rule.description && html`<p>${rule.description}</p>`} ${problem !== null && html`<p>${problem}</p>`}
    ${
      state === "no_data" &&
      html`<p>
        Nothing can be said: its tables are complete through <${Time} at=${rule.complete_through} /> UTC only.
      </p>`
    }
    <dl class="facts">
      <dt>Alerts</dt>
      <dd>${count(rule.firing)} firing, ${count(rule.pending)} pending</dd>
      ${
        rule.series !== null &&
        html`<dt>Series</dt>
          <dd>
            ${count(rule.series)}, ${count(rule.warming_series)} with fewer than three weeks behind them
          </dd>`
      }
      <dt>Asked last</dt>
      <dd>
        <${Time} at=${rule.evaluated_at} /> UTC, of tables complete through
        <${Time} at=${rule.complete_through} />
        ${" "}${behind(rule)}
      </dd>
      <dt>Fires</dt>
      <dd>
        ${rule.for_ms === 0 ? "at once" : `after ${duration(rule.for_ms)}`}; without data: ${rule.no_data}
      </dd>
      <dt>Tells</dt>
      <dd>${rule.receivers.join(", ") || "nobody"}</dd>
      <dt>Declared by</dt>
      <dd class="id">${rule.by}</dd>
    </dl>
    <div class="actions">
      <button type="button" onClick=${() => tested.value++}>Test now</button>
      <${ChangeButton}
        key=${verb}
        label=${isPaused ? "Resume …" : "Pause …"}
        title=${isPaused ? `Let ${name} watch again?` : `Pause ${name}?`}
        about=${
          isPaused
            ? "It is asked again at once."
            : "It is not asked until it is resumed; alerts that fire stay as they are."
        }
        yes=${isPaused ? "Resume" : "Pause"}
        run=${change}
      />
    </div>
    ${tested.value > 0 && html`<${RuleWhy} key=${tested.value} rule=${rule} labels=${{}} at=${null} />`}
  </article>`;
};

function behind({ evaluated_at: evaluated, complete_through: complete }: RuleTold): string {
  const [at, through] = [msOf(evaluated), msOf(complete)];
  return at === undefined || through === undefined ? "" : `(${duration(at - through)} behind)`;
}
