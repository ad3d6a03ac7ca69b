/** What a tail tells of an event. */

export interface TailEvent {
  readonly partition: number;
  readonly offset: number;
  readonly ingest_time: string | null;
  readonly event_id: string | null;
  readonly fate: string;
  /** Why, of a duplicate or dead letter. */
  readonly about?: string;
  /** As published; its first bytes where it is long. */
  readonly payload: string | null;
  readonly is_cut?: true;
}
