/** Generated inputs of jobs: two tables of the lake, as landing commits them, and how a job meets the commits. */
import * as fc from "fast-check";
import type { JobTable } from "../../../lake/job/analysis.ts";

const TIME = "TIMESTAMP WITH TIME ZONE";
export const COLUMNS = [
  ["event_id", "VARCHAR"],
  ["event_time", TIME],
  ["ingest_time", TIME],
  ["log_partition", "BIGINT"],
  ["log_offset", "BIGINT"],
  ["watermark", TIME],
  ["k", "VARCHAR"],
  ["n", "BIGINT"],
  ["p", "DECIMAL(18,2)"],
  ["d", "DOUBLE"],
  ["other_time", TIME],
  ["tags", "VARCHAR[]"],
].map(([name, type]) => ({ name: name!, type: type! }));

export const TABLES: readonly JobTable[] = [
  { names: ["shop.order", "shop_order"], columns: COLUMNS },
  { names: ["shop.shipment", "shop_shipment"], columns: COLUMNS },
];

/** All times of a world are such a multiple of seconds after this, so that rows meet the edges of windows. */
const START_MS = Date.UTC(2026, 0, 1);
const GRAIN_MS = 10_000;
/** Behind every window of every row. */
export const END_MS = Date.UTC(2099, 0, 1);

export interface WorldRow {
  /** Of its event time from the watermark of its table, grains. */
  readonly ahead: number;
  readonly isDirtyClock: boolean;
  readonly k: string | null;
  readonly n: number | null;
  readonly other: number | null;
  readonly tags: readonly string[];
}

export interface WorldCommit {
  readonly table: number;
  readonly rows: readonly WorldRow[];
  /** How far the watermark of its table goes on with it, grains. */
  readonly advance: number;
  /** Whether a step of the job ends behind it, and what happens then. */
  readonly ends: "nothing" | "step" | "restart";
}

export interface World {
  /** Over so many grains the watermarks of the tables begin; null: none yet. */
  readonly begins: readonly (number | null)[];
  readonly commits: readonly WorldCommit[];
  /** So many commits are history when the job begins, released in so many steps. */
  readonly history: number;
  readonly historySteps: number;
}

const toMs = (grains: number): number => START_MS + grains * GRAIN_MS;

const row = fc.record<WorldRow>({
  ahead: fc.integer({ min: -40, max: 40 }),
  isDirtyClock: fc.integer({ min: 0, max: 30 }).map((chance) => chance === 0),
  k: fc.constantFrom("a", "b", null),
  n: fc.option(fc.integer({ min: -3, max: 5 }), { freq: 5 }),
  other: fc.option(fc.integer({ min: -60, max: 120 }), { freq: 5 }),
  tags: fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 3 }),
});

const commit = fc.record<WorldCommit>({
  table: fc.integer({ min: 0, max: 1 }),
  rows: fc.array(row, { maxLength: 8 }),
  advance: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 120 })),
  ends: fc.constantFrom("nothing", "step", "step", "restart"),
});

const begin = fc.option(fc.integer({ min: 0, max: 20 }), { freq: 3 });

export const worlds: fc.Arbitrary<World> = fc.record<World>({
  begins: fc.tuple(begin, begin),
  commits: fc.array(commit, { minLength: 1, maxLength: 10 }),
  history: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10 })),
  historySteps: fc.integer({ min: 1, max: 3 }),
});

/** A row as it was committed. Times in ms since 1970 UTC. */
export interface LandedRow extends WorldRow {
  readonly table: number;
  readonly commit: number;
  readonly id: string;
  readonly offset: number;
  readonly timeMs: number;
  /** Of its table before its commit. */
  readonly watermarkMs: number | null;
  readonly otherMs: number | null;
}

export interface Landed {
  readonly rows: readonly LandedRow[];
  /** Per commit the watermarks of the tables after it. [commit][table] */
  readonly watermarks: readonly (readonly (number | null)[])[];
}

export function land({ begins, commits }: World): Landed {
  const rows: LandedRow[] = [];
  const now = [...begins];
  const watermarks: (number | null)[][] = [];
  for (const [index, { table, rows: written, advance }] of commits.entries()) {
    const before = now[table] ?? null;
    for (const one of written) {
      const timeMs = one.isDirtyClock
        ? Date.UTC(1948, 4, 1) + one.ahead * 1_000
        : toMs((before ?? 0) + one.ahead);
      rows.push({
        ...one,
        table,
        commit: index,
        id: `e${rows.length}`,
        offset: rows.length,
        timeMs,
        watermarkMs: before === null ? null : toMs(before),
        otherMs: one.other === null ? null : toMs(one.other),
      });
    }
    now[table] = (before ?? 0) + advance;
    watermarks.push(now.map((grains) => (grains === null ? null : toMs(grains))));
  }
  return { rows, watermarks };
}

const sqlTime = (ms: number | null): string => (ms === null ? "NULL" : `make_timestamptz(${ms * 1_000})`);
const sqlText = (text: string | null): string => (text === null ? "NULL" : `'${text}'`);

/** A row by the columns of COLUMNS, as SQL. `d` has what `n` has, in tenths: sums of it depend on their order. */
export function sqlRow(landed: LandedRow): string {
  const { id, timeMs, watermarkMs, offset, k, n, otherMs, tags } = landed;
  const number = n === null ? "NULL" : String(n);
  const values = [
    sqlText(id),
    sqlTime(timeMs),
    sqlTime(Math.max(timeMs, START_MS)),
    "0",
    String(offset),
    sqlTime(watermarkMs),
    sqlText(k),
    number,
    n === null ? "NULL" : `${n}.25`,
    n === null ? "NULL" : `${n}.1`,
    sqlTime(otherMs),
    `[${tags.map(sqlText).join(", ")}]::VARCHAR[]`,
  ];
  return `(${values.join(", ")})`;
}
