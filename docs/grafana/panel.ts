/** A panel of the board, and how its PromQL is spelled. */

export interface Panel {
  readonly title: string;
  /** Grafana's name of a unit. */
  readonly unit: "ops" | "short" | "s" | "bytes" | "Bps" | "percentunit" | "none" | "dateTimeFromNow";
  /** PromQL, and what a series is called. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** What it is for. */
  readonly description: string;
}

/** Samples of the processes chosen in the board. @param labels further matchers */
export const of = (name: string, labels = ""): string =>
  `${name}{instance=~"$instance"${labels === "" ? "" : `,${labels}`}}`;
export const tables = (name: string): string => of(name, 'table=~"$table"');
export const rate = (name: string, labels = ""): string => `rate(${of(name, labels)}[$__rate_interval])`;
/** Totals that move with a table from process to process are one series. */
export const tableRate = (name: string): string => `max by (table) (rate(${tables(name)}[$__rate_interval]))`;
export const quantile = (q: number, name: string, by = ""): string =>
  `histogram_quantile(${q}, sum by (le${by === "" ? "" : `, ${by}`}) (${rate(`${name}_bucket`)}))`;
export const quantiles = (name: string): Panel["queries"] => [
  [quantile(0.5, name), "p50"],
  [quantile(0.99, name), "p99"],
];
