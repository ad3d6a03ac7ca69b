/**
 * What panes must give, from the raw rows: every row that counted is kept, and at the end each window is worked out
 * from its rows alone. No pane, no partial, no table; exact values are bigints. Only a compensated sum of doubles
 * follows the kernel's rule of merging, which is part of its definition: rows of a minute in order of arrival,
 * minutes of a whole hour, hours and other minutes of the window.
 */
import type { Aggregate, PaneOptions } from "../../core/kernel-aggregate.ts";
import {
  bitsOf,
  estimateModel,
  hashDecimal,
  hashDouble,
  hashInteger,
  hashText,
  quantilesModel,
} from "./sketch-model.ts";

export type Value = bigint | number | Uint8Array | null;

export interface PaneRow {
  readonly key: string; // hex
  readonly timeUs: bigint;
  readonly partition: number;
  readonly offset: bigint;
  readonly values: readonly Value[];
}

interface CountedRow extends PaneRow {
  readonly watermarkUs: bigint | null;
  /** Of sessions: which stretch of its key it fell into. */
  readonly stretch: Stretch | null;
}

interface Stretch {
  start: bigint;
  end: bigint;
}

const MINUTE = 60_000_000n;
const HOUR = 3_600_000_000n;
const FARTHEST = 1n << 60n;
const LIMIT = 10n ** 38n;

const floor = (a: bigint, b: bigint): bigint => (a - (((a % b) + b) % b)) / b;

export class PaneModel {
  readonly #options: PaneOptions;
  readonly #rows: CountedRow[] = [];
  readonly #stretches = new Map<string, Stretch[]>();
  readonly #latenessUs: bigint;
  #watermarkUs: bigint | null = null;

  constructor(options: PaneOptions) {
    this.#options = options;
    this.#latenessUs = BigInt(options.latenessMs ?? 0) * 1000n;
  }

  /** @returns the status: 0 counted, 1 partly, 2 late, 3 beyond the horizon */
  add(row: PaneRow, horizonUs: bigint): number {
    const { timeUs } = row;
    if (timeUs >= horizonUs || timeUs > FARTHEST || timeUs < -FARTHEST) return 3;
    const watermarkUs = this.#watermarkUs;
    if (this.#options.window.kind === "session") {
      if (watermarkUs !== null && timeUs < watermarkUs - this.#latenessUs) return 2;
      this.#rows.push({ ...row, watermarkUs, stretch: this.#stretchOf(row) });
      return 0;
    }
    const { sizeUs, hopUs } = this.#grid();
    // the windows of a row begin at multiples of the hop in (time - size, time]
    const lastEnd = floor(timeUs, hopUs) * hopUs + sizeUs;
    const firstEnd = (floor(timeUs - sizeUs, hopUs) + 1n) * hopUs + sizeUs;
    const isOpen = (end: bigint): boolean => watermarkUs === null || watermarkUs < end + this.#latenessUs;
    if (!isOpen(lastEnd)) return 2;
    this.#rows.push({ ...row, watermarkUs, stretch: null });
    return isOpen(firstEnd) ? 0 : 1;
  }

  advance(watermarkUs: bigint): void {
    const bounded =
      watermarkUs > 2n * FARTHEST
        ? 2n * FARTHEST
        : watermarkUs < -2n * FARTHEST
          ? -2n * FARTHEST
          : watermarkUs;
    if (this.#watermarkUs === null || bounded > this.#watermarkUs) this.#watermarkUs = bounded;
  }

  /** Every result that must be out by now, in order, as text. */
  results(): readonly string[] {
    const found = this.#options.window.kind === "session" ? this.#sessions() : this.#windows();
    return found
      .sort((a, b) => (a.end < b.end ? -1 : a.end > b.end ? 1 : a.key < b.key ? -1 : 1))
      .map(({ start, end, key, rows }) => `${start} ${end} ${key}: ${this.#aggregate(start, end, rows)}`);
  }

  #grid(): { sizeUs: bigint; hopUs: bigint } {
    const { window } = this.#options;
    if (window.kind === "session") return { sizeUs: BigInt(window.gapMs) * 1000n, hopUs: 0n };
    const hop = window.kind === "hopping" ? window.hopMinutes : window.sizeMinutes;
    return { sizeUs: BigInt(window.sizeMinutes) * MINUTE, hopUs: BigInt(hop) * MINUTE };
  }

  #windows(): { start: bigint; end: bigint; key: string; rows: CountedRow[] }[] {
    const { sizeUs, hopUs } = this.#grid();
    const windows = new Map<string, { start: bigint; end: bigint; key: string; rows: CountedRow[] }>();
    const watermarkUs = this.#watermarkUs;
    if (watermarkUs === null) return [];
    for (const row of this.#rows) {
      for (let start = floor(row.timeUs, hopUs) * hopUs; start > row.timeUs - sizeUs; start -= hopUs) {
        const end = start + sizeUs;
        if (row.watermarkUs !== null && row.watermarkUs >= end + this.#latenessUs) continue;
        if (watermarkUs < end + this.#latenessUs) continue;
        const name = `${end} ${row.key}`;
        const window = windows.get(name) ?? { start, end, key: row.key, rows: [] };
        window.rows.push(row);
        windows.set(name, window);
      }
    }
    return [...windows.values()];
  }

  #sessions(): { start: bigint; end: bigint; key: string; rows: CountedRow[] }[] {
    const gapUs = this.#grid().sizeUs;
    const watermarkUs = this.#watermarkUs;
    const byKey = Map.groupBy(this.#rows, ({ key }) => key);
    return [...byKey].flatMap(([key, rows]) => {
      const sessions: CountedRow[][] = [];
      let last: bigint | null = null;
      for (const row of rows.toSorted((a, b) => (a.timeUs < b.timeUs ? -1 : a.timeUs > b.timeUs ? 1 : 0))) {
        if (last === null || row.timeUs - last > gapUs) sessions.push([]);
        sessions.at(-1)!.push(row);
        last = row.timeUs;
      }
      return sessions
        .map((session) => ({
          start: session[0]!.timeUs,
          end: session.at(-1)!.timeUs + gapUs,
          key,
          rows: rows.filter((row) => session.includes(row)), // in order of arrival
        }))
        .filter(({ end }) => watermarkUs !== null && watermarkUs > end + this.#latenessUs);
    });
  }

  #stretchOf({ key, timeUs }: PaneRow): Stretch {
    const gapUs = this.#grid().sizeUs;
    const all = this.#stretches.get(key) ?? [];
    this.#stretches.set(key, all);
    const inside = all.find(({ start, end }) => start <= timeUs && timeUs <= end);
    if (inside) return inside;
    const left = all
      .filter(({ end }) => end < timeUs && timeUs - end <= gapUs)
      .sort((a, b) => (a.end < b.end ? 1 : -1))[0];
    if (left) {
      left.end = timeUs;
      return left;
    }
    const right = all.find(({ start }) => start > timeUs && start - timeUs <= gapUs);
    if (right) {
      right.start = timeUs;
      return right;
    }
    const made = { start: timeUs, end: timeUs };
    all.push(made);
    return made;
  }

  #aggregate(start: bigint, end: bigint, rows: readonly CountedRow[]): string {
    return this.#options.aggregates
      .map((aggregate) => {
        const { column } = aggregate;
        if (column === undefined) return String(rows.length);
        const some = rows.filter((row) => row.values[column] !== null);
        if (aggregate.kind === "count") return String(some.length);
        if (aggregate.kind === "distinct") return showNumber(this.#distinct(aggregate, some));
        if (some.length === 0) return "null";
        return this.#valueOf(aggregate, column, some, start, end);
      })
      .join(" ");
  }

  #distinct(aggregate: Aggregate & { kind: "distinct" }, rows: readonly CountedRow[]): number {
    const type = this.#options.columns[aggregate.column]!;
    const hashes = rows.map((row) => {
      const value = row.values[aggregate.column]!;
      if (value instanceof Uint8Array) return hashText(value);
      if (typeof value === "number") return hashDouble(value);
      return type === "decimal" ? hashDecimal(value) : hashInteger(value);
    });
    return estimateModel(hashes, aggregate.indexBits ?? 12);
  }

  #valueOf(
    aggregate: Aggregate,
    column: number,
    rows: readonly CountedRow[],
    start: bigint,
    end: bigint,
  ): string {
    const values = rows.map((row) => row.values[column]!) as (bigint | number)[];
    switch (aggregate.kind) {
      case "sum": {
        if (this.#options.columns[column] === "double")
          return showNumber(this.#doubleSum(rows, column, start, end));
        const sum = (values as bigint[]).reduce((before, value) => before + value, 0n);
        if (this.#options.columns[column] === "integer") return String(sum);
        return sum >= LIMIT || sum <= -LIMIT ? "overflow" : String(sum);
      }
      case "min":
        return show(values.toSorted(compareValues)[0]!);
      case "max":
        return show(values.toSorted(compareValues).at(-1)!);
      case "first":
      case "last": {
        const sign = aggregate.kind === "first" ? 1 : -1;
        const [best] = rows.toSorted(
          (a, b) =>
            sign * comparePlaces(a, b) ||
            compareValues(a.values[column] as number, b.values[column] as number),
        );
        return show(best!.values[column] as bigint | number);
      }
      case "quantiles":
        return quantilesModel(values.map(Number), aggregate.shares, aggregate.binsMost ?? 2048)
          .map(showNumber)
          .join(",");
      default:
        throw new Error(`no model of ${aggregate.kind}`);
    }
  }

  #doubleSum(rows: readonly CountedRow[], column: number, start: bigint, end: bigint): number {
    const sumOf = (some: readonly CountedRow[]): Compensated =>
      some.reduce((sum, row) => addDouble(sum, row.values[column] as number), ZERO);
    if (this.#options.window.kind === "session") {
      const stretches = [...new Set(rows.map((row) => row.stretch!))].sort((a, b) =>
        a.start < b.start ? -1 : 1,
      );
      return total(
        stretches.map((one) => sumOf(rows.filter((row) => row.stretch === one))).reduce(merge, ZERO),
      );
    }
    const byMinute = Map.groupBy(rows, (row) => floor(row.timeUs, MINUTE) * MINUTE);
    const minutes = [...byMinute.keys()].sort((a, b) => (a < b ? -1 : 1));
    const pieces: Compensated[] = [];
    const wholeHours = new Set<bigint>();
    for (const minute of minutes) {
      const hour = floor(minute, HOUR) * HOUR;
      if (hour >= start && hour + HOUR <= end) {
        if (wholeHours.has(hour)) continue;
        wholeHours.add(hour);
        const inside = minutes.filter((one) => one >= hour && one < hour + HOUR);
        pieces.push(inside.map((one) => sumOf(byMinute.get(one)!)).reduce(merge, ZERO));
      } else {
        pieces.push(sumOf(byMinute.get(minute)!));
      }
    }
    return total(pieces.reduce(merge, ZERO));
  }
}

interface Compensated {
  readonly sum: number;
  readonly lost: number;
}

const ZERO: Compensated = { sum: 0, lost: 0 };

/** Neumaier 1974. */
function addDouble({ sum, lost }: Compensated, value: number): Compensated {
  const next = sum + value;
  const small = Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
  return { sum: next, lost: lost + small };
}

function merge(a: Compensated, b: Compensated): Compensated {
  const { sum, lost } = addDouble(a, b.sum);
  return { sum, lost: lost + b.lost };
}

function total({ sum, lost }: Compensated): number {
  return Number.isFinite(sum) ? sum + lost : sum;
}

/** SQL's order of doubles: -0 before 0, NaN last. */
function compareValues(a: bigint | number, b: bigint | number): number {
  if (typeof a === "number" && typeof b === "number") {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    if (a === b) return Number(Object.is(b, -0)) - Number(Object.is(a, -0));
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function comparePlaces(a: CountedRow, b: CountedRow): number {
  if (a.timeUs !== b.timeUs) return a.timeUs < b.timeUs ? -1 : 1;
  if (a.partition !== b.partition) return a.partition - b.partition;
  return a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0;
}

/** Bit for bit; one NaN for all. */
export function showNumber(value: number): string {
  return Number.isNaN(value) ? "NaN" : `${value}#${bitsOf(value).toString(16)}`;
}

export function show(value: bigint | number): string {
  return typeof value === "bigint" ? String(value) : showNumber(value);
}
