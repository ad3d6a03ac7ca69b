/**
 * What panes are declared by: a window, the columns of a batch, the aggregates over them; and its binary form, which
 * the kernel reads and a state image repeats.
 */
import { assert } from "./assert.ts";

export type PaneWindow =
  | { readonly kind: "tumbling"; readonly sizeMinutes: number }
  /** Windows of a size begin every `hopMinutes`, at multiples of it since 1970 UTC. */
  | { readonly kind: "hopping"; readonly sizeMinutes: number; readonly hopMinutes: number }
  /** Rows at most the gap apart belong together; a session ends with its last row + gap. */
  | { readonly kind: "session"; readonly gapMs: number };

/** `decimal`: the unscaled integer, up to 38 digits. `text`: UTF-8, only to count and to count different ones. */
export type PaneColumn = "integer" | "double" | "decimal" | "text";

/** Over the values of a column that are not null; a count without one counts rows. */
export type Aggregate =
  | { readonly kind: "count"; readonly column?: number }
  /** Exact for integers and decimals. A double's sum depends on the order of rows, so it has to be asked for. */
  | { readonly kind: "sum"; readonly column: number; readonly compensated?: boolean }
  | { readonly kind: "min" | "max"; readonly column: number }
  /** By event time, then partition, then offset. */
  | { readonly kind: "first" | "last"; readonly column: number }
  /** HyperLogLog: an estimate, its standard error 1.04 / √(2^indexBits); 12 is 1.6 % in 4 KiB. */
  | { readonly kind: "distinct"; readonly column: number; readonly indexBits?: number }
  /** DDSketch: within 1 % of the value at rank ⌊share × (n − 1)⌋, as long as no more than `binsMost` bins are hit. */
  | {
      readonly kind: "quantiles";
      readonly column: number;
      readonly shares: readonly number[];
      readonly binsMost?: number;
    };

export interface PaneOptions {
  readonly window: PaneWindow;
  /** A window is over when the watermark has passed its end by this. Default 0. */
  readonly latenessMs?: number;
  readonly columns: readonly PaneColumn[];
  /** At most 32. */
  readonly aggregates: readonly Aggregate[];
  /** Memory beyond this is refused with kernel.memory. Default: all that the kernel has. */
  readonly maxBytes?: number;
}

export const WINDOW_MINUTES_MAX = 2880;
export const AGGREGATES_MAX = 32;
const COLUMNS_MAX = 64;
const LATENESS_MS_MAX = 2 ** 45;
const MINUTE_US = 60_000_000n;

// Codes of core-as/pane-store.ts.
const TYPES: Readonly<Record<PaneColumn, number>> = { integer: 1, double: 2, decimal: 3, text: 4 };
const COUNT_ROWS = 1;
const KINDS: Readonly<Record<Aggregate["kind"], number>> = {
  count: 2,
  sum: 3,
  min: 4,
  max: 5,
  first: 6,
  last: 7,
  distinct: 8,
  quantiles: 9,
};

/** Bytes of a value in a batch: an integer or double, a decimal's two words (low first), a text's start and length. */
export function valueBytes(column: PaneColumn): number {
  return column === "decimal" ? 16 : 8;
}

/** Bytes of an aggregate's result, and whether it is doubles. */
export function resultShape(aggregate: Aggregate, columns: readonly PaneColumn[]): [number, boolean] {
  const type = aggregate.column === undefined ? "integer" : columns[aggregate.column]!;
  switch (aggregate.kind) {
    case "count":
      return [8, false];
    case "sum":
      return type === "double" ? [8, true] : [16, false];
    case "distinct":
      return [8, true];
    case "quantiles":
      return [8 * aggregate.shares.length, true];
    default:
      return [type === "decimal" ? 16 : 8, type === "double"];
  }
}

/** @throws AssertionError for a declaration that makes no sense */
export function describePanes(options: PaneOptions): Uint8Array {
  const { columns, aggregates } = options;
  assert(columns.length <= COLUMNS_MAX, `panes have at most ${COLUMNS_MAX} columns`);
  assert(
    aggregates.length > 0 && aggregates.length <= AGGREGATES_MAX,
    `panes have 1 to ${AGGREGATES_MAX} aggregates`,
  );
  for (const aggregate of aggregates) checkAggregate(aggregate, columns);
  const shares = aggregates.flatMap((aggregate) => (aggregate.kind === "quantiles" ? aggregate.shares : []));
  const declared = 48 + columns.length * 4;
  const sharesAt = Math.ceil((declared + aggregates.length * 16) / 8) * 8;
  const result = new Uint8Array(sharesAt + shares.length * 8);
  const view = new DataView(result.buffer);
  const word = (at: number, value: number): void => view.setUint32(at, value, true);
  word(0, options.window.kind === "session" ? 1 : 0);
  word(4, columns.length);
  word(8, aggregates.length);
  word(12, shares.length);
  const { sizeUs, hopUs } = windowUs(options.window);
  const latenessMs = options.latenessMs ?? 0;
  assert(
    Number.isSafeInteger(latenessMs) && latenessMs >= 0 && latenessMs <= LATENESS_MS_MAX,
    "lateness is whole ms",
  );
  view.setBigInt64(16, sizeUs, true);
  view.setBigInt64(24, hopUs, true);
  view.setBigInt64(32, BigInt(latenessMs) * 1000n, true);
  columns.forEach((column, i) => word(48 + i * 4, TYPES[column]));
  aggregates.forEach((aggregate, i) => {
    const at = declared + i * 16;
    word(at, aggregate.column === undefined ? COUNT_ROWS : KINDS[aggregate.kind]);
    word(at + 4, aggregate.column ?? 0xffff_ffff);
    word(at + 8, parameterOf(aggregate));
    word(at + 12, aggregate.kind === "quantiles" ? aggregate.shares.length : 0);
  });
  shares.forEach((share, i) => view.setFloat64(sharesAt + i * 8, share, true));
  return result;
}

function windowUs(window: PaneWindow): { sizeUs: bigint; hopUs: bigint } {
  if (window.kind === "session") {
    const { gapMs } = window;
    const gapMsMax = WINDOW_MINUTES_MAX * 60_000;
    assert(Number.isSafeInteger(gapMs) && gapMs > 0 && gapMs <= gapMsMax, "a gap is 1 ms to 48 hours");
    return { sizeUs: BigInt(gapMs) * 1000n, hopUs: 0n };
  }
  const size = window.sizeMinutes;
  const hop = window.kind === "hopping" ? window.hopMinutes : size;
  assert(
    Number.isSafeInteger(size) && size > 0 && size <= WINDOW_MINUTES_MAX,
    "a window takes whole minutes, at most 48 hours",
  );
  assert(Number.isSafeInteger(hop) && hop > 0 && hop <= size, "a hop is whole minutes, at most the size");
  return { sizeUs: BigInt(size) * MINUTE_US, hopUs: BigInt(hop) * MINUTE_US };
}

function parameterOf(aggregate: Aggregate): number {
  if (aggregate.kind === "distinct") return aggregate.indexBits ?? 12;
  return aggregate.kind === "quantiles" ? (aggregate.binsMost ?? 2048) : 0;
}

function checkAggregate(aggregate: Aggregate, columns: readonly PaneColumn[]): void {
  const { kind, column } = aggregate;
  if (kind === "count" && column === undefined) return;
  const type = columns[column!];
  assert(type !== undefined, `no column ${column} for ${kind}`);
  assert(type !== "text" || kind === "count" || kind === "distinct", `${kind} takes no text`);
  if (kind === "sum") {
    const isCompensated = aggregate.compensated === true;
    assert(isCompensated === (type === "double"), "a sum is compensated exactly when it is one of doubles");
  }
  if (kind === "distinct") {
    const bits = parameterOf(aggregate);
    assert(Number.isSafeInteger(bits) && bits >= 4 && bits <= 16, "distinct takes 4 to 16 index bits");
  }
  if (kind === "quantiles") {
    const bins = parameterOf(aggregate);
    assert(type !== "decimal", "quantiles are of integers or doubles");
    assert(Number.isSafeInteger(bins) && bins >= 16 && bins <= 65_536, "quantiles take 16 to 65,536 bins");
    assert(aggregate.shares.length > 0 && aggregate.shares.length <= 16, "quantiles take 1 to 16 shares");
    assert(
      aggregate.shares.every((share) => share >= 0 && share <= 1),
      "a share is a number from 0 to 1",
    );
  }
}
