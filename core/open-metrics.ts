/**
 * What `/metrics` tells, as OpenMetrics 1.0 text or in Prometheus's older text format 0.0.4. The catalogue
 * (metric-catalogue.ts) has every metric with its type, unit, labels and a sentence.
 */
import type { Metric } from "./metric.ts";
import { METRICS, type MetricName } from "./metric-catalogue.ts";

export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";
export const TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
export type MetricsFormat = "openmetrics" | "text";

export interface Sample {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Histogram {
  /** [bound] observations up to it and beyond the one before; the last ones are beyond all bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface HistogramSample {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly histogram: Histogram;
}

export type AnySample = Sample | HistogramSample;

/** What a part of the process has to tell when somebody asks. */
export type Gauge = () => readonly AnySample[] | Promise<readonly AnySample[]>;

/** Metrics without a sample are left out. */
export function renderMetrics(samples: readonly AnySample[], format: MetricsFormat = "openmetrics"): string {
  const isOpen = format === "openmetrics";
  const lines: string[] = [];
  const byName = Map.groupBy(samples, ({ name }) => name);
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const own = byName.get(name);
    if (!own) continue;
    const metric: Metric = METRICS[name];
    // The older format calls a family what its samples are called, and knows neither units nor infos.
    const family = isOpen ? name : sampleName(name, metric);
    lines.push(`# TYPE ${family} ${isOpen || metric.type !== "info" ? metric.type : "gauge"}`);
    if (isOpen && metric.unit) lines.push(`# UNIT ${family} ${metric.unit}`);
    lines.push(`# HELP ${family} ${isOpen ? escaped(metric.help) : escapedHelp(metric.help)}`);
    for (const sample of own)
      if ("histogram" in sample) lines.push(...histogramLines(sample, metric.bounds ?? []));
      else lines.push(`${sampleName(name, metric)}${labelText(sample.labels)} ${numberText(sample.value)}`);
  }
  if (isOpen) lines.push("# EOF");
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** What samples of a metric are called that is no histogram. */
export function sampleName(name: string, { type }: Pick<Metric, "type">): string {
  if (type === "counter") return `${name}_total`;
  return type === "info" ? `${name}_info` : name;
}

/**
 * The format for an Accept header: the older one only for whom it is dearer, or who takes nothing else of the two.
 * @param accept null: none
 */
export function metricsFormat(accept: string | null): MetricsFormat {
  if (accept === null) return "openmetrics";
  const weights = { openmetrics: 0, text: 0 };
  for (const part of accept.split(",")) {
    const [type = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    const weight = Number(parameters.find((one) => one.startsWith("q="))?.slice(2) ?? 1) || 0;
    const isAny = type === "*/*";
    const version = parameters.find((one) => one.startsWith("version="))?.slice(8);
    if (isAny || (type === "application/openmetrics-text" && (version ?? "1.0.0") === "1.0.0"))
      weights.openmetrics = Math.max(weights.openmetrics, weight);
    if (isAny || type === "text/*" || (type === "text/plain" && (version ?? "0.0.4") === "0.0.4"))
      weights.text = Math.max(weights.text, weight);
  }
  return weights.text > weights.openmetrics ? "text" : "openmetrics";
}

function histogramLines({ name, labels, histogram }: HistogramSample, bounds: readonly number[]): string[] {
  let seen = 0;
  const lines = histogram.counts.map((count, i) => {
    seen += count;
    const le = i < bounds.length ? boundText(bounds[i]!) : "+Inf";
    return `${name}_bucket${labelText({ ...labels, le })} ${seen}`;
  });
  lines.push(`${name}_sum${labelText(labels)} ${numberText(histogram.sum)}`);
  lines.push(`${name}_count${labelText(labels)} ${seen}`);
  return lines;
}

/** As OpenMetrics writes bounds: a float always shows it. */
function boundText(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string): string {
  return escapedHelp(text).replaceAll('"', '\\"');
}

/** The older format knows no escaped quotation marks in sentences. */
function escapedHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
