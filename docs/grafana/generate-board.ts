/** Writes docs/grafana/muara.json, a Grafana board, from panels.ts: `npx node docs/grafana/generate-board.ts`. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Panel } from "./panel.ts";
import { PANELS } from "./panels.ts";

const WIDTH = 8;
const HEIGHT = 8;
const PER_LINE = 3;
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

export function boardText(): string {
  let y = 0;
  let id = 1;
  const panels = Object.entries(PANELS).flatMap(([title, own]) => {
    const line = { id: id++, type: "row", title, collapsed: false, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: [] };
    const shown = own.map((panel, i) => {
      const at = { x: (i % PER_LINE) * WIDTH, y: y + Math.floor(i / PER_LINE) * HEIGHT };
      return panelOf(panel, id++, { ...at, w: WIDTH, h: HEIGHT });
    });
    y += Math.ceil(own.length / PER_LINE) * HEIGHT;
    return [line, ...shown];
  });
  return `${JSON.stringify({ ...HEAD, panels }, null, 2)}\n`;
}

const HEAD = {
  uid: "muara",
  title: "Muara",
  description: "Written by docs/grafana/generate-board.ts; docs/METRICS.md says what each metric means.",
  tags: ["muara"],
  schemaVersion: 39,
  editable: true,
  refresh: "30s",
  time: { from: "now-1h", to: "now" },
  templating: {
    list: [
      { name: "datasource", type: "datasource", query: "prometheus", label: "Prometheus" },
      variable("instance", "Process", "label_values(muara_build_info, instance)"),
      variable("table", "Table", "label_values(muara_landed_events_total, table)"),
    ],
  },
};

function variable(name: string, label: string, query: string): Record<string, unknown> {
  return {
    name,
    label,
    type: "query",
    datasource: DATASOURCE,
    query: { query, refId: name },
    refresh: 2,
    includeAll: true,
    allValue: ".*",
    multi: true,
    current: { text: "All", value: "$__all" },
  };
}

function panelOf(
  { title, unit, queries, description }: Panel,
  id: number,
  gridPos: Readonly<Record<string, number>>,
): Record<string, unknown> {
  return {
    id,
    type: "timeseries",
    title,
    description,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: 0, custom: { lineWidth: 1, fillOpacity: 8, showPoints: "never" } },
      overrides: [],
    },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
    targets: queries.map(([expr, legendFormat], i) => ({
      refId: String.fromCodePoint(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("muara.json", import.meta.url), boardText());
