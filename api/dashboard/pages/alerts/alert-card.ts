/** One alert: what it is about, since when, who is told, why, and the way to silence it. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { html } from "../../html.ts";
import type { Tone } from "../../parts/badge.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { type AlertTold, matchersOf, type RuleTold } from "./alert-types.ts";
import { RuleWhy } from "./rule-why.ts";
import { SilenceButton } from "./silence-button.ts";

const TONES: Readonly<Record<AlertTold["state"], Tone>> = {
  firing: "bad",
  pending: "warn",
  resolved: "calm",
};
const OWN_LABELS = new Set(["alertname"]);

interface AlertCardProps {
  readonly alert: AlertTold;
  readonly rule: RuleTold | undefined;
  readonly onChange: () => void;
}

export const AlertCard: FunctionComponent<AlertCardProps> = ({ alert, rule, onChange }) => {
  const isOpen = useSignal(false);
  const { state, labels, annotations, value, silenced_by: silencedBy, receivers } = alert;
  const isSilenced = silencedBy.length > 0;
  const name = labels["alertname"] ?? alert.rule;
  const texts = Object.entries(annotations);
  return html`<article class="card alert" data-tone=${isSilenced ? "calm" : TONES[state]}>
    <h2>
      ${name} <${StateBadge} state=${state} /> ${isSilenced && html`<${StateBadge} state="silenced" />`}
    </h2>
    ${texts.map(([key, text]) => html`<p key=${key}>${text}</p>`)}
    <p class="labels">
      ${Object.entries(labels)
        .filter(([key]) => !OWN_LABELS.has(key))
        .map(([key, text]) => html`<code>${key}="${text}"</code>`)}
      <code>value ${value}</code>
    </p>
    <p class="quiet">
      ${state === "resolved" ? html`over since <${Time} at=${alert.ends_at} /> UTC, ` : ""}
      ${alert.starts_at ? "firing from" : "seen since"} ${" "}<${Time}
        at=${alert.starts_at ?? alert.active_at}
      />
      UTC ${" · "}${receivers.length === 0 ? "nobody is told" : `told: ${receivers.join(", ")}`}
    </p>
    ${
      rule &&
      html`<details onToggle=${(event: Event) => (isOpen.value = (event.target as HTMLDetailsElement).open)}>
        <summary>Why</summary>
        ${isOpen.value && html`<${RuleWhy} rule=${rule} labels=${labels} at=${alert.ends_at ?? alert.starts_at} />`}
      </details>`
    }
    ${
      state !== "resolved" &&
      !isSilenced &&
      html`<div class="actions">
        <${SilenceButton} matchers=${matchersOf(labels)} label="Silence …" onChange=${onChange} />
      </div>`
    }
  </article>`;
};
