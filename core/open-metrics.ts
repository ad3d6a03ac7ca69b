/**
 * What `/metrics` tells, as OpenMetrics 1.0 text. Every metric
 * stands in the catalogue with its unit and a sentence, so that none is exposed that nobody has described. Units are
 * the base ones of the specification: seconds, bytes.
 */

export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

interface Metric {
  readonly unit?: "seconds" | "bytes";
  readonly help: string;
}

/** Gauges by name; a unit is the name's last word. */
export const METRICS = {
  muara_iceberg_behind_seconds: {
    unit: "seconds",
    help: "Between the commits of the newest version of a table and of the one that its Iceberg export shows.",
  },
  muara_iceberg_behind_versions: {
    help: "Commits of a table that its Iceberg export does not show yet.",
  },
  muara_iceberg_version: { help: "The table's version that its Iceberg export shows." },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

export interface Sample {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics without a sample are left out. */
export function renderMetrics(samples: readonly Sample[]): string {
  const lines: string[] = [];
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const own = samples.filter((sample) => sample.name === name);
    if (own.length === 0) continue;
    const { unit, help }: Metric = METRICS[name];
    lines.push(`# TYPE ${name} gauge`);
    if (unit) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escaped(help)}`);
    for (const { labels, value } of own) lines.push(`${name}${labelText(labels)} ${value}`);
  }
  return `${[...lines, "# EOF"].join("\n")}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
