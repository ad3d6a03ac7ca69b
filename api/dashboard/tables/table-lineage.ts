/** What a table comes from and goes to, one hop, each with a link to where it stands. */
import type { FunctionComponent } from "preact";
import { askJson } from "../api-client.ts";
import { html } from "../html.ts";
import { jobLink, tableLink } from "../links.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { Loading } from "../parts/loading.ts";
import { useResource } from "../resource.ts";

export interface LineageNode {
  readonly kind: string;
  readonly name: string;
  readonly detail: string | null;
}

export interface LineageAnswer {
  readonly table: string;
  readonly upstream: readonly LineageNode[];
  readonly downstream: readonly LineageNode[];
}

export const TableLineage: FunctionComponent<{ readonly name: string }> = ({ name }) => {
  const path = `/v1/tables/${encodeURIComponent(name)}/lineage`;
  const lineage = useResource(path, (signal) => askJson<LineageAnswer>(path, { signal }));
  if (!lineage.value)
    return lineage.error === undefined
      ? html`<${Loading} what="lineage" />`
      : html`<${ErrorBox} error=${lineage.error} onRetry=${lineage.reload} />`;
  const { upstream, downstream } = lineage.value;
  return html`
    <div class="lineage">
      <${Side} title="Comes from" nodes=${upstream} nothing="Nothing that you may see." />
      <div class="lineage-self">
        <span aria-hidden="true">→</span><strong>${name}</strong><span aria-hidden="true">→</span>
      </div>
      <${Side}
        title="Goes to"
        nodes=${downstream}
        nothing="No job, extract, delivery or share that you may see reads it."
      />
    </div>
    <p class="quiet">
      One step each way. Rules and queries of SQL are not among them: what they read is only known when they
      run.
    </p>
  `;
};

interface SideProps {
  readonly title: string;
  readonly nodes: readonly LineageNode[];
  readonly nothing: string;
}

const Side: FunctionComponent<SideProps> = ({ title, nodes, nothing }) => html`
  <section aria-label=${title}>
    <h2>${title}</h2>
    ${
      nodes.length === 0
        ? html`<p class="quiet">${nothing}</p>`
        : html`<ul>
            ${nodes.map(
              (node) =>
                html`<li class="lineage-node">
                  <span class="quiet">${node.kind.replace("_", " ")}</span>
                  <a href=${linkOf(node)}>${node.name}</a>
                  ${node.detail && html`<span class="quiet">${node.detail}</span>`}
                </li>`,
            )}
          </ul>`
    }
  </section>
`;

function linkOf({ kind, name }: LineageNode): string {
  const text = encodeURIComponent(name);
  switch (kind) {
    case "table":
    case "view":
      return tableLink(name);
    case "event_type":
      return `/live?type=${text}`;
    case "job":
      return jobLink(name);
    case "extract":
      return `/extracts?feed=${text}`;
    case "process":
      return `/process?process=${text}`;
    case "rule":
      return `/alerts?tab=rules&rule=${text}`;
    case "capture":
      return "/system?tab=captures";
    case "delivery":
      return "/system?tab=deliveries";
    default:
      return "/system?tab=shares";
  }
}
