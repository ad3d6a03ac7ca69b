/** Boxes and arrows from left to right. Colour says how a box is, and so does a line of its text. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";
import { placeInLayers, type Placed } from "./graph-layout.ts";
import type { Tone } from "./badge.ts";

const BOX = { width: 190, height: 66 };
const GAP = { x: 84, y: 20 };
const PAD = 6;
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
  const hasLoops = edges.some(({ from, to }) => goesBack(at.get(from), at.get(to)));
  const width = layers * (BOX.width + GAP.x) - GAP.x + 2 * PAD;
  const height = rows * (BOX.height + GAP.y) + 2 * PAD + (hasLoops ? 34 : 0);
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
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        ${edges.map((edge) => line(edge, at.get(edge.from), at.get(edge.to)))}
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
  from: Placed | undefined,
  to: Placed | undefined,
): Content {
  if (!from || !to) return null;
  const [fromX, fromY] = corner(from.layer, from.row);
  const [toX, toY] = corner(to.layer, to.row);
  const middle = BOX.height / 2;
  const style = { strokeWidth: `${1.2 + 3.8 * weight}px` };
  const key = `${ends.from}→${ends.to}`;
  if (goesBack(from, to)) {
    // Back, or within the layer: around below.
    const low = Math.max(fromY, toY) + BOX.height + 20;
    const [startX, endX] = [fromX + BOX.width * 0.6, toX + BOX.width * 0.4];
    const path = `M${startX} ${fromY + BOX.height} C${startX} ${low} ${endX} ${low} ${endX} ${toY + BOX.height}`;
    return html`<g key=${key} class="edge"
      ><path
        d=${path}
        style=${style}
        marker-end="url(#arrow)"
      />${tag(label, (startX + endX) / 2, low - 1)}</g
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

function goesBack(from: Placed | undefined, to: Placed | undefined): boolean {
  return from !== undefined && to !== undefined && to.layer <= from.layer;
}

function corner(layer: number, row: number): readonly [number, number] {
  return [PAD + layer * (BOX.width + GAP.x), PAD + row * (BOX.height + GAP.y)];
}

function cut(text: string): string {
  return text.length <= NAME_LENGTH ? text : `${text.slice(0, NAME_LENGTH - 1)}…`;
}
