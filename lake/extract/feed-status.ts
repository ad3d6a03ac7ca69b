/** How a feed is doing, as an object in the store, so that every process can tell, not only the one that makes it. */
import type { Clock } from "../../core/clock.ts";
import type { FeedStore } from "./feed-store.ts";
import type { Withheld } from "./make-feed.ts";

export interface FeedStatus {
  /** `withheld`: a window is not published because a check does not hold. `failing`: a pass broke off. */
  readonly state: "ready" | "waiting" | "withheld" | "failing";
  /** A sentence; null where there is none. */
  readonly problem: string | null;
  readonly code: string | null;
  /** Every window that ends by then is published; null while nobody knows. */
  readonly complete_through: string | null;
  readonly withheld: readonly Withheld[];
  /** Rows that belong to no window because their time is NULL. */
  readonly rows_without_time: number;
  /** Rows that came for windows that are final. */
  readonly rows_too_late: number;
  /** Since when it is so. */
  readonly at: string;
}

/** @returns undefined before the first pass */
export async function readStatus(store: FeedStore): Promise<FeedStatus | undefined> {
  const bytes = await store.store.get(store.path("_status.json"));
  return bytes ? (JSON.parse(Buffer.from(bytes).toString()) as FeedStatus) : undefined;
}

/** Writes what has changed, and nothing where nothing has. */
export async function writeStatus(
  store: FeedStore,
  status: Omit<FeedStatus, "at">,
  clock: Clock,
): Promise<void> {
  const known = await readStatus(store);
  if (known) {
    const { at: _at, ...rest } = known;
    if (JSON.stringify(rest) === JSON.stringify(status)) return;
  }
  const at = new Date(clock.nowMs()).toISOString();
  await store.store.put(store.path("_status.json"), Buffer.from(JSON.stringify({ ...status, at })));
}
