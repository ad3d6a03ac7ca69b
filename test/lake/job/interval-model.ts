/** What an interval join with absence gives, in plain TypeScript, from docs/JOBS.md and nothing else. */
import type { LandedRow } from "./job-world.ts";

export interface IntervalSpan {
  readonly lowMs: number;
  readonly highMs: number;
  readonly latenessMs: number;
}

/** A left row with the right rows that count for it. */
export interface Joined {
  readonly row: LandedRow;
  readonly parts: readonly LandedRow[];
}

export interface LateRow {
  readonly row: LandedRow;
  readonly side: "left" | "right";
  readonly startMs: number;
  readonly endMs: number;
}

const comesBefore = (row: LandedRow, ms: number): boolean => row.watermarkMs === null || row.watermarkMs < ms;

/** Both bounds belong to the interval. */
export function intervalModel(
  left: readonly LandedRow[],
  right: readonly LandedRow[],
  { lowMs, highMs, latenessMs }: IntervalSpan,
): { readonly joined: readonly Joined[]; readonly late: readonly LateRow[] } {
  const waitMs = Math.max(highMs, 0) + latenessMs;
  const joined: Joined[] = [];
  const late: LateRow[] = [];
  for (const row of left) {
    const [startMs, endMs] = [row.timeMs + lowMs, row.timeMs + highMs];
    if (!comesBefore(row, row.timeMs + waitMs)) {
      late.push({ row, side: "left", startMs, endMs });
      continue;
    }
    const parts = right.filter(
      (part) =>
        part.k !== null &&
        part.k === row.k &&
        part.timeMs >= startMs &&
        part.timeMs <= endMs &&
        comesBefore(part, row.timeMs + waitMs),
    );
    joined.push({ row, parts });
  }
  for (const row of right) {
    if (row.watermarkMs === null) continue;
    const [startMs, endMs] = [row.timeMs - highMs, Math.min(row.timeMs - lowMs, row.watermarkMs - waitMs)];
    if (startMs <= endMs) late.push({ row, side: "right", startMs, endMs });
  }
  return { joined, late };
}
