/** What a follower has of a table, kept as one. */
export interface Followed {
  readonly version: number;
  /** How often it has each row. */
  readonly rows: ReadonlyMap<string, number>;
}
