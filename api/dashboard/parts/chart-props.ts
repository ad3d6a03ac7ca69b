/** What a chart shows. */

export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
  /** `band-low` and `band-high` enclose what is expected; `mark` shows points alone. */
  readonly kind?: "line" | "area" | "band-low" | "band-high" | "mark";
  readonly tone?: "main" | "second" | "good" | "warn" | "bad" | "calm";
}

export interface ChartProps {
  /** A sentence: what the chart shows. */
  readonly label: string;
  /** Seconds since 1970 UTC, growing. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height?: number;
  readonly format?: (value: number) => string;
}
