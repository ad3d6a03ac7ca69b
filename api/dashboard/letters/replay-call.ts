/** Replays of dead letters: of one, and of all that a filter finds, a page at a time. */
import { askJson } from "../api-client.ts";
import type { ReplayAnswer, ReplayedItem, ReplayFilter } from "./letter-answer.ts";

const PAGE = 500;
/** Refusals that are shown. */
const REFUSED_MAX = 20;

export interface Correction {
  readonly correction?: {
    readonly set?: Readonly<Record<string, string>>;
    readonly remove?: readonly string[];
    readonly event?: string;
  };
}

/** So far. */
export interface ReplaySum {
  readonly counts: Readonly<Partial<Record<ReplayedItem["outcome"], number>>>;
  readonly total: number;
  /** Some of them. */
  readonly refused: readonly ReplayedItem[];
}

export const NOTHING_REPLAYED: ReplaySum = { counts: {}, total: 0, refused: [] };

export function replayLetter(id: string, correction: Correction, isDryRun: boolean): Promise<ReplayAnswer> {
  return call({ ids: [id], ...correction, dry_run: isDryRun });
}

/** All of them. @param onSum after each page; what is replayed stays so, also when `signal` ends it */
export async function replayAll(
  filter: ReplayFilter,
  correction: Correction,
  isDryRun: boolean,
  onSum: (sum: ReplaySum) => void,
  signal: AbortSignal,
): Promise<void> {
  let sum = NOTHING_REPLAYED;
  let cursor: string | null = null;
  do {
    signal.throwIfAborted();
    const from: { cursor?: string } = cursor === null ? {} : { cursor };
    const answer: ReplayAnswer = await call(
      { filter: { ...filter, ...from }, ...correction, dry_run: isDryRun, limit: PAGE },
      signal,
    );
    sum = added(sum, answer);
    onSum(sum);
    cursor = answer.next_cursor;
  } while (cursor !== null);
}

function added(sum: ReplaySum, { counts, items }: ReplayAnswer): ReplaySum {
  const all = { ...sum.counts };
  for (const [outcome, count] of Object.entries(counts) as [ReplayedItem["outcome"], number][])
    all[outcome] = (all[outcome] ?? 0) + count;
  const refused = [...sum.refused, ...items.filter(({ outcome }) => outcome === "refused")];
  return { counts: all, total: sum.total + items.length, refused: refused.slice(0, REFUSED_MAX) };
}

function call(body: unknown, signal?: AbortSignal): Promise<ReplayAnswer> {
  return askJson<ReplayAnswer>("/v1/dead-letters/replay", { method: "POST", body, signal });
}
