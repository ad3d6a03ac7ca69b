/** For some time nobody is told: which alerts, for how long, and why. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { html } from "../../html.ts";
import { ChangeButton } from "../../parts/change-button.ts";

const HOUR_MS = 3_600_000;
const LENGTHS = [
  [HOUR_MS / 2, "30 minutes"],
  [HOUR_MS, "1 hour"],
  [4 * HOUR_MS, "4 hours"],
  [24 * HOUR_MS, "1 day"],
  [7 * 24 * HOUR_MS, "1 week"],
] as const;

interface SilenceButtonProps {
  readonly matchers: string;
  readonly label: string;
  readonly onChange: () => void;
}

export const SilenceButton: FunctionComponent<SilenceButtonProps> = ({ matchers, label, onChange }) => {
  const run = (fields: FormData): Promise<unknown> =>
    askJson("/v1/silences", {
      method: "POST",
      body: {
        matchers: fields.get("matchers"),
        for_ms: Number(fields.get("for_ms")),
        comment: fields.get("comment"),
      },
    }).then(onChange);
  return html`<${ChangeButton}
    label=${label}
    title="Tell nobody for some time?"
    about="Alerts go on being found and shown. When the silence is over and they still fire, receivers are told then."
    yes="Silence"
    run=${run}
  >
    <label class="field">
      Alerts with these labels
      <input name="matchers" value=${matchers} required spellcheck=${false} />
    </label>
    <label class="field">
      For
      <select name="for_ms">
        ${LENGTHS.map(([ms, title]) => html`<option value=${ms} selected=${ms === HOUR_MS}>${title}</option>`)}
      </select>
    </label>
    <label class="field">
      Why
      <input name="comment" required maxlength="1000" />
    </label>
  <//>`;
};
