/** Boxes and arrows from left to right. Colour says how a box is, and so does a line of its text. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import { placeInLayers, type Placed } from "./graph-layout.ts";
import type { Tone } from "./badge.ts";

const BOX = { width: 190, height: 66 };
const GAP = { x: 110, y: 20 };
const PAD = 6;
/** Of the lowest point of the control of an arrow that goes around below, beneath the boxes; each has its own. */
const LANE = { first: 36, next: 26 };
const NAME_LENGTH = 25;

export interface FlowBox {
  readonly id: string;
  readonly title: string;
  readonly lines: readonly string[];
  readonly tone: Tone;
}

export interface FlowEdge {
  readonly from: string;
  readonly to: string;
  readonly label?: string;
  /** Against the order: it does not decide where boxes stand. */
  readonly isBack?: boolean;
  /** 0 to 1: how thick. */
  readonly weight?: number;
}

interface FlowGraphProps {
  /** A sentence. */
  readonly label: string;
  readonly boxes: readonly FlowBox[];
  readonly edges: readonly FlowEdge[];
}

export const FlowGraph: FunctionComponent<FlowGraphProps> = ({ label, boxes, edges }) => {
  const placed = placeInLayers(
    boxes.map(({ id }) => id),
    edges.filter((edge) => edge.isBack !== true),
  );
  const at = new Map(placed.map((one) => [one.id, one]));
  const layers = Math.max(0, ...placed.map(({ layer }) => layer)) + 1;
  const rows = Math.max(0, ...placed.map(({ row }) => row)) + 1;
  const around = edges.filter(({ from, to }) => goesAround(at.get(from), at.get(to)));
  const width = layers * (BOX.width + GAP.x) - GAP.x + 2 * PAD;
  const lowest = PAD + rows * (BOX.height + GAP.y) - GAP.y;
  const depth = around.length === 0 ? 0 : LANE.first + LANE.next * (around.length - 1);
  const height = lowest + depth + PAD;
  return html`
    <div class="graph-frame" role="region" aria-label=${label} tabindex="0">
      <svg
        class="graph"
        viewBox="0 0 ${width} ${height}"
        width=${width}
        height=${height}
        role="img"
        aria-label=${label}
      >
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerUnits="userSpaceOnUse"
            markerWidth="11"
            markerHeight="11"
            orient="auto"
          >
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        ${edges.map((edge) => line(edge, [at.get(edge.from), at.get(edge.to)], [lowest, around.indexOf(edge)]))}
        ${boxes.map((box) => shown(box, at.get(box.id)!))}
      </svg>
    </div>
  `;
};

function shown({ id, title, lines, tone }: FlowBox, { layer, row }: Placed): Content {
  const [x, y] = corner(layer, row);
  return html`<g key=${id} data-tone=${tone} class="box">
    <title>${title}</title>
    <rect x=${x} y=${y} width=${BOX.width} height=${BOX.height} rx="7" />
    <text x=${x + 11} y=${y + 22} class="name">${cut(title)}</text>
    ${lines.slice(0, 2).map((text, i) => html`<text x=${x + 11} y=${y + 40 + 16 * i}>${cut(text)}</text>`)}
  </g>`;
}

function line(
  { label, weight = 0, ...ends }: FlowEdge,
  [from, to]: readonly [Placed | undefined, Placed | undefined],
  [lowest, lane]: readonly [lowest: number, lane: number],
): Content {
  if (!from || !to) return null;
  const [fromX, fromY] = corner(from.layer, from.row);
  const [toX, toY] = corner(to.layer, to.row);
  const middle = BOX.height / 2;
  const style = { strokeWidth: `${1.2 + 3.8 * weight}px` };
  const key = `${ends.from}→${ends.to}`;
  if (goesAround(from, to)) {
    const low = lowest + LANE.first + LANE.next * lane;
    const [startX, endX] = [fromX + BOX.width * 0.72, toX + BOX.width * 0.28];
    const [startY, endY] = [fromY + BOX.height, toY + BOX.height + 2];
    const path = `M${startX} ${startY} C${startX} ${low} ${endX} ${low} ${endX} ${endY}`;
    // Half way, a cubic curve has gone three quarters of the way to its controls.
    const labelY = (startY + endY) / 8 + low * 0.75 + 4;
    return html`<g key=${key} class="edge"
      ><path d=${path} style=${style} marker-end="url(#arrow)" />${tag(label, (startX + endX) / 2, labelY)}</g
    >`;
  }
  const [x1, y1, x2, y2] = [fromX + BOX.width, fromY + middle, toX - 2, toY + middle];
  const bend = Math.max(24, (x2 - x1) / 2);
  const path = `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  return html`<g key=${key} class="edge"
    ><path
      d=${path}
      style=${style}
      marker-end="url(#arrow)"
    />${tag(label, x1 + GAP.x / 2, y1 + (y2 - y1) * 0.35 - 5)}</g
  >`;
}

function tag(label: string | undefined, x: number, y: number): Content {
  return label ? html`<text class="edge-label" x=${x} y=${y} text-anchor="middle">${label}</text>` : null;
}

/** Back, within the layer, or past a layer, whose boxes it would cross: below all boxes. */
function goesAround(from: Placed | undefined, to: Placed | undefined): boolean {
  return from !== undefined && to !== undefined && to.layer - from.layer !== 1;
}

function corner(layer: number, row: number): readonly [number, number] {
  return [PAD + layer * (BOX.width + GAP.x), PAD + row * (BOX.height + GAP.y)];
}

function cut(text: string): string {
  return text.length <= NAME_LENGTH ? text : `${text.slice(0, NAME_LENGTH - 1)}…`;
}
