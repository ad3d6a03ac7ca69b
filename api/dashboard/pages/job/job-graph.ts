/** A job as a picture: tables, stages, the table of its results; coloured by what lags and what is busy. */
import type { FunctionComponent } from "preact";
import { count, duration, msOf, utc } from "../../format.ts";
import { html } from "../../html.ts";
import { tableLink } from "../../links.ts";
import type { Tone } from "../../parts/badge.ts";
import { DataTable } from "../../parts/data-table.ts";
import { FlowGraph, type FlowBox } from "../../parts/flow-graph.ts";
import { StatTile } from "../../parts/stat-tile.ts";
import { Time } from "../../parts/time.ts";
import type { GraphNode, GraphTold } from "./job-types.ts";

/** From so many commits behind on a table is worth a look. */
const BEHIND_WARN = 5;
const BUSY_WARN = 0.5;
const BUSY_BAD = 0.9;

const KINDS: Readonly<Record<string, string>> = {
  rows: "row by row",
  filter: "filters rows",
  aggregate: "puts rows together",
  window: "windows",
  join: "joins by time",
  pattern: "pattern",
  top: "the best of a window",
  union: "puts tables together",
};

interface JobGraphProps {
  readonly graph: GraphTold;
  readonly job: string;
}

export const JobGraph: FunctionComponent<JobGraphProps> = ({ graph, job }) => {
  const { busy, activity, nodes, edges } = graph;
  const boxes = nodes.map((node) => boxOf(node, graph));
  const sources = nodes.filter(({ kind }) => kind === "source");
  return html`
    <div class="tiles">
      <${StatTile}
        label="Busy"
        value=${busy === null ? "–" : Math.round(busy * 100)}
        unit=${busy === null ? "" : "%"}
        tone=${busyTone(busy) === "good" ? undefined : busyTone(busy)}
        about=${busy === null ? "it does not run in this process" : "of its time, the last half minute"}
      />
      <${StatTile}
        label="Last step"
        value=${duration(activity?.last_step_ms)}
        about="from commits to results"
      />
      <${StatTile}
        label="Rows kept as state"
        value=${count(activity?.state_rows)}
        about=${storedText(graph)}
      />
      <${StatTile} label="Results" value=${count(activity?.rows)} about="since this process began" />
      <${StatTile}
        label="Steps"
        value=${count(activity?.steps)}
        about=${`state made anew ${count(activity?.rebuilds)} times`}
      />
    </div>
    <section class="card">
      <h2>What it does</h2>
      <${FlowGraph} label=${sentence(job, sources, graph)} boxes=${boxes} edges=${edges} />
      <p class="quiet">
        A job is one process that does all of its stages: they are as busy as it is. Tables are coloured by
        how many commits of them are not in the results yet.
      </p>
    </section>
    <section class="card">
      <h2>How far it is</h2>
      ${DataTable<GraphNode>({
        label: "Inputs",
        rows: sources,
        keyOf: ({ id }) => id,
        columns: [
          {
            title: "table",
            show: ({ name }) => html`<a href=${tableLink(name!)}>${name}</a>`,
          },
          { title: "version", isNumber: true, show: ({ version }) => count(version) },
          { title: "in the results", isNumber: true, show: (node) => count(node.read_version) },
          { title: "behind", isNumber: true, show: (node) => count(node.behind_versions) },
          { title: "watermark, UTC", show: ({ watermark }) => html`<${Time} at=${watermark} />` },
          { title: "released behind it by", isNumber: true, show: ({ watermark }) => lag(watermark, graph) },
        ],
      })}
      <p class="quiet">
        Released until ${utc(graph.released_until)}
        UTC${graph.is_live ? "" : "; still going through what was there before"}. Its checkpoint is the newest
        commit of its own table (version ${graph.output_version}), which holds the results and these places
        together.
      </p>
    </section>
  `;
};

function boxOf(node: GraphNode, graph: GraphTold): FlowBox {
  const { id, kind, name } = node;
  if (kind === "source") {
    const behind = node.behind_versions ?? null;
    const tone: Tone = behind === null ? "calm" : behind >= BEHIND_WARN ? "warn" : "good";
    const said =
      behind === null ? "not read yet" : behind === 0 ? "all read" : `${count(behind)} commits behind`;
    return { id, title: name ?? "", lines: ["table", said], tone };
  }
  if (kind === "sink")
    return { id, title: name ?? "", lines: ["results", `version ${graph.output_version}`], tone: "main" };
  const { busy } = graph;
  const said = busy === null ? "" : `${Math.round(busy * 100)} % busy`;
  return { id, title: name ?? "SELECT", lines: [KINDS[kind] ?? kind, said], tone: busyTone(busy) };
}

function busyTone(busy: number | null): Tone {
  if (busy === null) return "calm";
  return busy >= BUSY_BAD ? "bad" : busy >= BUSY_WARN ? "warn" : "good";
}

function lag(watermark: string | null | undefined, { released_until: released }: GraphTold): string {
  const [to, from] = [msOf(watermark), msOf(released)];
  return to === undefined || from === undefined ? "–" : duration(to - from);
}

function storedText({ activity }: GraphTold): string {
  const stored = activity?.stored_rows;
  return stored === null || stored === undefined ? "" : `${count(stored)} in its file`;
}

function sentence(job: string, sources: readonly GraphNode[], { nodes }: GraphTold): string {
  const stages = nodes.filter(({ kind }) => kind !== "source" && kind !== "sink").length;
  const tables = sources.map(({ name }) => name).join(", ");
  return `${job} reads ${tables}, goes through ${stages} ${stages === 1 ? "stage" : "stages"} and writes its results`;
}
