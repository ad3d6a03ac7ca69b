/** What is to be erased: the rows of one event type in which a field has a value, and what goes with them. */
import type { EventType } from "../core/event-type.ts";
import type { Subject } from "./subject.ts";

export interface EraseRequest {
  readonly eventType: EventType;
  readonly subject: Subject;
  /** Names the erasure in the commits. */
  readonly id: string;
  /** As in `RowRemoval`. */
  readonly horizonMs: number;
  readonly partitions: number;
  /** At this age a file that no version names is nobody's, ms. */
  readonly sweepAfterMs: number;
  /** Counts only. */
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}
