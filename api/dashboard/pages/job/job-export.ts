/** A job as a program of another engine, to copy. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { html } from "../../html.ts";
import { CopyButton } from "../../parts/copy-button.ts";
import { FilterField } from "../../parts/filter-field.ts";
import { loaded } from "../../parts/loaded.ts";
import { useResource } from "../../resource.ts";
import { filterOf } from "../../router.ts";
import { jobPath } from "./job-types.ts";

const SOURCE = "s3://lake/events";
const SINK = "s3://lake/results";

export const JobExport: FunctionComponent<{ readonly name: string }> = ({ name }) => {
  const to = filterOf("to") || "flink";
  const query = new URLSearchParams({
    to,
    source: filterOf("source") || SOURCE,
    sink: filterOf("sink") || SINK,
  }).toString();
  const program = useResource(`export ${name} ${query}`, (signal) =>
    askJson<{ text: string }>(jobPath(name, `/export?${query}`), { signal }),
  );
  return html`
    <div class="actions spaced">
      <${FilterField}
        name="to"
        label="For"
        options=${[
          ["", "Flink SQL"],
          ["spark", "Spark"],
        ]}
      />
      <${FilterField} name="source" label="Events from" type="text" placeholder=${SOURCE} />
      <${FilterField} name="sink" label="Results to" type="text" placeholder=${SINK} />
    </div>
    ${loaded({
      of: program,
      what: "the program",
      show: ({ text }) =>
        html`<p><${CopyButton} text=${text} label="Copy the program" /></p>
          <pre tabindex="0" class="program">${text}</pre>`,
    })}
  `;
};
