/** The texts that a job had: what changed from one to the next, from when on each counts, and the way back. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { html, type Content } from "../../html.ts";
import { ChangeButton } from "../../parts/change-button.ts";
import { Badge } from "../../parts/badge.ts";
import { Difference } from "../../parts/difference.ts";
import { Time } from "../../parts/time.ts";
import { jobPath, type JobTold, type TextVersion } from "./job-types.ts";

interface JobVersionsProps {
  readonly job: JobTold;
  readonly onChange: () => void;
}

export const JobVersions: FunctionComponent<JobVersionsProps> = ({ job, onChange }) => {
  const newestFirst = job.text_versions.toReversed();
  return html`${newestFirst.map((one, i) => version(job, one, newestFirst[i + 1], onChange))}`;
};

function version(
  job: JobTold,
  one: TextVersion,
  before: TextVersion | undefined,
  onChange: () => void,
): Content {
  const isCurrent = one.version === job.version;
  const back = (): Promise<unknown> =>
    askJson(jobPath(job.name, "/rollback"), { method: "POST", body: { to: one.version } }).then(onChange);
  return html`<section class="card" key=${one.version}>
    <h2>
      Version ${one.version} ${isCurrent && html`<${Badge} tone="main">declared<//>`}
      ${" "}${one.version === job.running_version && html`<${Badge} tone="good">in the results<//>`}
    </h2>
    <p class="quiet">
      by ${one.by}, <${Time} at=${one.declared_at} /> UTC · counts for results released after ${" "}<${Time}
        at=${one.counts_from}
      />
    </p>
    ${
      before?.text !== undefined && one.text !== undefined
        ? html`<${Difference} before=${before.text} after=${one.text} />`
        : html`<pre tabindex="0">${one.text}</pre>`
    }
    ${
      !isCurrent &&
      html`<${ChangeButton}
        label="Go back to this text …"
        title=${`Go on by the text of version ${one.version}?`}
        about=${`${job.name} goes on where it is, as version ${job.version + 1}. What is released stays as it is.`}
        yes="Roll back"
        run=${back}
      />`
    }
  </section>`;
}
