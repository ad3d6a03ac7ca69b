/** What the API says of dead letters, as far as pages show it. */

export interface LetterGroup {
  readonly event_type: string;
  readonly reason: string;
  readonly count: number;
  readonly open: number;
  readonly landed: number;
  readonly duplicate: number;
  readonly dead_again: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly sample: {
    readonly dead_letter_id: string;
    readonly event_id: string | null;
    readonly pointer: string | null;
    readonly detail: string | null;
  };
  readonly help: string | null;
}

export type LetterState = "open" | "landed" | "duplicate" | "dead_again";

export interface LetterItem {
  readonly dead_letter_id: string;
  readonly event_type: string;
  readonly event_id: string | null;
  readonly reason: string;
  readonly pointer: string | null;
  readonly detail: string | null;
  readonly ingest_time: string;
  readonly log_partition: number | string;
  readonly log_offset: number | string;
  readonly state: LetterState;
  readonly replayed_by: string | null;
  readonly replayed_at: string | null;
  readonly corrected: boolean | null;
}

export interface ShownLetter extends LetterItem {
  readonly payload: string;
  readonly header: string | null;
  readonly event_key: string | null;
  readonly help: string | null;
}

export interface ReplayedItem {
  readonly dead_letter_id: string;
  readonly event_id: string | null;
  readonly outcome: "accepted" | "would_land" | "would_be_duplicate" | "refused";
  readonly code: string | null;
  readonly pointer: string | null;
  readonly detail: string | null;
}

export interface ReplayAnswer {
  readonly dry_run: boolean;
  readonly counts: Readonly<Partial<Record<ReplayedItem["outcome"], number>>>;
  readonly items: readonly ReplayedItem[];
  readonly next_cursor: string | null;
}

export interface ReplayFilter {
  readonly event_type?: string;
  readonly reason?: string;
  readonly since?: string;
  readonly until?: string;
}

export const STATE_WORDS: Readonly<Record<LetterState, string>> = {
  open: "open",
  landed: "landed since",
  duplicate: "was a duplicate",
  dead_again: "dead again",
};

/** Without the filters that are not set. */
export function lettersLink(filters: Readonly<Record<string, string>>): string {
  const set = Object.entries(filters).filter(([, text]) => text !== "");
  const query = new URLSearchParams(set).toString();
  return `/dead-letters${query === "" ? "" : `?${query}`}`;
}
