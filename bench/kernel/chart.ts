/** The operators' costs as a picture and a table, for bench/README.md. */
import { OURS, WAYS, type OperatorRow } from "./operators.ts";

const COLORS = ["#0b7285", "#495057", "#868e96", "#f08c00", "#e03131"];
const WIDTH = 760;
const LEFT = 160;
const BAR = 15;
const GAP = 22;

/** Bars on a logarithmic scale: CPU ns an event, shorter is better. */
export function drawOperators(rows: readonly OperatorRow[]): string {
  const ways = [OURS, ...WAYS].filter((way) => rows[0]!.ns.has(way));
  const greatest = Math.max(...rows.flatMap(({ ns }) => [...ns.values()]));
  const scale = (WIDTH - LEFT - 90) / Math.log10(greatest);
  const parts: string[] = [];
  let y = 40;
  ways.forEach((way, i) => {
    const x = LEFT + i * 120;
    parts.push(`<rect x="${x}" y="10" width="10" height="10" fill="${COLORS[i]}"/>`);
    parts.push(`<text x="${x + 15}" y="19">${way}</text>`);
  });
  for (const { name, ns } of rows) {
    parts.push(
      `<text x="${LEFT - 10}" y="${y + (ways.length * BAR) / 2 + 4}" text-anchor="end">${name}</text>`,
    );
    ways.forEach((way, i) => {
      const value = ns.get(way)!;
      const width = Math.max(1, Math.log10(value) * scale);
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 3}" fill="${COLORS[i]}"/>`,
        `<text x="${(LEFT + width + 5).toFixed(1)}" y="${y + 10}">${label(value)}</text>`,
      );
      y += BAR;
    });
    y += GAP;
  }
  const style = "font:11px system-ui,sans-serif;fill:#212529";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}">`,
    `<title>Operators of the kernel: CPU ns an event, logarithmic, shorter is better</title>`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    `<g style="${style}">`,
    ...parts,
    `</g>`,
    `</svg>`,
    ``,
  ].join("\n");
}

function label(value: number): string {
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");
}

/** A table in Markdown: ns an event, and how many times the kernel's in brackets. */
export function tableOfOperators(rows: readonly OperatorRow[]): string {
  const ways = WAYS.filter((way) => rows[0]!.ns.has(way));
  const lines = rows.map(({ name, ns }) => {
    const ours = ns.get(OURS)!;
    const cells = ways.map((way) => `${label(ns.get(way)!)} (${(ns.get(way)! / ours).toFixed(2)})`);
    return `| ${[name, label(ours), ...cells].join(" | ")} |`;
  });
  return [`| | ${[OURS, ...ways].join(" | ")} |`, `|---|${"---:|".repeat(ways.length + 1)}`, ...lines].join(
    "\n",
  );
}
