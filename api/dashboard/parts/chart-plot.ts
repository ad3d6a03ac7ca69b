/** uPlot in our colours. It draws on a canvas, which knows no style sheet: colours are read from the page's tokens. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { utcClock } from "../format.ts";
import type { ChartProps, Series } from "./chart-props.ts";

export interface Drawn {
  readonly update: (props: ChartProps) => void;
  /** Puts the cursor on a value. */
  readonly pointAt: (index: number) => void;
  readonly destroy: () => void;
}

const TONES = {
  main: "--main",
  second: "--second",
  good: "--good",
  warn: "--warn",
  bad: "--bad",
  calm: "--quiet",
};
const DEFAULT_HEIGHT = 220;

export function draw(place: HTMLElement, first: ChartProps): Drawn {
  let props = first;
  let plot = make(place, props);
  const resize = new ResizeObserver(() => plot.setSize(sizeOf(place, props)));
  resize.observe(place);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = (): void => {
    plot.destroy();
    plot = make(place, props);
  };
  scheme.addEventListener("change", redraw);
  return {
    update: (next) => {
      props = next;
      plot.setData(dataOf(next));
    },
    pointAt: (index) => {
      const left = plot.valToPos(props.times[index]!, "x");
      plot.setCursor({ left, top: plot.height / 3 });
    },
    destroy: () => {
      resize.disconnect();
      scheme.removeEventListener("change", redraw);
      plot.destroy();
    },
  };
}

function make(place: HTMLElement, props: ChartProps): uPlot {
  const style = getComputedStyle(place);
  const color = (token: string): string => resolved(place, style, token);
  const axis = {
    stroke: color("--ink-2"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  const format = props.format ?? String;
  const low = props.series.findIndex(({ kind }) => kind === "band-low");
  const high = props.series.findIndex(({ kind }) => kind === "band-high");
  const bands =
    low >= 0 && high >= 0 ? [{ series: [high + 1, low + 1] as [number, number], fill: color("--band") }] : [];
  return new uPlot(
    {
      ...sizeOf(place, props),
      padding: [10, 34, 0, 0],
      legend: { show: props.series.length > 1, live: false },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_plot, min, max) => [Math.min(0, min ?? 0), max > 0 ? max * 1.08 : 1] } },
      axes: [
        {
          ...axis,
          values: (_plot, seconds) => seconds.map((one) => axisTime(one, seconds)),
          space: 80,
          size: 30,
        },
        { ...axis, values: (_plot, values) => values.map(format), size: 62 },
      ],
      series: [{}, ...props.series.map((one) => seriesOf(one, color))],
      bands,
    },
    dataOf(props),
    place,
  );
}

function seriesOf(
  { label, kind = "line", tone = "main" }: Series,
  color: (token: string) => string,
): uPlot.Series {
  const stroke = color(TONES[tone]);
  if (kind === "band-low" || kind === "band-high")
    return { label, stroke: color("--quiet"), width: 1, dash: [4, 4], points: { show: false } };
  if (kind === "mark") return { label, stroke, width: 0, points: { show: true, size: 7, fill: stroke } };
  return {
    label,
    stroke,
    width: 2,
    points: { show: false },
    ...(kind === "area" ? { fill: color("--main-soft") } : {}),
  };
}

/** `light-dark()` and the like are for style sheets; a canvas needs the colour that came out. */
function resolved(place: HTMLElement, style: CSSStyleDeclaration, token: string): string {
  const probe = document.createElement("i");
  probe.style.color = style.getPropertyValue(token);
  place.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

/** Seconds only where ticks are that close. */
function axisTime(seconds: number, all: readonly number[]): string {
  const isClose = all.length > 1 && all[1]! - all[0]! < 60;
  return utcClock(seconds * 1_000).slice(0, isClose ? 8 : 5);
}

function dataOf({ times, series }: ChartProps): uPlot.AlignedData {
  return [times, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
}

function sizeOf(
  place: HTMLElement,
  { height = DEFAULT_HEIGHT }: ChartProps,
): { width: number; height: number } {
  return { width: Math.max(200, place.clientWidth), height };
}
