/** Another text for a job: what it would be, before it is. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { ApiError, askJson } from "../../api-client.ts";
import { bytes, count, duration } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { Badge } from "../../parts/badge.ts";
import { Difference } from "../../parts/difference.ts";
import { ErrorBox } from "../../parts/error-box.ts";
import { Loading } from "../../parts/loading.ts";
import { Time } from "../../parts/time.ts";
import { jobPath, type JobTold } from "./job-types.ts";

interface PlanTold {
  readonly kind: string;
  readonly inputs: readonly string[];
  readonly lateness_ms: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly is_stateful: boolean;
  readonly cost: { readonly rows: number; readonly bytes: number };
  readonly upgrade: {
    readonly version: number;
    readonly state: "kept" | "rebuilt";
    readonly added_columns: readonly string[];
    readonly counts_from: string | null;
  } | null;
}

interface JobPlanProps {
  readonly job: JobTold;
  readonly onChange: () => void;
}

export const JobPlan: FunctionComponent<JobPlanProps> = ({ job, onChange }) => {
  const text = useSignal(job.text);
  const planned = useSignal<{ readonly text: string; readonly plan: PlanTold } | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const plan = async (event: Event): Promise<void> => {
    event.preventDefault();
    isBusy.value = true;
    error.value = undefined;
    const asked = text.value;
    try {
      const told = await askJson<PlanTold>("/v1/jobs/plan", { method: "POST", body: { text: asked } });
      planned.value = { text: asked, plan: told };
    } catch (failure) {
      error.value = failure;
      planned.value = undefined;
    } finally {
      isBusy.value = false;
    }
  };
  const upgrade = (): Promise<unknown> =>
    askJson(jobPath(job.name), { method: "PUT", body: { text: planned.value!.text } }).then(onChange);
  return html`
    <form class="card" onSubmit=${plan}>
      <h2><label for="plan-text">Another text</label></h2>
      <textarea
        id="plan-text"
        class="code"
        rows="14"
        spellcheck=${false}
        value=${text}
        onInput=${(event: Event) => (text.value = (event.target as HTMLTextAreaElement).value)}
      ></textarea>
      <p class="actions">
        <button type="submit" class="primary" disabled=${isBusy}>Plan it</button>
        <span class="quiet">Nothing changes by a plan.</span>
      </p>
    </form>
    ${isBusy.value && html`<${Loading} what="the plan" />`}
    ${error.value !== undefined && html`<${ErrorBox} error=${error.value} what="plan" />`}
    ${error.value !== undefined && place(error.value, text.value)}
    ${planned.value && shown(job, planned.value, upgrade)}
  `;
};

function shown(
  job: JobTold,
  { text, plan }: { readonly text: string; readonly plan: PlanTold },
  upgrade: () => Promise<unknown>,
): Content {
  const { upgrade: next, cost } = plan;
  return html`<section class="card">
    <h2>${next ? `It would be version ${next.version}` : "It would be a job of another name"}</h2>
    <dl class="facts">
      <dt>State</dt>
      <dd>
        ${
          next?.state === "kept"
            ? html`<${Badge} tone="good">kept<//> goes on with what it has`
            : html`<${Badge} tone="warn">made anew<//> reads up to ${count(cost.rows)} rows,
                ${bytes(cost.bytes)}`
        }
      </dd>
      <dt>Columns added</dt>
      <dd>${next?.added_columns.join(", ") || "none"}</dd>
      <dt>Counts for</dt>
      <dd>results released after <${Time} at=${next?.counts_from} /></dd>
      <dt>Kind</dt>
      <dd>${plan.kind}, waits ${duration(plan.lateness_ms)} for late events</dd>
      <dt>Reads</dt>
      <dd>${plan.inputs.join(", ")}</dd>
      <dt>Results</dt>
      <dd class="id">${plan.columns.map(({ name, type }) => `${name} ${type}`).join(", ")}</dd>
    </dl>
    <${Difference} before=${job.text} after=${text} />
    ${
      next &&
      text !== job.text &&
      html`<${ChangeButton}
        label="Go on by this text …"
        class="primary"
        title=${`Make it version ${next.version} of ${job.name}?`}
        about="What is released stays as it is; the text takes over with the next step."
        yes="Upgrade"
        run=${upgrade}
      />`
    }
  </section>`;
}

/** The line that a refusal is about. */
function place(error: unknown, text: string): Content {
  const line = error instanceof ApiError ? Number(error.problem["line"] ?? Number.NaN) : Number.NaN;
  const found = Number.isInteger(line) ? text.split("\n")[line - 1] : undefined;
  return found === undefined ? null : html`<pre tabindex="0">line ${line}: ${found}</pre>`;
}
