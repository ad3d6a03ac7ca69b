/** What publishing dead letters again needs of the rest; given by the composition root, where it runs a door. */
import type { Principal } from "../core/authorize.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { EventType } from "../core/event-type.ts";
import type { ReplayNote } from "../core/replay.ts";

export interface Refusal {
  readonly code: ErrorCode;
  /** RFC 6901, where one value is to blame. */
  readonly pointer: string | null;
  readonly detail: string;
}

/** What publishing again takes beside the read side: a door, and landing's judgement, both in this process. */
export interface ReplayPort {
  /** One event through the door. @returns why it is refused; undefined where it is accepted */
  publish(again: {
    readonly eventType: string;
    readonly payload: Uint8Array;
    readonly note: ReplayNote;
    readonly principal: Principal;
    readonly flowId: string;
    readonly isDryRun: boolean;
  }): Promise<Refusal | undefined>;
  /** [payload] what landing would say of each. */
  rehearse(
    type: EventType,
    payloads: readonly Uint8Array[],
  ): Promise<
    {
      readonly fate: "landed" | "duplicate" | "dead_letter";
      readonly eventId: string | null;
      readonly reason: Refusal | undefined;
    }[]
  >;
  /** Ingest times at most this far apart are compared for duplicates, ms. */
  readonly horizonMs: number;
}
