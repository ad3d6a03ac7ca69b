/** Random lives of panes next to their model: declarations, rows, and how both are driven and compared. */
import type { Kernel, Panes } from "../../core/kernel.ts";
import type { Aggregate, PaneColumn, PaneOptions, PaneWindow } from "../../core/kernel-aggregate.ts";
import type { PaneBatch, PaneResults } from "../../core/kernel-panes.ts";
import { hasCode } from "../../core/errors.ts";
import type { Dice } from "./documents.ts";
import { show, showNumber, PaneModel, type PaneRow, type Value } from "./pane-model.ts";
import { same } from "./support.ts";

const MINUTE_MS = 60_000;
const ALL_COLUMNS: readonly PaneColumn[] = ["integer", "double", "decimal", "text"];
export const FOREVER_US = 2n ** 63n - 1n;

/** Rows as the columns of a batch, keys and texts in one buffer. */
export function toBatch(rows: readonly PaneRow[], columns: readonly PaneColumn[]): PaneBatch {
  const parts: Uint8Array[] = [];
  let used = 0;
  const put = (bytes: Uint8Array): [number, number] => {
    parts.push(bytes);
    used += bytes.length;
    return [used - bytes.length, bytes.length];
  };
  const keys = rows.flatMap(({ key }) => put(Uint8Array.from(Buffer.from(key, "hex"))));
  const values = columns.map((column, c) => {
    const all = rows.map((row) => row.values[c]!);
    const nulls = Uint8Array.from(all, (value) => (value === null ? 1 : 0));
    if (column === "text") {
      const places = all.flatMap((value) => (value instanceof Uint8Array ? put(value) : [7_777_777, 3]));
      return { values: Uint32Array.from(places), nulls };
    }
    if (column === "double") {
      return { values: Float64Array.from(all, (value) => (typeof value === "number" ? value : -77)), nulls };
    }
    const integers = all.map((value) => (typeof value === "bigint" ? value : -77n));
    const words = column === "decimal" ? integers.flatMap((value) => [value, value >> 64n]) : integers;
    return { values: BigInt64Array.from(words, (word) => BigInt.asIntN(64, word)), nulls };
  });
  const bytes = new Uint8Array(used);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return {
    count: rows.length,
    bytes,
    keys: Uint32Array.from(keys),
    timesUs: BigInt64Array.from(rows, ({ timeUs }) => timeUs),
    partitions: Uint32Array.from(rows, ({ partition }) => partition),
    offsets: BigInt64Array.from(rows, ({ offset }) => offset),
    columns: values,
  };
}

/** Results as the model spells them. */
export function spell(results: PaneResults, options: PaneOptions): readonly string[] {
  return Array.from({ length: results.count }, (_result, row) => {
    const from = results.keys[row * 2]!;
    const key = Buffer.from(results.keyBytes.subarray(from, from + results.keys[row * 2 + 1]!)).toString(
      "hex",
    );
    const values = options.aggregates.map((_, a) => {
      const { flags, values: found } = results.columns[a]!;
      if (flags[row] === 0) return "null";
      if (flags[row] === 2) return "overflow";
      const width = found.length / results.count;
      const some = found.slice(row * width, (row + 1) * width);
      if (some instanceof Float64Array) return Array.from(some, showNumber).join(",");
      return show(width === 1 ? some[0]! : (some[1]! << 64n) + BigInt.asUintN(64, some[0]!));
    });
    return `${results.startsUs[row]} ${results.endsUs[row]} ${key}: ${values.join(" ")}`;
  });
}

/** Everything that is due, in batches of at most `most`. */
export function drain(panes: Panes, options: PaneOptions, most: number): readonly string[] {
  const found: string[] = [];
  for (;;) {
    const results = panes.release(most);
    if (results === null) return found;
    if (results.count > most) throw new Error("a batch is larger than asked for");
    found.push(...spell(results, options));
  }
}

function randomWindow(dice: Dice): PaneWindow {
  const kind = dice.roll(5);
  if (kind === 0) return { kind: "session", gapMs: dice.pick([1, 900, MINUTE_MS, 30 * MINUTE_MS]) };
  if (kind === 1) return { kind: "tumbling", sizeMinutes: dice.pick([1, 1, 5, 7, 60, 90, 1440]) };
  const sizeMinutes = dice.pick([2, 10, 61, 120, 121, 180, 300, dice.chance(0.2) ? 2880 : 60]);
  const hops = sizeMinutes === 2880 ? [30, 60, 720] : [1, 2, 7, 60, sizeMinutes];
  return { kind: "hopping", sizeMinutes, hopMinutes: Math.min(sizeMinutes, dice.pick(hops)) };
}

function randomAggregate(dice: Dice): Aggregate {
  const column = dice.roll(4);
  const type = ALL_COLUMNS[column]!;
  const kinds = ["count", "sum", "min", "max", "first", "last", "distinct", "quantiles"] as const;
  const kind = type === "text" ? dice.pick(["count", "distinct"] as const) : dice.pick(kinds);
  if (kind === "count") return dice.chance(0.5) ? { kind } : { kind, column };
  if (kind === "sum") return type === "double" ? { kind, column, compensated: true } : { kind, column };
  if (kind === "distinct") return { kind, column, indexBits: dice.pick([4, 6, 8]) };
  if (kind === "quantiles") {
    const shares = dice.pick([[0.5], [0, 1], [0.1, 0.95, 0.99]]);
    return { kind, column: column === 2 ? 0 : column, shares, binsMost: dice.pick([16, 64, 2048]) };
  }
  return { kind, column };
}

function randomOptions(dice: Dice): PaneOptions {
  return {
    window: randomWindow(dice),
    latenessMs: dice.pick([0, 0, 1, 30_000, 5 * MINUTE_MS, 120 * MINUTE_MS]),
    columns: ALL_COLUMNS,
    aggregates: Array.from({ length: 1 + dice.roll(dice.chance(0.1) ? 32 : 4) }, () => randomAggregate(dice)),
  };
}

const INTEGERS = [0n, 1n, -1n, 7n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 123_456n];
const DOUBLES = [0, -0, 1, -1, 0.1, 1e300, -1e300, 5e-324, 1e-310, Infinity, -Infinity, Number.NaN, 1 / 3];
const DECIMALS = [0n, 1n, -1n, 10n ** 38n - 1n, 1n - 10n ** 38n, 2n ** 64n, -(2n ** 64n), 5n * 10n ** 37n];

/** Chooses among few values and among many. */
class RowSource {
  readonly #dice: Dice;
  readonly #keys: readonly string[];
  readonly #spreadUs: number;
  readonly #isTame: boolean;
  #offset = 0n;

  constructor(dice: Dice, spreadUs: number) {
    this.#dice = dice;
    this.#spreadUs = spreadUs;
    this.#isTame = dice.chance(0.5);
    const count = dice.pick([1, 2, 5, 40]);
    const names = ["", "00", "61", "6100", "6161", "ff", "00".repeat(9), "61".repeat(300), "61".repeat(16)];
    this.#keys = Array.from({ length: count }, (_, i) =>
      dice.chance(0.4) ? names[i % names.length]! : Buffer.from(`key ${dice.roll(60)}`).toString("hex"),
    );
  }

  row(nowUs: bigint): PaneRow {
    const dice = this.#dice;
    // skewed: the first key has most rows
    const key = this.#keys[dice.chance(0.5) ? 0 : dice.roll(this.#keys.length)]!;
    this.#offset++;
    return {
      key,
      timeUs: this.#time(nowUs),
      partition: dice.roll(3),
      offset: dice.chance(0.9) ? this.#offset : BigInt(dice.roll(5)) - 2n,
      values: [this.#integer(), this.#double(), this.#decimal(), this.#text()].map((value) =>
        dice.chance(0.1) ? null : value,
      ),
    };
  }

  #time(nowUs: bigint): bigint {
    const dice = this.#dice;
    const jitter = BigInt(Math.floor(dice.roll(1_000_000) * (this.#spreadUs / 1_000_000)));
    if (dice.chance(0.02))
      return dice.pick([2n ** 63n - 1n, -(2n ** 63n), nowUs + 10n ** 13n, 2n ** 60n + 1n]);
    if (dice.chance(0.1)) return nowUs; // equal times
    return dice.chance(0.7) ? nowUs + jitter / 8n : nowUs - jitter;
  }

  #integer(): Value {
    const dice = this.#dice;
    if (this.#isTame) return BigInt(dice.roll(1000));
    return dice.chance(0.5) ? dice.pick(INTEGERS) : BigInt(dice.roll(1_000_000)) * 1_234_567n;
  }

  #double(): Value {
    const dice = this.#dice;
    if (this.#isTame) return dice.roll(100_000) / 100;
    return dice.chance(0.3) ? dice.pick(DOUBLES) : (dice.roll(1e9) - 5e8) * 10 ** (dice.roll(30) - 15);
  }

  #decimal(): Value {
    const dice = this.#dice;
    if (this.#isTame) return BigInt(dice.roll(1_000_000)) - 500_000n;
    return dice.chance(0.5) ? dice.pick(DECIMALS) : BigInt(dice.roll(1e9)) * 10n ** BigInt(dice.roll(29));
  }

  #text(): Value {
    return Uint8Array.from(Buffer.from(`text ${this.#dice.roll(this.#isTame ? 5 : 1000)}`));
  }
}

/** What a history met, to tell that nothing of it is never met. */
export interface HistoryTally {
  results: number;
  partly: number;
  late: number;
  beyond: number;
  refused: number;
  restored: number;
}

export function emptyTally(): HistoryTally {
  return { results: 0, partly: 0, late: 0, beyond: 0, refused: 0, restored: 0 };
}

/** One random life. A second operator gets the same rows in other batches. */
export function live(kernel: Kernel, dice: Dice, context: string, tally: HistoryTally): void {
  new PaneLife(kernel, dice, context, tally).live();
}

class PaneLife {
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  readonly #context: string;
  readonly #tally: HistoryTally;
  readonly #base: PaneOptions;
  readonly #options: PaneOptions;
  readonly #isTight: boolean;
  readonly #model: PaneModel;
  readonly #spreadUs: number;
  readonly #source: RowSource;
  readonly #recent: PaneRow[] = [];
  readonly #found: string[] = [];
  readonly #foundOther: string[] = [];
  readonly #other: Panes | null;
  #panes: Panes;
  #nowUs: bigint;

  constructor(kernel: Kernel, dice: Dice, context: string, tally: HistoryTally) {
    this.#kernel = kernel;
    this.#dice = dice;
    this.#context = context;
    this.#tally = tally;
    this.#base = randomOptions(dice);
    this.#isTight = dice.chance(0.25);
    const free = kernel.createPanes(this.#base);
    const maxBytes = free.bytes + 500 + dice.roll(20_000);
    free.destroy();
    this.#options = this.#isTight ? { ...this.#base, maxBytes } : this.#base;
    this.#panes = kernel.createPanes(this.#options);
    this.#other = this.#isTight ? null : kernel.createPanes(this.#base);
    this.#model = new PaneModel(this.#base);
    this.#spreadUs = dice.pick([1e3, 1e6, 90e6, 3e9, 2e10]);
    const starts = [0n, -3_600_000_000n, 1_767_225_600_000_000n, -315_619_200_000_000n, 59_999_999n];
    this.#nowUs = dice.pick(starts);
    this.#source = new RowSource(dice, this.#spreadUs);
  }

  live(): void {
    const { maxBytes = Infinity } = this.#options;
    for (let step = 0; step < 14; step++) {
      const action = this.#dice.roll(10);
      if (action < 6) this.#add();
      else if (action < 9) this.#advance();
      else this.#restore();
      // a restore may take an eighth more
      if (this.#panes.bytes > maxBytes * 1.125 + 1024) throw new Error(`${this.#context}: over the budget`);
    }
    const wanted = this.#model.results();
    this.#tally.results += wanted.length;
    same(this.#found, wanted, this.#context);
    if (this.#other) {
      same(this.#foundOther, wanted, `${this.#context}, batched in another way`);
      const isEqual = Buffer.compare(this.#panes.snapshot(), this.#other.snapshot()) === 0;
      same(isEqual, true, `${this.#context}: equal state, equal image`);
      this.#other.destroy();
    }
    this.#panes.destroy();
  }

  #add(): void {
    const dice = this.#dice;
    const count = dice.pick([0, 1, 3, 12, dice.chance(0.05) ? 300 : 20]);
    const rows = Array.from({ length: count }, () =>
      dice.chance(0.1) && this.#recent.length > 0 ? dice.pick(this.#recent) : this.#source.row(this.#nowUs),
    );
    this.#recent.push(...rows.slice(0, 5));
    const horizonUs = this.#nowUs + dice.pick([10n ** 12n, 10n ** 12n, 1n, 2n ** 62n]);
    const statuses = this.#attempt(rows, horizonUs);
    if (!statuses) return;
    const wanted = rows.map((row) => this.#model.add(row, horizonUs));
    same(Array.from(statuses), wanted, this.#context);
    this.#tally.partly += wanted.filter((status) => status === 1).length;
    this.#tally.late += wanted.filter((status) => status === 2).length;
    this.#tally.beyond += wanted.filter((status) => status === 3).length;
    for (let from = 0; this.#other !== null && from < count;) {
      const to = from + 1 + dice.roll(count - from);
      this.#other.add(toBatch(rows.slice(from, to), this.#base.columns), horizonUs);
      from = to;
    }
    this.#nowUs += BigInt(Math.floor(dice.roll(1000) * (this.#spreadUs / 1500)));
  }

  /** @returns null where the budget refuses the batch */
  #attempt(rows: readonly PaneRow[], horizonUs: bigint): Uint8Array | null {
    const before = this.#isTight ? this.#panes.snapshot() : null;
    try {
      return this.#panes.add(toBatch(rows, this.#base.columns), horizonUs);
    } catch (error) {
      if (!before || !hasCode(error, "kernel.memory")) throw error;
      const isEqual = Buffer.compare(this.#panes.snapshot(), before) === 0;
      same(isEqual, true, `${this.#context}: a refused batch changes nothing`);
      this.#tally.refused++;
      return null;
    }
  }

  #advance(): void {
    const dice = this.#dice;
    const behindUs = BigInt(dice.roll(Math.ceil(this.#spreadUs / 2)));
    const watermarkUs = dice.chance(0.05) ? FOREVER_US : this.#nowUs - behindUs;
    this.#panes.advance(watermarkUs);
    this.#other?.advance(watermarkUs);
    this.#model.advance(watermarkUs);
    const most = dice.pick([1, 2, 7, 1000]);
    if (dice.chance(0.3)) {
      // a restore in the middle of a release goes on where it was
      const some = this.#panes.release(most);
      if (some) this.#found.push(...spell(some, this.#base));
      this.#restore();
    }
    this.#found.push(...drain(this.#panes, this.#base, most));
    if (this.#other) this.#foundOther.push(...drain(this.#other, this.#base, dice.pick([1, 50])));
    same(this.#panes.isPending, false, this.#context);
  }

  #restore(): void {
    this.#panes = restore(this.#kernel, this.#panes, this.#options, this.#context);
    this.#tally.restored++;
  }
}

/** The same panes, made of their image; the old ones are gone. */
function restore(kernel: Kernel, panes: Panes, options: PaneOptions, context: string): Panes {
  const image = panes.snapshot();
  const copy = kernel.restorePanes({ ...options, maxBytes: 2 ** 31 }, image);
  same(Buffer.compare(copy.snapshot(), image), 0, `${context}: an image's image is the same`);
  copy.destroy();
  panes.destroy();
  return kernel.restorePanes(options, image);
}
