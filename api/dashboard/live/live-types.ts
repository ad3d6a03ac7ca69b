/** What the live stream tells, as the pages read it. */
import type { TailEvent } from "../../live/tail-event.ts";

export interface Rates {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
}

export interface Totals extends Rates {
  readonly in_flight: number;
  readonly balanced: boolean;
}

export interface TypeNow extends Totals {
  readonly event_type: string;
  readonly version: number;
  readonly rates: Rates;
  readonly committed_at: string | null;
  readonly complete_through: string | null;
  readonly lag_ms: number;
}

export interface FiringAlert {
  readonly rule: string;
  readonly fingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly value: number;
  readonly starts_at: string | null;
}

export interface NowValue {
  readonly as_of: string;
  readonly totals: Totals;
  readonly rates: Rates;
  readonly lag_ms: number;
  readonly complete_through: string | null;
  readonly last_commit: { readonly table: string; readonly version: number; readonly at: string } | null;
  readonly event_types: readonly TypeNow[];
  readonly event_types_count: number;
  readonly alerts: readonly FiringAlert[];
  readonly alerts_count: number;
}

export interface TailFrame {
  readonly event_type: string;
  readonly at: string;
  readonly came: number;
  readonly matched: number;
  readonly events: readonly TailEvent[];
  readonly fates: readonly TailEvent[];
}

/** A tail that a page wants: an event type with its filters. */
export interface TailWant {
  readonly type: string;
  readonly contains: string;
  readonly fate: string;
}

export interface Wants {
  readonly isNow: boolean;
  readonly tail: TailWant | undefined;
}

/** Why nothing comes, or that all is well. */
export interface LiveState {
  readonly kind: "idle" | "connecting" | "open" | "retrying" | "refused";
  readonly error?: { readonly message: string; readonly code: string };
}
