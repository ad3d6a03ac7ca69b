/**
 * The books: for every event type, partition and hour of acceptance,
 *   accepted = landed + duplicates + dead letters + in flight.
 * Landing writes a ledger line per partition and hour into each commit; accepted is counted by the log itself.
 */

/** One line of a landing commit's ledger: what became of the offsets [from, to) of one partition. */
export interface LedgerLine {
  readonly logId: string;
  readonly topicId: string;
  readonly partition: number;
  /** Start of the hour of acceptance, ms since 1970 UTC. */
  readonly hourMs: number;
  readonly from: number;
  readonly to: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead: number;
  /** Offsets in [from, to) that held no record. */
  readonly gap: number;
}

export const HOUR_MS = 3_600_000;

export function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}

export interface Balance {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly inFlight: number;
}

/** What is wrong with a ledger: lines that do not add up, gaps or overlaps between lines. Empty when all holds. */
export function ledgerFaults(lines: readonly LedgerLine[]): string[] {
  const faults: string[] = [];
  const ends = new Map<string, number>();
  const ordered = lines.toSorted((a, b) => a.from - b.from);
  for (const line of ordered) {
    const place = `${line.logId}:${line.topicId}:${line.partition}`;
    const counted = line.landed + line.duplicates + line.dead + line.gap;
    if (counted !== line.to - line.from)
      faults.push(
        `${place} [${line.from}, ${line.to}): ${counted} accounted for, ${line.to - line.from} read`,
      );
    const end = ends.get(place);
    if (end !== undefined && end !== line.from)
      faults.push(`${place}: a line ends at ${end}, the next starts at ${line.from}`);
    ends.set(place, line.to);
  }
  return faults;
}
