/**
 * Replays the open dead letters of a group: a correction for all, first without sending anything, then, with the
 * counts of that in sight, in earnest. It can be stopped between pages; what was replayed by then stays so.
 */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { count } from "../format.ts";
import { html } from "../html.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { filterOf } from "../router.ts";
import type { LetterGroup, ReplayFilter } from "./letter-answer.ts";
import { OutcomeWord, type Outcome } from "./outcome-word.ts";
import { NOTHING_REPLAYED, replayAll, type Correction, type ReplaySum } from "./replay-call.ts";

interface ReplayGroupProps {
  /** As it was when it was opened: its last letter may be gone from the page before this is closed. */
  readonly group: LetterGroup;
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

type Step = "asking" | "trying" | "tried" | "sending" | "sent";

export const ReplayGroup: FunctionComponent<ReplayGroupProps> = ({ group, onChanged, onClose }) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const step = useSignal<Step>("asking");
  const sum = useSignal<ReplaySum>(NOTHING_REPLAYED);
  const failure = useSignal<unknown>(undefined);
  const pointer = useSignal(group.sample.pointer ?? "");
  const value = useSignal("");
  const working = useRef<AbortController | undefined>(undefined);
  useEffect(() => {
    dialog.current?.showModal();
    return () => working.current?.abort();
  }, []);
  const run = async (isDryRun: boolean): Promise<void> => {
    const abort = new AbortController();
    working.current = abort;
    step.value = isDryRun ? "trying" : "sending";
    [sum.value, failure.value] = [NOTHING_REPLAYED, undefined];
    const correction = correctionOf(pointer.value, value.value);
    try {
      await replayAll(filterFor(group), correction, isDryRun, (so) => (sum.value = so), abort.signal);
      step.value = isDryRun ? "tried" : "sent";
    } catch (error) {
      if (!abort.signal.aborted) failure.value = error;
      step.value = isDryRun ? "asking" : "sent";
    }
    if (!isDryRun) onChanged();
  };
  const change = (): void => void (step.value = "asking");
  const landing = (sum.value.counts.would_land ?? 0) + (sum.value.counts.would_be_duplicate ?? 0);
  const isBusy = step.value === "trying" || step.value === "sending";
  return html`
    <dialog ref=${dialog} class="replay" aria-labelledby="replay-title" onClose=${onClose}>
      <h2 id="replay-title">Replay ${count(group.open)} open of ${group.event_type}</h2>
      <p><code>${group.reason}</code>${group.sample.detail && html`: ${group.sample.detail}`}</p>
      <fieldset disabled=${isBusy || step.value === "sent"}>
        <legend>A correction for all of them, if there is one</legend>
        <${Fields} pointer=${pointer} value=${value} onChange=${change} />
      </fieldset>
      <div aria-live="polite">
        ${failure.value !== undefined && html`<${ErrorBox} error=${failure.value} />`}
        ${step.value !== "asking" && html`<${Sum} sum=${sum.value} step=${step.value} />`}
      </div>
      <div class="actions">
        <${Buttons}
          step=${step.value}
          landing=${landing}
          onRun=${(isDryRun: boolean) => void run(isDryRun)}
          onStop=${() => working.current?.abort()}
          onClose=${onClose}
        />
      </div>
    </dialog>
  `;
};

interface ButtonsProps {
  readonly step: Step;
  /** How many would. */
  readonly landing: number;
  readonly onRun: (isDryRun: boolean) => void;
  readonly onStop: () => void;
  readonly onClose: () => void;
}

const Buttons: FunctionComponent<ButtonsProps> = ({ step, landing, onRun, onStop, onClose }) => html`
  ${
    step !== "sent" &&
    html`<button
      type="button"
      class=${step === "tried" ? "" : "primary"}
      disabled=${step === "trying" || step === "sending"}
      onClick=${() => onRun(true)}
    >
      Try it
    </button>`
  }
  ${
    step === "tried" &&
    html`<button type="button" class="primary" disabled=${landing === 0} onClick=${() => onRun(false)}>
      Replay ${count(landing)}
    </button>`
  }
  ${step === "sending" && html`<button type="button" onClick=${onStop}>Stop</button>`}
  <button type="button" onClick=${onClose}>${step === "sent" ? "Close" : "Cancel"}</button>
`;

/** What the page's own filter leaves of the group. */
function filterFor({ event_type, reason }: LetterGroup): ReplayFilter {
  const [since, until] = [filterOf("since"), filterOf("until")];
  return {
    event_type,
    reason,
    ...(since === "" ? {} : { since }),
    ...(until === "" ? {} : { until }),
  };
}

/** The word `remove` takes the place out; without a place or a value nothing is corrected. */
export function correctionOf(pointer: string, value: string): Correction {
  if (pointer.trim() === "" || value.trim() === "") return {};
  if (value.trim() === REMOVE) return { correction: { remove: [pointer.trim()] } };
  return { correction: { set: { [pointer.trim()]: value } } };
}

const REMOVE = "remove";

interface FieldsProps {
  readonly pointer: { value: string };
  readonly value: { value: string };
  readonly onChange: () => void;
}

const Fields: FunctionComponent<FieldsProps> = ({ pointer, value, onChange }) => {
  const type = (to: { value: string }, event: InputEvent): void => {
    to.value = (event.target as HTMLInputElement).value;
    onChange();
  };
  return html`
    <div class="replay-fields">
      <div class="field">
        <label for="replay-pointer">Place (JSON pointer)</label>
        <input
          id="replay-pointer"
          value=${pointer.value}
          placeholder="/total"
          onInput=${(event: InputEvent) => type(pointer, event)}
        />
      </div>
      <div class="field">
        <label for="replay-value">Value as JSON, or <code>${REMOVE}</code></label>
        <input
          id="replay-value"
          value=${value.value}
          placeholder="as it is"
          onInput=${(event: InputEvent) => type(value, event)}
        />
      </div>
    </div>
  `;
};

const Sum: FunctionComponent<{ readonly sum: ReplaySum; readonly step: Step }> = ({ sum, step }) => {
  const words = {
    asking: "",
    trying: "Trying …",
    tried: "Tried, nothing is sent:",
    sending: "Sending …",
    sent: "Sent:",
  };
  return html`
    <p class="replay-sum">
      ${words[step]} ${count(sum.total)}
      ${(Object.entries(sum.counts) as [Outcome, number][]).map(
        ([outcome, times]) => html` <${OutcomeWord} outcome=${outcome}>${count(times)}<//>`,
      )}
    </p>
    ${
      sum.refused.length > 0 &&
      html`<ul class="plain-list">
        ${sum.refused.map(
          (item) =>
            html`<li>
              <span class="id">${item.event_id ?? item.dead_letter_id}</span>:
              ${item.pointer && html`<code>${item.pointer}</code> `}${item.detail ?? item.code}
            </li>`,
        )}
      </ul>`
    }
    ${step === "sent" && html`<p class="quiet">What is accepted lands within about a second; this page follows.</p>`}
  `;
};
