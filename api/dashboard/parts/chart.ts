/** A chart over time: drawn by uPlot, which comes when the first chart is shown; the same figures as a table. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { utc } from "../format.ts";
import { html } from "../html.ts";
import type { Drawn } from "./chart-plot.ts";
import type { ChartProps } from "./chart-props.ts";

const ROWS_MAX = 60;

export const Chart: FunctionComponent<ChartProps> = (props) => {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | undefined>(undefined);
  const spoken = useSignal("");
  const at = useRef(-1);
  const latest = useRef(props);
  latest.current = props;
  const shape = props.series.map(({ label, kind, tone }) => `${label}|${kind}|${tone}`).join();
  useEffect(() => {
    let isGone = false;
    const start = async (): Promise<void> => {
      const { draw } = await import("./chart-plot.ts");
      if (!isGone && place.current) drawn.current = draw(place.current, latest.current);
    };
    void start();
    return () => {
      isGone = true;
      drawn.current?.destroy();
      drawn.current = undefined;
    };
  }, [shape]);
  useEffect(() => drawn.current?.update(props), [props.times, props.series]);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined || props.times.length === 0) return;
    event.preventDefault();
    const from = at.current === -1 ? props.times.length : at.current;
    at.current = Math.max(0, Math.min(props.times.length - 1, from + step));
    drawn.current?.pointAt(at.current);
    spoken.value = rowText(props, at.current);
  };
  return html`
    <figure class="chart">
      <div
        class="plot"
        ref=${place}
        role="img"
        aria-label=${props.label}
        tabindex="0"
        onKeyDown=${move}
        style=${{ minHeight: `${props.height ?? 220}px` }}
      ></div>
      <p class="chart-said" aria-live="polite">${spoken}</p>
      <${Figures} ...${props} />
    </figure>
  `;
};

function rowText({ times, series, format = String }: ChartProps, at: number): string {
  const values = series.map(({ label, values: all }) => {
    const value = all[at];
    return `${label} ${value === null || value === undefined ? "–" : format(value)}`;
  });
  return `${utc(times[at]! * 1_000)}: ${values.join(", ")}`;
}

/** Made only when it is opened: it would be drawn anew with every frame. */
const Figures: FunctionComponent<ChartProps> = (props) => {
  const isOpen = useSignal(false);
  const first = Math.max(0, props.times.length - ROWS_MAX);
  return html`
    <details onToggle=${(event: Event) => (isOpen.value = (event.target as HTMLDetailsElement).open)}>
      <summary>The figures</summary>
      ${
        isOpen.value &&
        html`<div class="table-frame" role="region" aria-label="The chart's figures" tabindex="0">
          <table>
            <thead>
              <tr>
                <th scope="col">time, UTC</th>
                ${props.series.map(({ label }) => html`<th scope="col" class="number">${label}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${props.times.slice(first).map(
                (seconds, row) =>
                  html`<tr>
                    <td>${utc(seconds * 1_000)}</td>
                    ${figuresAt(props, first + row).map((text) => html`<td class="number">${text}</td>`)}
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>`
      }
    </details>
  `;
};

function figuresAt({ series, format = String }: ChartProps, at: number): readonly string[] {
  return series.map(({ values }) => {
    const value = values[at];
    return value === null || value === undefined ? "–" : format(value);
  });
}
