/** The map of a process: the ways that cases took, how often, how long each took; and how far they came. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count, duration } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { Bars } from "../../parts/bars.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { FlowGraph, type FlowBox, type FlowEdge } from "../../parts/flow-graph.ts";
import { loaded } from "../../parts/loaded.ts";
import { useResource } from "../../resource.ts";
import { type FunnelTold, type MapEdge, type MapTold, processPath } from "./process-types.ts";

const EVERY_MS = 10_000;

interface ProcessMapProps {
  readonly name: string;
  readonly bounds: string;
}

export const ProcessMap: FunctionComponent<ProcessMapProps> = ({ name, bounds }) => {
  const map = useResource(
    `map ${name} ${bounds}`,
    (signal) => askJson<MapTold>(processPath(name, "/map", bounds), { signal }),
    EVERY_MS,
  );
  const funnel = useResource(
    `funnel ${name} ${bounds}`,
    (signal) => askJson<FunnelTold>(processPath(name, "/funnel", bounds), { signal }),
    EVERY_MS,
  );
  return html`
    <section class="card">
      <h2>How far cases come</h2>
      ${loaded({ of: funnel, what: "funnel", show: (told) => funnelShown(told) })}
    </section>
    <section class="card">
      <h2>Which ways they take</h2>
      ${loaded({ of: map, what: "map", show: (told) => mapShown(told) })}
    </section>
  `;
};

function funnelShown({ activities }: FunnelTold): Content {
  const most = Math.max(1, ...activities.map(({ cases }) => cases));
  return html`<${Bars}
    items=${activities.map(({ activity, cases, median_ms: median }, i) => ({
      name: activity,
      share: cases / most,
      figure: `${count(cases)}${i === 0 ? "" : ` · ${duration(median)} median from the one before`}`,
    }))}
  />`;
}

function mapShown({ activities, edges }: MapTold): Content {
  if (edges.length === 0)
    return html`<${Empty} title="No case has begun in this time">Choose another time, or none.<//>`;
  const most = Math.max(1, ...edges.map(({ times }) => times));
  const boxes = activities.map((activity) => boxOf(activity, edges));
  const lines = edges.flatMap((edge): readonly FlowEdge[] => {
    const { from, to, times, median_ms: median } = edge;
    if (from === null || to === null) return [];
    const isBack = activities.indexOf(from) >= activities.indexOf(to);
    return [{ from, to, isBack, label: `${count(times)} · ${duration(median)}`, weight: times / most }];
  });
  return html`
    <${FlowGraph}
      label=${`Ways between ${activities.length} activities: ${sentence(edges)}`}
      boxes=${boxes}
      edges=${lines}
    />
    <p class="quiet">Arrows: how often, and half of them took no longer than.</p>
    ${DataTable<MapEdge>({
      label: "Ways from one activity to the next",
      rows: edges.toSorted((a, b) => b.times - a.times),
      keyOf: ({ from, to }) => `${from}→${to}`,
      columns: [
        { title: "from", show: ({ from }) => from ?? html`<span class="quiet">begin</span>` },
        { title: "to", show: ({ to }) => to ?? html`<span class="quiet">nothing since</span>` },
        { title: "times", isNumber: true, show: ({ times }) => count(times) },
        { title: "cases", isNumber: true, show: ({ cases }) => count(cases) },
        { title: "median", isNumber: true, show: (edge) => duration(edge.median_ms) },
        { title: "95 % within", isNumber: true, show: (edge) => duration(edge.p95_ms) },
      ],
    })}
  `;
}

function boxOf(activity: string, edges: readonly MapEdge[]): FlowBox {
  const begins = edges.find(({ from, to }) => from === null && to === activity)?.cases ?? 0;
  const rests = edges.find(({ from, to }) => from === activity && to === null)?.cases ?? 0;
  const events = edges.filter(({ from }) => from === activity).reduce((sum, { times }) => sum + times, 0);
  const said = begins > 0 ? `${count(begins)} begin, ${count(rests)} rest here` : `${count(rests)} rest here`;
  return { id: activity, title: activity, lines: [`${count(events)} events`, said], tone: "main" };
}

function sentence(edges: readonly MapEdge[]): string {
  const [first] = edges.filter(({ from, to }) => from && to).toSorted((a, b) => b.times - a.times);
  return first
    ? `most often from ${first.from} to ${first.to}, ${count(first.times)} times`
    : "none is taken";
}
