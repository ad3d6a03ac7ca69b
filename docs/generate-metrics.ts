/**
 * Writes docs/METRICS.md from core/metric-catalogue.ts: `npx node docs/generate-metrics.ts`. A test compares the two,
 * so the page cannot fall behind.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { LABELS, type Metric } from "../core/metric.ts";
import { METRIC_GROUPS } from "../core/metric-catalogue.ts";
import { sampleName } from "../core/open-metrics.ts";
import { SERIES_MAX } from "../core/measures.ts";

const INTRODUCTION = `# Metrics

Written by \`docs/generate-metrics.ts\` from \`core/metric-catalogue.ts\`; do not edit.

\`GET /metrics\` of each process, whichever workers it has, answers OpenMetrics 1.0, or Prometheus's text format 0.0.4
to who prefers that by \`Accept\`. A scraper's token needs \`read\` on \`system:metrics\` for what a process says of
itself, and \`read\` on \`table:*\` for how far jobs, deliveries and Iceberg exports are behind; how to make one, the
alert rules and the board: [Operate](OPERATE.md#metrics).

- Totals that a table keeps ("ever") outlive a restart and move with the table from process to process; all others
  count from the start of the process. So \`rate()\` and \`increase()\` are right for both, and \`max by (table)\`
  for totals.
- What no part of the process has to say is absent: no pull, no series of pulls.
- No label holds a path, an address, a key or anything of an event. Of what a process counts itself a metric has at most
  ${SERIES_MAX.toLocaleString("en-US")} series; \`muara_metrics_left_out\` tells of more.
`;

export function metricsPage(): string {
  return [INTRODUCTION, ...Object.entries(METRIC_GROUPS).map(groupText), labelsText()].join("\n");
}

function groupText([title, metrics]: readonly [string, Readonly<Record<string, Metric>>]): string {
  const rows = Object.entries(metrics).map(([name, metric]) => {
    const labels = metric.labels.map((label) => `\`${label}\``);
    if (metric.hasOpenLabels) labels.push("the alert's");
    const shown = metric.type === "histogram" ? `${name}_bucket, _sum, _count` : sampleName(name, metric);
    return `| \`${shown.replaceAll(", ", "`, `")}\` | ${metric.type} | ${labels.join(", ")} | ${metric.help} |`;
  });
  return `## ${title}\n\n| samples | type | labels | what it says |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

function labelsText(): string {
  const rows = Object.entries(LABELS).map(([name, { help, bound }]) => `| \`${name}\` | ${help} | ${bound} |`);
  const header = "| label | what it is | as many values as |\n|---|---|---|";
  const alerts = "The labels of `muara_alerts` are those of the rule's own choice, bounded as [alerts](ALERTS.md) are.";
  return `## Labels\n\n${alerts}\n\n${header}\n${rows.join("\n")}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("METRICS.md", import.meta.url), metricsPage());
