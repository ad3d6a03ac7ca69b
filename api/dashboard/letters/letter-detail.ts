/** One dead letter with its bytes: corrected as text, tried, and sent again. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { askJson } from "../api-client.ts";
import { html, type Content } from "../html.ts";
import { eventLink } from "../links.ts";
import { ChangeButton } from "../parts/change-button.ts";
import { CopyButton } from "../parts/copy-button.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { Time } from "../parts/time.ts";
import { useResource } from "../resource.ts";
import { setFilters } from "../router.ts";
import type { ReplayAnswer, ReplayedItem, ShownLetter } from "./letter-answer.ts";
import { LetterBadge } from "./letter-list.ts";
import { replayLetter } from "./replay-call.ts";
import { OutcomeWord } from "./outcome-word.ts";

interface LetterDetailProps {
  readonly id: string;
  readonly onChanged: () => void;
}

/** While a replay is on its way into the lake. */
const FOLLOW_MS = 2_000;

export const LetterDetail: FunctionComponent<LetterDetailProps> = ({ id, onChanged }) => {
  const path = `/v1/dead-letters/${encodeURIComponent(id)}`;
  const letter = useResource(path, (signal) => askJson<ShownLetter>(path, { signal }), FOLLOW_MS);
  const { value } = letter;
  const state = value?.state;
  useEffect(() => {
    if (state !== undefined && state !== "open") onChanged();
  }, [state]);
  return html`
    <section class="card letter" aria-labelledby="letter-title">
      <div class="letter-head">
        <h2 id="letter-title">Dead letter <span class="id">${id}</span></h2>
        <button type="button" onClick=${() => setFilters({ letter: "" })}>Close</button>
      </div>
      ${letter.error !== undefined && html`<${ErrorBox} error=${letter.error} onRetry=${letter.reload} />`}
      ${
        value
          ? html`<${Shown} letter=${value} onReplayed=${letter.reload} />`
          : letter.error === undefined && html`<${Loading} what="it" />`
      }
    </section>
  `;
};

interface ShownProps {
  readonly letter: ShownLetter;
  readonly onReplayed: () => void;
}

const Shown: FunctionComponent<ShownProps> = ({ letter, onReplayed }) => html`
  <dl class="facts">
    <dt>State</dt>
    <dd>
      <${LetterBadge} state=${letter.state} />
      ${
        letter.replayed_by &&
        html` ${letter.corrected ? "corrected and replayed" : "replayed"} by ${letter.replayed_by} at${" "}
          <${Time} at=${letter.replayed_at} />`
      }
    </dd>
    <dt>Event type</dt>
    <dd>${letter.event_type}</dd>
    ${
      letter.event_id !== null &&
      html`<dt>Event</dt>
        <dd>
          <a class="id" href=${eventLink(letter.event_id)}>${letter.event_id}</a>
        </dd>`
    }
    <dt>Reason</dt>
    <dd><code>${letter.reason}</code>${letter.help && html` <span class="quiet">${letter.help}</span>`}</dd>
    <dt>What is wrong</dt>
    <dd>${letter.pointer && html`<code>${letter.pointer}</code>: `}${letter.detail ?? "–"}</dd>
    <dt>Accepted</dt>
    <dd>
      <${Time} at=${letter.ingest_time} /> UTC, partition ${letter.log_partition}, offset ${letter.log_offset}
    </dd>
  </dl>
  ${
    letter.state === "open"
      ? html`<${Correct} letter=${letter} onReplayed=${onReplayed} />`
      : html`<${Bytes} text=${letter.payload} />`
  }
`;

const Bytes: FunctionComponent<{ readonly text: string }> = ({ text }) => html`
  <h3>As it was published <${CopyButton} text=${text} /></h3>
  <pre tabindex="0" aria-label="The event as it was published"><code>${text}</code></pre>
`;

const Correct: FunctionComponent<ShownProps> = ({ letter, onReplayed }) => {
  const text = useSignal(letter.payload);
  const tried = useSignal<ReplayedItem | undefined>(undefined);
  const sent = useSignal<ReplayedItem | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const field = useRef<HTMLTextAreaElement>(null);
  const isChanged = text.value !== letter.payload;
  const send = async (isDryRun: boolean): Promise<void> => {
    const correction = isChanged ? { correction: { event: text.value } } : {};
    const { items }: ReplayAnswer = await replayLetter(letter.dead_letter_id, correction, isDryRun);
    if (isDryRun) tried.value = items[0];
    else sent.value = items[0];
  };
  const attempt = async (): Promise<void> => {
    failure.value = undefined;
    try {
      await send(true);
    } catch (error) {
      failure.value = error;
    }
  };
  const type = (event: InputEvent): void => {
    text.value = (event.target as HTMLTextAreaElement).value;
    tried.value = undefined;
  };
  const mayLand = tried.value?.outcome === "would_land" || tried.value?.outcome === "would_be_duplicate";
  return html`
    <h3><label for="letter-text">The event</label></h3>
    <textarea
      id="letter-text"
      ref=${field}
      class="letter-text"
      spellcheck=${false}
      rows=${rowsOf(text.value)}
      value=${text.value}
      onInput=${type}
    ></textarea>
    <div class="actions spaced">
      <button type="button" class="primary" onClick=${() => void attempt()}>Try it</button>
      <${ChangeButton}
        label="Replay"
        title="Publish this event again?"
        yes="Publish it"
        isDisabled=${!mayLand || sent.value !== undefined}
        run=${async () => {
          await send(false);
          onReplayed();
        }}
      >
        <p>
          ${isChanged ? "It goes out corrected, as it stands in the field." : "It goes out as it was."} A dead
          letter is replayed once.
        </p>
      <//>
      ${
        isChanged &&
        html`<button
          type="button"
          onClick=${() => {
            text.value = letter.payload;
            tried.value = undefined;
            field.current?.focus();
          }}
        >
          Undo
        </button>`
      }
    </div>
    <div aria-live="polite">
      ${failure.value !== undefined && html`<${ErrorBox} error=${failure.value} />`}
      ${sent.value ? result("Sent", sent.value) : tried.value && result("Tried, nothing is sent", tried.value)}
    </div>
  `;
};

function result(what: string, item: ReplayedItem): Content {
  return html`<p>
    ${what}: <${OutcomeWord} outcome=${item.outcome} />
    ${item.pointer && html` <code>${item.pointer}</code>`}${item.detail && ` ${item.detail}`}
    ${item.code && html` <span class="quiet">(${item.code})</span>`}
  </p>`;
}

function rowsOf(text: string): number {
  return Math.min(24, Math.max(4, text.split("\n").length + Math.floor(text.length / 90)));
}
