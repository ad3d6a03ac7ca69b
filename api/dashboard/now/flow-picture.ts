/** The river: what comes in, waits, lands, and where the arms go. Widths follow the rates; every box is a way on. */
import { signal } from "@preact/signals";
import type { FunctionComponent, VNode } from "preact";
import { count, duration, rate } from "../format.ts";
import { html } from "../html.ts";
import type { NowValue } from "../live/live-types.ts";

interface Place {
  readonly x: number;
  readonly y: number;
}
type Name = "doors" | "log" | "landing" | "lake" | "duplicates" | "dead";

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxWidth: number;
  readonly boxHeight: number;
  readonly places: Readonly<Record<Name, Place>>;
  readonly isUpright: boolean;
}

const WIDE: Layout = {
  width: 1080,
  height: 290,
  boxWidth: 190,
  boxHeight: 86,
  places: {
    doors: { x: 0, y: 102 },
    log: { x: 250, y: 102 },
    landing: { x: 500, y: 102 },
    lake: { x: 890, y: 102 },
    duplicates: { x: 890, y: 0 },
    dead: { x: 890, y: 204 },
  },
  isUpright: false,
};
const TALL: Layout = {
  width: 360,
  height: 680,
  boxWidth: 172,
  boxHeight: 84,
  places: {
    doors: { x: 94, y: 0 },
    log: { x: 94, y: 140 },
    landing: { x: 94, y: 280 },
    duplicates: { x: 0, y: 440 },
    dead: { x: 188, y: 440 },
    lake: { x: 94, y: 592 },
  },
  isUpright: true,
};

const narrow = matchMedia("(max-width: 760px)");
const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", () => (isNarrow.value = narrow.matches));

/** A box: what stands in it, and where it leads. */
interface Box {
  readonly name: Name;
  readonly title: string;
  readonly href: string;
  readonly figure: string;
  readonly about: string;
  readonly tone?: "bad" | "warn" | undefined;
}

export const FlowPicture: FunctionComponent<{ readonly now: NowValue }> = ({ now }) => {
  const layout = isNarrow.value ? TALL : WIDE;
  const { rates, totals } = now;
  const through = Math.max(rates.accepted, rates.landed + rates.duplicates + rates.dead_letters);
  const arms: readonly (readonly [Name, Name, number, string])[] = [
    ["doors", "log", rates.accepted, "main"],
    ["log", "landing", through, "main"],
    ["landing", "lake", rates.landed, "main"],
    ["landing", "duplicates", rates.duplicates, "second"],
    ["landing", "dead", rates.dead_letters, totals.dead_letters > 0 ? "bad" : "second"],
  ];
  const sentence =
    `${rate(rates.accepted)} events a second come in, ${rate(rates.landed)} land, ${rate(rates.duplicates)} are ` +
    `duplicates, ${rate(rates.dead_letters)} become dead letters; ${count(totals.in_flight)} are in flight.`;
  return html`
    <svg class="flow" viewBox="0 0 ${layout.width} ${layout.height}" role="group" aria-label=${sentence}>
      ${arms.map(([from, to, perSecond, tone]) => arm(layout, from, to, perSecond, tone))}
      ${boxesOf(now).map((box) => boxOf(layout, box))}
    </svg>
  `;
};

function boxesOf({ rates, totals, lag_ms: lagMs, last_commit: last, as_of: asOf }: NowValue): readonly Box[] {
  const sinceMs = last ? Math.max(0, Date.parse(asOf) - Date.parse(last.at)) : undefined;
  const isFlowing = rates.accepted > 0;
  return [
    {
      name: "doors",
      title: "Doors",
      href: "/system",
      figure: `${rate(rates.accepted)}/s`,
      about: `${count(totals.accepted)} accepted`,
    },
    { name: "log", title: "Log", href: "/live", figure: count(totals.in_flight), about: "events in flight" },
    {
      name: "landing",
      title: "Landing",
      href: "/live",
      figure: lagMs === 0 ? "no lag" : duration(lagMs),
      about: lagMs === 0 ? "nothing waits" : "the oldest waits",
      tone: lagMs > 60_000 ? "bad" : lagMs > 10_000 ? "warn" : undefined,
    },
    {
      name: "lake",
      title: "Lake",
      href: "/tables",
      figure: `${rate(rates.landed)}/s`,
      about:
        sinceMs === undefined
          ? "no commit yet"
          : `last commit ${isFlowing && sinceMs < 2_000 ? "now" : `${duration(sinceMs)} ago`}`,
    },
    {
      name: "duplicates",
      title: "Duplicates",
      href: "/live?fate=duplicate",
      figure: `${rate(rates.duplicates)}/s`,
      about: `${count(totals.duplicates)} known`,
    },
    {
      name: "dead",
      title: "Dead letters",
      href: "/dead-letters",
      figure: `${rate(rates.dead_letters)}/s`,
      about: `${count(totals.dead_letters)} kept`,
      tone: rates.dead_letters > 0 ? "bad" : undefined,
    },
  ];
}

function boxOf({ places, boxWidth, boxHeight }: Layout, box: Box): VNode {
  const { x, y } = places[box.name];
  return html`
    <a href=${box.href} class="flow-box" data-tone=${box.tone} data-box=${box.name}>
      <rect x=${x + 1} y=${y + 1} width=${boxWidth - 2} height=${boxHeight - 2} rx="10" />
      <text x=${x + 16} y=${y + 25} class="flow-title">${box.title}</text>
      <text x=${x + 16} y=${y + 53} class="flow-figure">${box.figure}</text>
      <text x=${x + 16} y=${y + 73} class="flow-about">${box.about}</text>
    </a>
  `;
}

function arm(layout: Layout, from: Name, to: Name, perSecond: number, tone: string): VNode {
  const { boxWidth, boxHeight, isUpright, places } = layout;
  const [a, b] = [places[from], places[to]];
  const start = isUpright
    ? { x: a.x + boxWidth / 2, y: a.y + boxHeight }
    : { x: a.x + boxWidth, y: a.y + boxHeight / 2 };
  const end = isUpright ? { x: b.x + boxWidth / 2, y: b.y } : { x: b.x, y: b.y + boxHeight / 2 };
  const [middleX, middleY] = [(start.x + end.x) / 2, (start.y + end.y) / 2];
  const bend = isUpright
    ? `C${start.x} ${middleY} ${end.x} ${middleY} ${end.x} ${end.y}`
    : `C${middleX} ${start.y} ${middleX} ${end.y} ${end.x} ${end.y}`;
  const d = `M${start.x} ${start.y}${bend}`;
  const width = perSecond <= 0 ? 1.5 : Math.min(26, 3 + 5 * Math.log10(1 + perSecond));
  const speed = perSecond <= 0 ? "still" : perSecond < 10 ? "slow" : perSecond < 1_000 ? "swift" : "fast";
  return html`<g class="flow-arm" data-tone=${tone} data-speed=${speed} aria-hidden="true">
    <path d=${d} class="bed" stroke-width=${width.toFixed(1)} />
    <path d=${d} class="water" />
  </g>`;
}
