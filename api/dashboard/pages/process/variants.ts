/** The ways that cases took from beginning to end, the most common first. */
import type { FunctionComponent } from "preact";
import { askJson } from "../../api-client.ts";
import { count, duration } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { DataTable } from "../../parts/data-table.ts";
import { Empty } from "../../parts/empty.ts";
import { loaded } from "../../parts/loaded.ts";
import { useResource } from "../../resource.ts";
import { casePath, processPath, type VariantsTold } from "./process-types.ts";

const STEPS_SHOWN = 12;

interface VariantsProps {
  readonly name: string;
  readonly bounds: string;
}

export const Variants: FunctionComponent<VariantsProps> = ({ name, bounds }) => {
  const told = useResource(`variants ${name} ${bounds}`, (signal) =>
    askJson<VariantsTold>(processPath(name, "/variants", bounds), { signal }),
  );
  return html`<section class="card">
    <h2>Variants</h2>
    ${loaded({ of: told, what: "variants", show: (found) => shown(name, found) })}
  </section>`;
};

type Variant = VariantsTold["items"][number];

function shown(name: string, { items, variants, cases }: VariantsTold): Content {
  if (items.length === 0)
    return html`<${Empty} title="No case has begun in this time">Choose another time, or none.<//>`;
  return html`
    <p class="quiet">
      ${count(cases)} cases went ${count(variants)} ways;
      ${items.length < variants ? `the first ${items.length}` : "all"} of them are here.
    </p>
    ${DataTable<Variant>({
      label: "Variants",
      rows: items,
      keyOf: ({ path }) => path.join(" "),
      columns: [
        { title: "cases", isNumber: true, show: (one) => count(one.cases) },
        {
          title: "share",
          isNumber: true,
          show: (one) => `${Math.round((1_000 * one.cases) / cases) / 10} %`,
        },
        { title: "way", show: ({ path }) => wayText(path) },
        { title: "median, first to last", isNumber: true, show: (one) => duration(one.median_ms) },
        {
          title: "for example",
          show: ({ example }) => html`<a href=${casePath(name, example)}>${example}</a>`,
        },
      ],
    })}
  `;
}

/** a → b ×3 → c */
function wayText(path: readonly string[]): string {
  const runs: { name: string; times: number }[] = [];
  for (const name of path) {
    const last = runs.at(-1);
    if (last?.name === name) last.times++;
    else runs.push({ name, times: 1 });
  }
  const texts = runs.map(({ name, times }) => (times === 1 ? name : `${name} ×${times}`));
  return texts.length <= STEPS_SHOWN ? texts.join(" → ") : `${texts.slice(0, STEPS_SHOWN).join(" → ")} → …`;
}
