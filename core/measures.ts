/**
 * Counts and durations of this process, for `/metrics`. What can be asked when somebody scrapes (a state, a total that
 * a table keeps) is not noted here.
 */
import type { Clock } from "./clock.ts";
import type { CounterName, HistogramName, LabelsOf } from "./metric-catalogue.ts";
import { METRICS } from "./metric-catalogue.ts";
import type { AnySample, Histogram } from "./open-metrics.ts";

/** Series of one metric; labels come from declared names, so more than these are a mistake. */
export const SERIES_MAX = 10_000;

interface Counter {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

interface Distribution {
  readonly labels: Readonly<Record<string, string>>;
  readonly histogram: { readonly counts: number[]; sum: number };
}

export class Measures {
  readonly #counters = new Map<CounterName, Map<string, Counter>>();
  readonly #distributions = new Map<HistogramName, Map<string, Distribution>>();
  #leftOut = 0;

  /** @param by ≥ 0 */
  count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    const counter = this.#seriesOf(this.#counters, name, labels, () => ({ labels, value: 0 }));
    if (counter) counter.value += by;
  }

  /** @param value in the metric's unit */
  observe<Name extends HistogramName>(name: Name, value: number, labels: LabelsOf<Name>): void {
    const bounds: readonly number[] = METRICS[name].bounds;
    const series = this.#seriesOf(this.#distributions, name, labels, () => ({
      labels,
      histogram: { counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 },
    }));
    if (!series) return;
    const { histogram } = series;
    let place = 0;
    while (place < bounds.length && value > bounds[place]!) place++;
    histogram.counts[place]!++;
    histogram.sum += value;
  }

  /** Notes how long `work` took, however it ended. */
  async timed<Name extends HistogramName, Result>(
    name: Name,
    labels: LabelsOf<Name>,
    clock: Pick<Clock, "monotonicMs">,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const startMs = clock.monotonicMs();
    try {
      return await work();
    } finally {
      this.observe(name, (clock.monotonicMs() - startMs) / 1_000, labels);
    }
  }

  samples(): readonly AnySample[] {
    const counted = [...this.#counters].flatMap(([name, series]) =>
      [...series.values()].map(({ labels, value }) => ({ name, labels, value })),
    );
    const distributed = [...this.#distributions].flatMap(([name, series]) =>
      [...series.values()].map(({ labels, histogram }) => ({ name, labels, histogram: copyOf(histogram) })),
    );
    return [...counted, ...distributed, { name: "muara_metrics_left_out", labels: {}, value: this.#leftOut }];
  }

  #seriesOf<Name, Series>(
    all: Map<Name, Map<string, Series>>,
    name: Name,
    labels: Readonly<Record<string, string>>,
    create: () => Series,
  ): Series | undefined {
    let series = all.get(name);
    if (!series) all.set(name, (series = new Map()));
    const key = Object.values(labels).join("\n");
    const known = series.get(key);
    if (known) return known;
    if (series.size >= SERIES_MAX) {
      this.#leftOut++;
      return undefined;
    }
    const created = create();
    series.set(key, created);
    return created;
  }
}

function copyOf({ counts, sum }: Distribution["histogram"]): Histogram {
  return { counts: [...counts], sum };
}
