/** The meaning of TUMBLE, HOP and SESSION in plain TypeScript, from docs/JOBS.md and nothing else. */
import type { LandedRow } from "./job-world.ts";

/** A row in a window. ms since 1970 UTC. */
export interface InWindow {
  readonly row: LandedRow;
  readonly startMs: number;
  readonly endMs: number;
}

const isBefore = (watermarkMs: number | null, timeMs: number): boolean =>
  watermarkMs === null || watermarkMs < timeMs;

export function hopModel(
  rows: readonly LandedRow[],
  stepMs: number,
  sizeMs: number,
  latenessMs: number,
): { readonly admitted: readonly InWindow[]; readonly late: readonly InWindow[] } {
  const all = rows.flatMap((row) => {
    const windows: InWindow[] = [];
    const newest = Math.floor(row.timeMs / stepMs) * stepMs;
    for (let startMs = newest; startMs + sizeMs > row.timeMs; startMs -= stepMs)
      windows.push({ row, startMs, endMs: startMs + sizeMs });
    return windows;
  });
  const isAdmitted = ({ row, endMs }: InWindow): boolean => isBefore(row.watermarkMs, endMs + latenessMs);
  return { admitted: all.filter(isAdmitted), late: all.filter((one) => !isAdmitted(one)) };
}

export function sessionModel(
  rows: readonly LandedRow[],
  gapMs: number,
  latenessMs: number,
  keyOf: (row: LandedRow) => string,
): readonly InWindow[] {
  const admitted = rows
    .filter(({ watermarkMs, timeMs }) => isBefore(watermarkMs, timeMs + latenessMs))
    .toSorted((a, b) => a.timeMs - b.timeMs);
  const sessions: { key: string; rows: LandedRow[]; lastMs: number }[] = [];
  for (const row of admitted) {
    const open = sessions.findLast(({ key }) => key === keyOf(row));
    if (open && row.timeMs - open.lastMs <= gapMs) {
      open.rows.push(row);
      open.lastMs = row.timeMs;
    } else sessions.push({ key: keyOf(row), rows: [row], lastMs: row.timeMs });
  }
  return sessions.flatMap((session) =>
    session.rows.map((row) => ({
      row,
      startMs: session.rows[0]!.timeMs,
      endMs: session.lastMs + gapMs,
    })),
  );
}

export function dedupModel(
  rows: readonly LandedRow[],
  horizonMs: number,
  latenessMs: number,
  keyOf: (row: LandedRow) => string,
): readonly LandedRow[] {
  const lastMs = new Map<string, number>();
  const admitted = rows.filter(({ watermarkMs, timeMs }) => isBefore(watermarkMs, timeMs + latenessMs));
  return admitted
    .toSorted((a, b) => a.timeMs - b.timeMs || (a.id < b.id ? -1 : 1))
    .filter((row) => {
      const before = lastMs.get(keyOf(row));
      lastMs.set(keyOf(row), row.timeMs);
      return before === undefined || row.timeMs - before > horizonMs;
    });
}
