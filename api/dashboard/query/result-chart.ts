/** A quick picture of an answer: lines over time, bars over anything else. Which columns stands in the address. */
import type { FunctionComponent } from "preact";
import { useMemo } from "preact/hooks";
import { count, msOf } from "../format.ts";
import { html } from "../html.ts";
import { Chart } from "../parts/chart.ts";
import type { Series } from "../parts/chart-props.ts";
import { Empty } from "../parts/empty.ts";
import { filterOf, setFilters } from "../router.ts";
import type { QueryAnswer, ResultColumn } from "./query-answer.ts";
import { isNumeric, isTime, valueText } from "./result-value.ts";
import { ValueBars } from "./value-bars.ts";

const SERIES_MAX = 4;
const TONES = ["main", "second", "good", "bad"] as const;

export const ResultChart: FunctionComponent<{ readonly answer: QueryAnswer }> = ({ answer }) => {
  const { columns } = answer;
  const x = chosenX(columns, filterOf("x"));
  const ys = chosenYs(columns, x, filterOf("y"));
  if (x < 0 || ys.length === 0)
    return html`<${Empty} title="No column of numbers">
      A chart takes one column for the places and one of numbers for the heights, for example${" "}
      <code>SELECT country, count(*) AS orders … GROUP BY country</code>.
    <//>`;
  return html`
    <div class="chart-fields">
      <${Pick}
        id="chart-x"
        label="Along"
        columns=${columns}
        value=${columns[x]!.name}
        onPick=${(name: string) => setFilters({ x: name })}
      />
      <${Pick}
        id="chart-y"
        label="Height"
        columns=${columns.filter(({ type }) => isNumeric(type))}
        value=${ys.length === 1 ? columns[ys[0]!]!.name : ""}
        all=${ys.length > 1 ? "all numbers" : undefined}
        onPick=${(name: string) => setFilters({ y: name })}
      />
    </div>
    <${Picture} answer=${answer} x=${x} ys=${ys} />
  `;
};

interface PictureProps {
  readonly answer: QueryAnswer;
  readonly x: number;
  readonly ys: readonly number[];
}

const Picture: FunctionComponent<PictureProps> = ({ answer, x, ys }) => {
  const { columns, rows } = answer;
  const isOverTime = isTime(columns[x]!.type);
  const sorted = useMemo(() => (isOverTime ? overTime(rows, x) : []), [answer, x]);
  const names = ys.map((at) => columns[at]!.name).join(", ");
  if (!isOverTime)
    return html`<${ValueBars}
      label=${`${names} by ${columns[x]!.name}`}
      items=${rows.map((row) => ({ name: valueText(row[x]), value: numberOf(row[ys[0]!]) ?? 0 }))}
    />`;
  const series: readonly Series[] = ys.map((at, nth) => ({
    label: columns[at]!.name,
    values: sorted.map(({ row }) => numberOf(row[at])),
    tone: TONES[nth]!,
  }));
  return html`<${Chart}
    label=${`${names} over ${columns[x]!.name}, ${count(sorted.length)} points`}
    times=${sorted.map(({ seconds }) => seconds)}
    series=${series}
    height=${300}
    format=${(value: number) => count(value)}
  />`;
};

function numberOf(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function overTime(
  rows: QueryAnswer["rows"],
  x: number,
): readonly { readonly seconds: number; readonly row: readonly unknown[] }[] {
  return rows
    .flatMap((row) => {
      const ms = msOf(row[x] as string | null);
      return ms === undefined ? [] : [{ seconds: ms / 1_000, row }];
    })
    .sort((a, b) => a.seconds - b.seconds);
}

function chosenX(columns: readonly ResultColumn[], name: string): number {
  const named = columns.findIndex((column) => column.name === name);
  if (named >= 0) return named;
  const time = columns.findIndex(({ type }) => isTime(type));
  return time >= 0 ? time : columns.length > 0 ? 0 : -1;
}

function chosenYs(columns: readonly ResultColumn[], x: number, name: string): readonly number[] {
  const numbers = columns.flatMap(({ type }, at) => (isNumeric(type) && at !== x ? [at] : []));
  const named = numbers.filter((at) => columns[at]!.name === name);
  if (named.length > 0) return named;
  const isOverTime = x >= 0 && isTime(columns[x]!.type);
  return numbers.slice(0, isOverTime ? SERIES_MAX : 1);
}

interface PickProps {
  readonly id: string;
  readonly label: string;
  readonly columns: readonly ResultColumn[];
  readonly value: string;
  readonly all?: string;
  readonly onPick: (name: string) => void;
}

const Pick: FunctionComponent<PickProps> = ({ id, label, columns, value, all, onPick }) => html`
  <div class="field">
    <label for=${id}>${label}</label>
    <select
      id=${id}
      value=${value}
      onChange=${(event: Event) => onPick((event.target as HTMLSelectElement).value)}
    >
      ${all !== undefined && html`<option value="">${all}</option>`}
      ${columns.map(({ name }) => html`<option value=${name}>${name}</option>`)}
    </select>
  </div>
`;
